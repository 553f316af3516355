"""How much was counted lately: the counts of the last quarter of an hour, each fifteen seconds."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Final, NamedTuple

from actors.telemetry.histogram import percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.telemetry.histogram import Histogram
    from actors.telemetry.telemetry import Telemetry

KEPT_EVERY_S: Final = 15.0
_KEPT: Final = 61
"""A quarter of an hour and the one before."""
_ENOUGH: Final = 600
"""A minute of the loop's beats."""
_NO_ROOM: Final = 429


class Counts(NamedTuple):
    """What was counted until `at`, by a clock that only rises."""

    at: float
    counters: Counter[str]
    failed: Counter[str]
    """Failed updates by code."""
    commits: tuple[int, ...]
    lags: tuple[int, ...]


def counts_of(
    telemetry: Telemetry, calls: Counter[tuple[str, str, int]], lags: Histogram, at: float
) -> Counts:
    """Read the counts of a node as they are; `calls` are by method, route and status."""
    failed: Counter[str] = Counter()
    for (event, code), count in telemetry.outcomes.items():
        if event == "failed":
            failed[code] += count
    commits = telemetry.commits
    counters = Counter(
        failed=failed.total(),
        turned_away=sum(count for call, count in calls.items() if call[2] == _NO_ROOM),
        retries=commits.retries,
        fenced=commits.fenced,
        relay_errors=commits.relay_errors,
        restarted=telemetry.actors.restarted,
    )
    return Counts(at, counters, failed, tuple(commits.times.counts), tuple(lags.counts))


class Recent:
    """The counts now beside those of before; a node that is younger than asked counts from 0 on."""

    def __init__(self) -> None:
        self._kept: deque[Counts] = deque(maxlen=_KEPT)
        self._now = Counts(0.0, Counter(), Counter(), (), ())

    def note(self, now: Counts) -> None:
        """Take the counts as they are now."""
        self._now = now
        if not self._kept or now.at - self._kept[-1].at >= KEPT_EVERY_S:
            self._kept.append(now)

    def increase(self, counter: str, within_s: float) -> int:
        """Return by how much `counter` rose."""
        return self._now.counters[counter] - self._before(within_s).counters[counter]

    def failed(self, within_s: float) -> Counter[str]:
        """Return the updates that failed, by code."""
        return self._now.failed - self._before(within_s).failed

    def commit_s(self, share: float, within_s: float) -> float:
        """Return the seconds that `share` of the commits did not exceed, 0 without any."""
        return _percentile(self._now.commits, self._before(within_s).commits, share)

    def lag_s(self, share: float, within_s: float) -> float:
        """Return the seconds by which `share` of the loop's timers were not later.

        0 before there were enough of them: a start is always late.
        """
        before = self._before(within_s).lags
        if sum(self._now.lags) - sum(before) < _ENOUGH:
            return 0.0
        return _percentile(self._now.lags, before, share)

    def _before(self, within_s: float) -> Counts:
        since = self._now.at - within_s
        return next((each for each in self._kept if each.at >= since), self._now)


def _percentile(now: Sequence[int], before: Sequence[int], share: float) -> float:
    return percentile([new - old for new, old in zip(now, before, strict=True)], share)
