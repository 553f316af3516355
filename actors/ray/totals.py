"""What a shard's process has counted since it started, and how a front door adds it up."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from actors.telemetry.histogram import Histogram
    from actors.telemetry.telemetry import Telemetry

Written = dict[str, Any]

_NUMBERS: Final = {
    "commits": ("commits", "entries", "conflicts", "retries", "fenced", "relay_errors"),
    "actors": ("created", "passivated", "restarted", "unknown"),
}
"""Attributes of `Telemetry`, and theirs."""
_TIMES: Final = {
    "waiting": attrgetter("waits"),
    "handling": attrgetter("handlings"),
    "commit": attrgetter("commits.times"),
    "total": attrgetter("end_to_end"),
}


def totals_of(telemetry: Telemetry) -> Written:
    """Return the counts as they are sent; each only ever rises."""
    return {
        "outcomes": [[*key, count] for key, count in telemetry.outcomes.items()],
        "numbers": {
            of: [getattr(getattr(telemetry, of), name) for name in names]
            for of, names in _NUMBERS.items()
        },
        "times": {
            name: [each.counts, each.total_s, each.longest_s]
            for name, each in ((name, get(telemetry)) for name, get in _TIMES.items())
        },
    }


class Adder:
    """Adds what the processes of one shard count to a front door's telemetry, from now on.

    Nothing is counted twice, nor before it was first heard of: what a process did in the moment
    before that is left out.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._process = ""
        self._before: Written = {}

    def note(self, process: str, now: Written) -> None:
        """Add what `process` has done since it was last heard, where it was the last one."""
        before, self._before = self._before, now
        if process == self._process:
            self._add(now, before)
        self._process = process

    def _add(self, now: Written, before: Written) -> None:
        told = {(event, code): count for event, code, count in before["outcomes"]}
        for event, code, count in now["outcomes"]:
            self._telemetry.outcomes[event, code] += count - told.get((event, code), 0)
        for of, names in _NUMBERS.items():
            stats = getattr(self._telemetry, of)
            for name, new, old in zip(
                names, now["numbers"][of], before["numbers"][of], strict=False
            ):
                setattr(stats, name, getattr(stats, name) + new - old)
        for name, get in _TIMES.items():
            _add_times(get(self._telemetry), now["times"][name], before["times"][name])


def _add_times(to: Histogram, now: list[Any], before: list[Any]) -> None:
    (counts, total_s, longest_s), (old, old_s, _) = now, before
    more = [new - each for new, each in zip(counts, old, strict=True)]
    to.counts[:] = [sum(each) for each in zip(to.counts, more, strict=True)]
    to.count += sum(more)
    to.total_s += total_s - old_s
    to.longest_s = max(to.longest_s, longest_s)
