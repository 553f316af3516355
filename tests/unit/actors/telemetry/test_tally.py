"""Counts of finished updates, under a clock that the test turns."""

from __future__ import annotations

import pytest

from actors.telemetry.tally import Tally


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("actors.telemetry.tally.time", clock)
    return clock


def _counts(tally: Tally) -> tuple[int, int]:
    return tally.completed, tally.failed


def test_completed_and_failed_updates_are_counted_apart(clock: Clock) -> None:
    tally = Tally()
    assert _counts(tally) == (0, 0)
    tally.note(completed=3)
    tally.note(failed=1)
    clock.now += 60
    tally.note(completed=2, failed=5)
    assert _counts(tally) == (5, 6)


def test_what_is_older_than_asked_is_forgotten_and_the_rest_stays(clock: Clock) -> None:
    tally = Tally()
    tally.note(completed=1, failed=10)
    clock.now += 10
    tally.note(completed=2, failed=20)
    clock.now += 10
    tally.note(completed=4, failed=40)
    tally.forget(15)
    assert _counts(tally) == (6, 60)
    tally.forget(15)
    assert _counts(tally) == (6, 60)
    tally.forget(5)
    assert _counts(tally) == (4, 40)
    clock.now += 100
    tally.forget(5)
    assert _counts(tally) == (0, 0)


@pytest.mark.parametrize(("passed", "left"), [(5.0, 1), (5.9, 1), (6.0, 0), (7.0, 0)])
def test_nothing_is_forgotten_before_its_whole_second_is_older_than_asked(
    clock: Clock, passed: float, left: int
) -> None:
    clock.now = 1000.9
    tally = Tally()
    tally.note(completed=1)
    clock.now = 1000.0 + passed
    tally.forget(5)
    assert tally.completed == left


def test_forgetting_all_forgets_this_very_second_too(clock: Clock) -> None:
    tally = Tally()
    tally.note(completed=1)
    clock.now += 1
    tally.note(completed=1, failed=1)
    tally.forget(0)
    assert _counts(tally) == (0, 0)
    tally.note(failed=1)
    assert _counts(tally) == (0, 1)


def test_forgetting_with_nothing_counted_does_no_harm(clock: Clock) -> None:
    tally = Tally()
    tally.forget(5)
    clock.now += 5
    tally.forget(0)
    assert _counts(tally) == (0, 0)


def test_seconds_beyond_an_hour_of_busy_ones_are_added_up_and_forgotten_together(
    clock: Clock,
) -> None:
    tally = Tally()
    for second in range(5000):
        clock.now = float(second)
        tally.note(completed=1, failed=2)
    assert _counts(tally) == (5000, 10000)
    # Seconds 0 to 1400 are one bucket by now, as old as its latest second.
    tally.forget(4999 - 1400)
    assert _counts(tally) == (5000, 10000)
    tally.forget(4999 - 1401)
    assert _counts(tally) == (3599, 7198)
    tally.forget(4999 - 1402)
    assert _counts(tally) == (3598, 7196)
