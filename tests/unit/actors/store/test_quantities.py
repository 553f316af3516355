"""Hours, shifts and days of a place, as arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from actors.store.quantities import Calendar, Dimension, local_text

_BERLIN = ZoneInfo("Europe/Berlin")
_SINCE = datetime(2026, 1, 1, tzinfo=UTC)
_UNTIL = datetime(2026, 12, 31, tzinfo=UTC)
_MOMENTS = st.datetimes(
    _SINCE.replace(tzinfo=None), _UNTIL.replace(tzinfo=None), timezones=st.just(UTC)
)
_YEAR = Calendar.of(_BERLIN, _SINCE, _UNTIL, (20 * 60, 6 * 60, 14 * 60))


@given(
    st.datetimes(_SINCE.replace(tzinfo=None), _UNTIL.replace(tzinfo=None), timezones=st.just(UTC))
)
def test_hour_and_day_are_those_of_the_clock_on_the_wall(at: datetime) -> None:
    wall = at.astimezone(_BERLIN)
    assert local_text(Dimension.DAY, _YEAR.bucket(Dimension.DAY, at)) == f"{wall:%Y-%m-%d}"
    assert local_text(Dimension.HOUR, _YEAR.bucket(Dimension.HOUR, at)) == f"{wall:%Y-%m-%dT%H:00}"


@given(
    st.datetimes(_SINCE.replace(tzinfo=None), _UNTIL.replace(tzinfo=None), timezones=st.just(UTC))
)
def test_a_shift_is_the_last_that_began_on_the_wall(at: datetime) -> None:
    wall = at.astimezone(_BERLIN).replace(tzinfo=None)
    days = (wall.date() - timedelta(days=1), wall.date())
    begun = [
        start
        for day in days
        for hour in (6, 14, 20)
        if (start := datetime(day.year, day.month, day.day, hour)) <= wall  # noqa: DTZ001 -- on the wall
    ]
    shift = local_text(Dimension.SHIFT, _YEAR.bucket(Dimension.SHIFT, at))
    assert shift == max(begun).isoformat(timespec="minutes")


def test_a_year_has_two_changes_of_the_clock_to_the_second() -> None:
    assert len(_YEAR.offsets) == 3
    changes = [datetime.fromtimestamp(at / 1000, UTC) for at, _ in _YEAR.offsets[1:]]
    assert changes == [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)]


def test_a_zone_without_changes_has_one_offset() -> None:
    shanghai = Calendar.of(timezone(timedelta(hours=8)), _SINCE, _UNTIL, (480,))
    ((_, offset),) = shanghai.offsets
    assert offset == 8 * 3_600_000
