"""The actors: everything that may change a work order. No HTTP, no environment."""
