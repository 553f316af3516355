"""The last hour of a node that owned the actors: a moment each five seconds, for graphs."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from itertools import dropwhile
from typing import TYPE_CHECKING, Final, NamedTuple

from actors.telemetry.histogram import percentile

if TYPE_CHECKING:
    from actors.orders.region import Statistics
    from actors.telemetry.telemetry import Telemetry

RECORDED_EVERY_S: Final = 5.0
MAX_MOMENTS: Final = 720
"""Moments: an hour of them, in less than half a megabyte."""


class Moment(NamedTuple):
    """What was done since the moment before, per second, and what there is now.

    `at` is in seconds since 1970; the times, in seconds, are None where nothing was answered.
    """

    at: float
    applied: float
    refused: float
    failed: float
    p50_s: float | None
    p99_s: float | None
    waiting: int
    """Updates that wait, for the store or for another try too."""
    active: int
    live: int
    paused: bool


@dataclass(frozen=True, slots=True)
class _Counts:
    clock: float
    outcomes: Counter[str]
    end_to_end: tuple[int, ...]


class History:
    """The moments of the last hour; the oldest goes."""

    def __init__(self) -> None:
        self._kept: deque[Moment] = deque(maxlen=MAX_MOMENTS)
        self._before: _Counts | None = None

    def record(
        self, telemetry: Telemetry, statistics: Statistics | None, *, at: float, clock: float
    ) -> None:
        """Add the time since this was last called; `clock` only ever rises, `at` is the time.

        Without `statistics`, of a node that owns nothing, nothing is added.
        """
        before, now = self._before, _counts(telemetry, clock)
        self._before = now
        if before is None or statistics is None or clock <= before.clock:
            return
        elapsed_s = clock - before.clock
        answered = [new - old for new, old in zip(now.end_to_end, before.end_to_end, strict=True)]
        applied, refused, failed = (
            (now.outcomes[event] - before.outcomes[event]) / elapsed_s
            for event in ("applied", "refused", "failed")
        )
        self._kept.append(
            Moment(
                at,
                applied,
                refused,
                failed,
                percentile(answered, 0.5) if any(answered) else None,
                percentile(answered, 0.99) if any(answered) else None,
                statistics.waiting + statistics.delayed,
                statistics.active,
                statistics.live_actors,
                statistics.paused,
            )
        )

    def since(self, at: float) -> list[Moment]:
        """Return the moments from `at` on, the oldest first."""
        return list(dropwhile(lambda moment: moment.at < at, self._kept))


def _counts(telemetry: Telemetry, clock: float) -> _Counts:
    outcomes: Counter[str] = Counter()
    for (event, _), count in telemetry.outcomes.items():
        outcomes[event] += count
    return _Counts(clock, outcomes, tuple(telemetry.end_to_end.counts))
