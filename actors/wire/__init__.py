"""What the actors say to each other across processes: orjson arrays, no pickle."""
