"""The listening process: sockets, connections, signals."""
