"""A simulation of several nodes on one store: real actors, everything else seeded and virtual."""
