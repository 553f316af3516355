"""What was counted at each moment of the last hour: one ring, for rates, percentiles and graphs."""

from __future__ import annotations

import time
from collections import Counter, deque
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from actors.telemetry.histogram import Histogram, percentile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SAMPLED_EVERY_S: Final = 5.0
MAX_SAMPLES: Final = 721
"""An hour of them, and the one before."""

Counts = Counter[tuple[str, str]]
"""By kind and name: ("failed", "TIMEOUT"), ("commits", "retries")."""


class Gauges(NamedTuple):
    """How much there is at a moment: updates that wait or are at work, and live actors."""

    waiting: int
    """For the store, or for another try, too."""
    active: int
    live: int
    paused: bool


class Sample(NamedTuple):
    """All counts at a moment. `at` is in seconds since 1970, `clock` only ever rises."""

    at: float
    clock: float
    counts: Counts
    times: Mapping[str, tuple[int, ...]]
    gauges: Gauges | None
    """None while the node owns no actors."""
    p50_s: float | None = None
    p99_s: float | None = None
    """From arrival to answer since the sample before, None where nothing was answered."""


class Samples:
    """The samples of the last hour; the oldest goes. Who counts adds its source."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ring: deque[Sample] = deque(maxlen=MAX_SAMPLES)
        self.counters: list[Callable[[], Mapping[tuple[str, str], int]]] = []
        self.times: dict[str, Histogram] = {}

    def take(self, gauges: Gauges | None, at: float | None = None) -> None:
        """Remember everything as it is now."""
        times = {name: tuple(each.counts) for name, each in self.times.items()}
        p50_s = p99_s = None
        if self._ring and "total" in times:
            answered = _less(times["total"], self._ring[-1].times.get("total"))
            if any(answered):
                p50_s, p99_s = percentile(answered, 0.5), percentile(answered, 0.99)
        at = time.time() if at is None else at
        self._ring.append(Sample(at, self._clock(), self._counts(), times, gauges, p50_s, p99_s))

    def pairs(self, since: float) -> Iterator[tuple[Sample, Sample]]:
        """Return neighbours, oldest first, whose later one was taken at `since` (1970) or after."""
        return ((before, now) for before, now in pairwise(self._ring) if now.at >= since)

    def of_last(self, within_s: float, since: float | None) -> tuple[Sample, Sample] | None:
        """Return the latest sample, and the one `within_s` before it, `since` (1970) or later.

        None where there are no two, or the latest is of a time without actors.
        """
        if not self._ring or self._ring[-1].gauges is None:
            return None
        now = self._ring[-1]
        from_s = max(now.at - within_s, since or 0.0)
        first = next((each for each in self._ring if each.at >= from_s), now)
        return (first, now) if first.clock < now.clock else None

    def increase(self, kind: str, within_s: float) -> Counter[str]:
        """Return by how much the counts of a kind rose in the last seconds, by name."""
        before = self._before(within_s)
        return Counter(
            {
                name: count - (before.counts[kind, name] if before else 0)
                for (each, name), count in self._counts().items()
                if each == kind
            }
        )

    def recent(self, name: str, within_s: float) -> list[int]:
        """Return a histogram's counts of the last seconds."""
        before = self._before(within_s)
        return _less(self.times[name].counts, before.times.get(name) if before else None)

    def window_s(self, within_s: float) -> float:
        """Return the seconds over which `increase` and `recent` count; 0 before a first sample."""
        before = self._before(within_s)
        return self._clock() - before.clock if before else 0.0

    def _before(self, within_s: float) -> Sample | None:
        since = self._clock() - within_s
        return next((each for each in self._ring if each.clock >= since), None)

    def _counts(self) -> Counts:
        counts: Counts = Counter()
        for each in self.counters:
            counts.update(each())
        return counts


def _less(now: tuple[int, ...] | list[int], before: tuple[int, ...] | None) -> list[int]:
    if before is None:
        return list(now)
    return [new - old for new, old in zip(now, before, strict=True)]
