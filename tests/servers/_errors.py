"""What can go wrong with a server for tests."""

from __future__ import annotations


class ServerError(RuntimeError):
    """A server for tests could not be found, started or stopped; the message says why."""
