"""The last hour of one part of the orders: what was done, waited, and was not in the log yet."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from actors.telemetry.samples import MAX_SAMPLES

if TYPE_CHECKING:
    from collections.abc import Callable


class PartSample(NamedTuple):
    """A part at a moment, `at` in seconds since 1970."""

    at: float
    per_s: float | None
    """Updates that were done with, a second; None where no rate is known."""
    waiting: int
    unlogged: int
    """Entries that are committed and not yet in the log."""


class PartSamples:
    """The samples of the last hour, of the times at which the part was owned; the oldest goes."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._ring: deque[PartSample] = deque(maxlen=MAX_SAMPLES)

    def take(self, per_s: float | None, waiting: int, unlogged: int) -> None:
        """Remember what is counted now."""
        self._ring.append(PartSample(self._now(), per_s, waiting, unlogged))

    def since(self, at: float) -> list[PartSample]:
        """Return those from `at` (seconds since 1970) on, the oldest first."""
        return [each for each in self._ring if each.at >= at]
