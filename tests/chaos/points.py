"""Named points of a commit and a take-over at which a node can be hit: armed from outside.

The driver arms a point by a file; the node's process, on coming to that point, claims the file by
renaming it, and does what it says to itself. So a fault strikes between two steps that no signal
from outside could aim at.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

FOLDER_VARIABLE: Final = "CHAOS_POINTS"
_TAKEN: Final = ".taken"


class Point(Enum):
    """Where."""

    BEFORE_CAS = "before_cas"
    """All is decided, nothing is sent."""
    AFTER_CAS = "after_cas"
    """The store has answered, the caller has not been."""
    BEFORE_LOG = "before_log"
    """The order is changed, its log entry is not written."""
    TAKING_OVER = "taking_over"
    """An epoch is claimed, nothing is served."""


class Action(Enum):
    """What happens there."""

    KILL = "kill"
    STOP = "stop"
    """SIGSTOP: somebody must let it go on."""
    STALL = "stall"
    """The loop does nothing for some seconds."""
    HANG = "hang"
    """This step and all that come after it never end; all else goes on."""


class Points:
    """The points of one node, as seen by the driver and by the node itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rejections = folder.parent / "rejections"
        folder.mkdir(parents=True, exist_ok=True)

    def arm(self, point: Point, action: Action, seconds: float = 0.0) -> None:
        """Let the next one that comes to `point` do that; it acts once, HANG until disarmed."""
        self.disarm()
        draft = self._folder / "draft"
        draft.write_text(f"{action.value} {seconds:g}")
        draft.rename(self._folder / point.value)

    def set_clock(self, ahead_s: float) -> None:
        """Have the node's clock go ahead by that much, within a moment."""
        draft = self._folder.parent / "clock.draft"
        draft.write_text(f"{ahead_s:g}")
        draft.rename(self._folder.parent / "clock")

    def clock_ahead_s(self) -> float:
        """How far the node's clock is to go ahead, in seconds."""
        try:
            return float((self._folder.parent / "clock").read_text())
        except FileNotFoundError:
            return 0.0

    def disarm(self) -> None:
        """Forget what was armed, and that it was taken."""
        for each in self._folder.iterdir():
            with suppress(FileNotFoundError):
                each.unlink()

    def withdraw(self, point: Point) -> bool:
        """Take back what is armed; False when the node has come to it already."""
        try:
            (self._folder / point.value).unlink()
        except FileNotFoundError:
            return False
        return not self.taken(point)

    def note_rejections(self, count: int) -> None:
        """Add to the commits of this node that a higher epoch in the store kept out."""
        with self._rejections.open("a") as file:
            file.write(f"{count}\n")

    @property
    def rejections(self) -> int:
        """The commits of this node that a higher epoch in the store kept out."""
        found = self._rejections.read_text() if self._rejections.exists() else ""
        return sum(map(int, found.split()))

    def taken(self, point: Point) -> bool:
        """Return whether the armed point was reached."""
        return (self._folder / f"{point.value}{_TAKEN}").exists()

    async def pass_by(self, point: Point) -> None:
        """Do what is armed for this point, in the node's process."""
        armed = self._folder / point.value
        try:
            action, seconds = armed.read_text().split()
            if action == Action.HANG.value:
                (self._folder / f"{point.value}{_TAKEN}").touch()
            else:
                armed.rename(armed.with_name(armed.name + _TAKEN))
        except FileNotFoundError:
            return
        match Action(action):
            case Action.KILL:
                os.kill(os.getpid(), signal.SIGKILL)
            case Action.STOP:
                os.kill(os.getpid(), signal.SIGSTOP)
            case Action.STALL:
                time.sleep(float(seconds))  # noqa: ASYNC251 -- this is the fault
            case Action.HANG:
                await asyncio.Event().wait()
