"""One actor per work order, the supervisor that creates them, and the region that asks them."""
