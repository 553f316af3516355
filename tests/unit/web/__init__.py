"""The HTTP layer, around a node of which the tests decide what it answers."""
