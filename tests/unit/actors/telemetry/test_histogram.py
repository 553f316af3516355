"""Histograms: what is counted can be told again, to a quarter."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.telemetry.histogram import Histogram, percentile


def test_an_empty_histogram_says_nothing_took_any_time() -> None:
    histogram = Histogram()
    assert (histogram.count, histogram.total_s, percentile(histogram.counts, 0.99)) == (0, 0.0, 0.0)


@given(st.floats(min_value=0, max_value=4_000, allow_nan=False))
def test_a_duration_is_told_within_a_quarter_of_itself(seconds: float) -> None:
    histogram = Histogram()
    histogram.note(seconds)
    assert percentile(histogram.counts, 1) == pytest.approx(seconds, rel=0.26, abs=2e-6)


def test_percentiles_are_those_of_the_sorted_durations() -> None:
    dice = random.Random(7)  # noqa: S311 not a secret
    durations = sorted(dice.lognormvariate(-5, 2) for _ in range(10_000))
    histogram = Histogram()
    for each in durations:
        histogram.note(each)
    for share in (0.5, 0.9, 0.99):
        exact = durations[int(share * len(durations))]
        assert percentile(histogram.counts, share) == pytest.approx(exact, rel=0.15)
    assert histogram.longest_s == durations[-1]
    assert histogram.total_s == pytest.approx(sum(durations))


def test_a_duration_that_many_took_counts_as_often() -> None:
    histogram = Histogram()
    histogram.note(0.001, times=99)
    histogram.note(1.0)
    assert histogram.count == 100
    assert percentile(histogram.counts, 0.5) == pytest.approx(0.001, rel=0.25)
    assert percentile(histogram.counts, 1.0) == pytest.approx(1.0, rel=0.25)


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 1e9])
def test_what_no_bucket_is_made_for_goes_into_the_nearest(seconds: float) -> None:
    histogram = Histogram()
    histogram.note(seconds)
    assert histogram.counts[0 if seconds <= 0 else -1] == 1


def test_sums_rise_to_the_whole_and_split_at_powers_of_two() -> None:
    histogram = Histogram()
    for ticks in (3, 7, 8, 15, 16, 2**20):
        histogram.note(ticks / 1e6 + 1e-9)
    sums = dict(histogram.below())
    assert (sums[8e-6], sums[16e-6], sums[32e-6]) == (2, 4, 5)
    assert sums[2**20 / 1e6] == 5
    assert list(sums.values())[-1] == 6
    assert list(sums.values()) == sorted(sums.values())
