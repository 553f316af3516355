"""The last hour of a node that owned the actors: a moment each five seconds, for graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from actors.telemetry.samples import Gauges, Sample, Samples


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
    gauges: Gauges


def moments(samples: Samples, since: float) -> list[Moment]:
    """Return the moments from `since` (seconds since 1970) on, the oldest first."""
    return [
        between(before, now, now.gauges)
        for before, now in samples.pairs(since)
        if now.gauges is not None and now.clock > before.clock
    ]


def between(before: Sample, now: Sample, gauges: Gauges) -> Moment:
    """Return what was done from one sample to a later one; its times are those of the later."""
    seconds = now.clock - before.clock

    def rate(event: str) -> float:
        return (
            sum(count - before.counts[key] for key, count in now.counts.items() if key[0] == event)
            / seconds
        )

    return Moment(
        now.at, rate("applied"), rate("refused"), rate("failed"), now.p50_s, now.p99_s, gauges
    )
