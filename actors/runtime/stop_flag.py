"""Whether an actor has stopped."""

from __future__ import annotations


class StopFlag:
    """What pykka needs of `threading.Event`, without its kilobyte per actor."""

    __slots__ = ("on",)

    def __init__(self) -> None:
        self.on = False
        """Whether the actor has stopped: what `is_set` returns, for those who ask all the time."""

    def is_set(self) -> bool:
        """Return whether the actor has stopped."""
        return self.on

    def set(self) -> None:
        """Mark the actor as stopped."""
        self.on = True
