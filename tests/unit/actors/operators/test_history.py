"""The last hour of a node, by a clock of the test's own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.operators.history import MAX_MOMENTS, History
from actors.orders.region import Statistics
from actors.telemetry.telemetry import Telemetry

_AT = 1_700_000_000.0
_COUNTS = Statistics(4, 2, 30, 5, 3, 9, paused=False, wait_ms=12.4)


def answer(
    telemetry: Telemetry, event: str, times: int, seconds: float, code: str = "UPDATED"
) -> None:
    telemetry.outcomes[event, code] += times
    telemetry.end_to_end.note(seconds, times)


def test_rates_are_what_was_added_over_the_time_that_passed() -> None:
    telemetry, history = Telemetry(), History()
    answer(telemetry, "applied", 1_000, 0.5)
    history.record(telemetry, _COUNTS, at=_AT, clock=100.0)
    answer(telemetry, "applied", 40, 0.010)
    answer(telemetry, "refused", 10, 0.001, "DUPLICATE_OPERATION")
    answer(telemetry, "refused", 5, 0.001, "WORK_ORDER_NOT_FOUND")
    answer(telemetry, "failed", 2, 0.2, "TIMEOUT")
    answer(telemetry, "replayed", 7, 0.001)
    history.record(telemetry, _COUNTS, at=_AT + 4, clock=104.0)
    (moment,) = history.since(0)
    assert (moment.at, moment.applied, moment.refused, moment.failed) == (_AT + 4, 10, 3.75, 0.5)


def test_times_are_those_of_the_moments_own_seconds() -> None:
    telemetry, history = Telemetry(), History()
    history.record(telemetry, _COUNTS, at=_AT, clock=0)
    for count, (seconds, times) in enumerate(((2.0, 100), (0.01, 100), (0.0, 0), (0.1, 1)), 1):
        if times:
            answer(telemetry, "applied", times, seconds)
        history.record(telemetry, _COUNTS, at=_AT + 5 * count, clock=5.0 * count)
    slow, fast, quiet, single = history.since(0)
    assert slow.p50_s == pytest.approx(2.0, rel=0.25)
    assert fast.p50_s == pytest.approx(0.01, rel=0.25)
    assert fast.p99_s == pytest.approx(0.01, rel=0.25), "the slow ones were before"
    assert (quiet.applied, quiet.p50_s, quiet.p99_s) == (0, None, None)
    assert single.p99_s == pytest.approx(0.1, rel=0.25)


def test_what_waits_for_the_store_waits_too() -> None:
    telemetry, history = Telemetry(), History()
    history.record(telemetry, _COUNTS, at=_AT, clock=0)
    history.record(telemetry, replace(_COUNTS, paused=True), at=_AT + 5, clock=5)
    (moment,) = history.since(0)
    assert (moment.waiting, moment.active, moment.live, moment.paused) == (4 + 3, 2, 9, True)


def test_a_node_that_owns_nothing_has_no_moments_and_owes_none() -> None:
    telemetry, history = Telemetry(), History()
    history.record(telemetry, _COUNTS, at=_AT, clock=0)
    answer(telemetry, "applied", 500, 0.01)
    history.record(telemetry, None, at=_AT + 5, clock=5)
    answer(telemetry, "applied", 50, 0.01)
    history.record(telemetry, _COUNTS, at=_AT + 10, clock=10)
    (moment,) = history.since(0)
    assert moment.applied == 10, "what was done before it owned anything does not count"


def test_an_hour_is_kept_and_no_more() -> None:
    telemetry, history = Telemetry(), History()
    for number in range(MAX_MOMENTS + 100):
        history.record(telemetry, _COUNTS, at=_AT + 5 * number, clock=5.0 * number)
    kept = history.since(0)
    assert len(kept) == MAX_MOMENTS
    assert kept[-1].at - kept[0].at == 5 * (MAX_MOMENTS - 1)
    assert [each.at for each in history.since(kept[-3].at)] == [each.at for each in kept[-3:]]


def test_a_clock_that_stood_still_divides_nothing() -> None:
    telemetry, history = Telemetry(), History()
    history.record(telemetry, _COUNTS, at=_AT, clock=1)
    history.record(telemetry, _COUNTS, at=_AT, clock=1)
    assert history.since(0) == []
