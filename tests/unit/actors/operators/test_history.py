"""The last hour of a node, by a clock of the test's own."""

from __future__ import annotations

import pytest

from actors.operators.history import Moment, moments
from actors.telemetry.samples import MAX_SAMPLES, Gauges, Samples
from actors.telemetry.telemetry import Telemetry

_AT = 1_700_000_000.0
_GAUGES = Gauges(7, 2, 9, paused=False)


class Watched:
    """A node's telemetry, sampled when a test says so."""

    def __init__(self) -> None:
        self.clock = 0.0
        self.samples = Samples(lambda: self.clock)
        self.telemetry = Telemetry(self.samples)

    def answer(self, event: str, times: int, seconds: float, code: str = "UPDATED") -> None:
        self.telemetry.outcomes[event, code] += times
        self.telemetry.end_to_end.note(seconds, times)

    def sample(self, clock: float, gauges: Gauges | None = _GAUGES) -> None:
        self.clock = clock
        self.samples.take(gauges, at=_AT + clock)

    def moments(self, since: float = 0) -> list[Moment]:
        return moments(self.samples, since)


def test_rates_are_what_was_added_over_the_time_that_passed() -> None:
    node = Watched()
    node.answer("applied", 1_000, 0.5)
    node.sample(100.0)
    node.answer("applied", 40, 0.010)
    node.answer("refused", 10, 0.001, "DUPLICATE_OPERATION")
    node.answer("refused", 5, 0.001, "WORK_ORDER_NOT_FOUND")
    node.answer("failed", 2, 0.2, "TIMEOUT")
    node.answer("replayed", 7, 0.001)
    node.sample(104.0)
    (moment,) = node.moments()
    assert (moment.at, moment.applied, moment.refused, moment.failed) == (_AT + 104, 10, 3.75, 0.5)


def test_times_are_those_of_the_moments_own_seconds() -> None:
    node = Watched()
    node.sample(0)
    for count, (seconds, times) in enumerate(((2.0, 100), (0.01, 100), (0.0, 0), (0.1, 1)), 1):
        if times:
            node.answer("applied", times, seconds)
        node.sample(5.0 * count)
    slow, fast, quiet, single = node.moments()
    assert slow.p50_s == pytest.approx(2.0, rel=0.25)
    assert fast.p50_s == pytest.approx(0.01, rel=0.25)
    assert fast.p99_s == pytest.approx(0.01, rel=0.25), "the slow ones were before"
    assert (quiet.applied, quiet.p50_s, quiet.p99_s) == (0, None, None)
    assert single.p99_s == pytest.approx(0.1, rel=0.25)


def test_a_moment_says_what_there_is_at_its_end() -> None:
    node = Watched()
    node.sample(0)
    node.sample(5, _GAUGES._replace(paused=True))
    (moment,) = node.moments()
    assert moment.gauges == Gauges(7, 2, 9, paused=True)


def test_a_node_that_owns_nothing_has_no_moments_and_owes_none() -> None:
    node = Watched()
    node.sample(0)
    node.answer("applied", 500, 0.01)
    node.sample(5, None)
    node.answer("applied", 50, 0.01)
    node.sample(10)
    (moment,) = node.moments()
    assert moment.applied == 10, "what was done before it owned anything does not count"


def test_an_hour_is_kept_and_no_more() -> None:
    node = Watched()
    for number in range(MAX_SAMPLES + 100):
        node.sample(5.0 * number)
    kept = node.moments()
    assert len(kept) == MAX_SAMPLES - 1
    assert kept[-1].at - kept[0].at == 5 * (MAX_SAMPLES - 2)
    assert [each.at for each in node.moments(kept[-3].at)] == [each.at for each in kept[-3:]]


def test_a_clock_that_stood_still_divides_nothing() -> None:
    node = Watched()
    node.sample(1)
    node.sample(1)
    assert node.moments() == []


def test_the_last_minute_is_counted_from_the_first_sample_within_it() -> None:
    node = Watched()
    node.answer("applied", 100, 1.0)
    node.sample(0)
    node.answer("applied", 30, 0.01)
    node.sample(30)
    node.answer("applied", 60, 0.01)
    node.clock = 60
    assert node.telemetry.rate() == 90 / 60
    assert node.telemetry.latencies()["total"].count == 90
    node.clock = 75
    assert node.telemetry.rate() == 60 / 45
    node.clock = 1_000
    assert node.telemetry.rate() == 0, "a clock that nobody heard"
