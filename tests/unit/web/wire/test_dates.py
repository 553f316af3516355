"""Times as callers write and read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from time import tzset
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from web.wire.dates import parse_moment, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator


def _utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (_utc(2026, 11, 23, 1, 2, 3, 123999), "2026-11-23T01:02:03.123Z"),
        (_utc(2026, 11, 23), "2026-11-23T00:00:00.000Z"),
        (
            datetime(2026, 11, 23, 8, tzinfo=timezone(timedelta(hours=8))),
            "2026-11-23T00:00:00.000Z",
        ),
        (datetime(2026, 11, 23, 8), "2026-11-23T08:00:00.000Z"),  # noqa: DTZ001 an old naive one
        (_utc(1, 1, 1), "0001-01-01T00:00:00.000Z"),
    ],
)
def test_times_are_written_as_javascript_writes_them(at: datetime, text: str) -> None:
    assert to_text(at) == text


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-11-23", _utc(2026, 11, 23), _utc(2026, 11, 23, 23, 59, 59, 999999)),
        ("20261123", _utc(2026, 11, 23), _utc(2026, 11, 23, 23, 59, 59, 999999)),
        ("2026-11-23T01:02:03", _utc(2026, 11, 23, 1, 2, 3), None),
        ("2026-11-23 01:02", _utc(2026, 11, 23, 1, 2), None),
        ("2026/11/23", _utc(2026, 11, 23), _utc(2026, 11, 23, 23, 59, 59, 999999)),
        ("2026/1/3", _utc(2026, 1, 3), _utc(2026, 1, 3, 23, 59, 59, 999999)),
        ("2026.01.03", _utc(2026, 1, 3), _utc(2026, 1, 3, 23, 59, 59, 999999)),
        ("2026/1/3 8:05", _utc(2026, 1, 3, 8, 5), None),
        ("2026/01/03 08:05:06+08:00", _utc(2026, 1, 3, 0, 5, 6), None),
        ("2026/01/03 08:05:06 08:00", _utc(2026, 1, 3, 0, 5, 6), None),
        ("0001-01-01", _utc(1, 1, 1), _utc(1, 1, 1, 23, 59, 59, 999999)),
        ("9999-12-31", _utc(9999, 12, 31), _utc(9999, 12, 31, 23, 59, 59, 999999)),
        ("2026-11-23T01:02:03.5Z", _utc(2026, 11, 23, 1, 2, 3, 500000), None),
        ("2026-11-23T08:00:00+08:00", _utc(2026, 11, 23), None),
        ("2026-11-23T08:00:00 08:00", _utc(2026, 11, 23), None),
        ("1795392000000", _utc(2026, 11, 23), None),
        ("0", _utc(1970, 1, 1), None),
        ("-1000", _utc(1969, 12, 31, 23, 59, 59), None),
    ],
)
def test_a_moment_is_read_in_the_zone_given_unless_it_says_otherwise(
    text: str, start: datetime, end: datetime | None
) -> None:
    assert parse_moment(text, UTC) == start
    assert parse_moment(text, UTC, end_of_day=True) == (end or start)


_SHANGHAI = ZoneInfo("Asia/Shanghai")
_NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("zone", "text", "start", "end"),
    [
        (
            _SHANGHAI,
            "2026/01/03",
            _utc(2026, 1, 2, 16),
            _utc(2026, 1, 3, 15, 59, 59, 999999),
        ),
        # The clocks change within that day, which has 25 hours.
        (
            _NEW_YORK,
            "2026-11-01",
            _utc(2026, 11, 1, 4),
            _utc(2026, 11, 2, 4, 59, 59, 999999),
        ),
        (_SHANGHAI, "2026-01-03T08:00", _utc(2026, 1, 3), None),
        (_SHANGHAI, "2026-01-03T08:00Z", _utc(2026, 1, 3, 8), None),
        (_SHANGHAI, "0", _utc(1970, 1, 1), None),
        (_SHANGHAI, "0001-01-01T00:00", _utc(1, 1, 1), None),
        (_NEW_YORK, "9999-12-31T23:59", _utc(9999, 12, 31, 23, 59), None),
    ],
)
def test_a_date_without_a_zone_is_in_the_zone_given(
    zone: ZoneInfo, text: str, start: datetime, end: datetime | None
) -> None:
    assert parse_moment(text, zone) == start
    assert parse_moment(text, zone, end_of_day=True) == (end or start)


@pytest.fixture
def machine_in_shanghai(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    tzset()
    yield
    monkeypatch.undo()
    tzset()


@pytest.mark.usefixtures("machine_in_shanghai")
def test_where_no_zone_is_given_it_is_the_machines() -> None:
    assert parse_moment("2026/01/03", None) == _utc(2026, 1, 2, 16)
    assert parse_moment("0001-01-01", None) == _utc(1, 1, 1)


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2026-13-01",
        "2026-02-30",
        "2026/02/30",
        "2026/1/3 8:",
        "3/1/2026",
        "20261301",
        "2026-11-23T25:00",
        "999999999999999",
        "-999999999999999",
        "12345678901234567890",
        "0001-01-01T00:00:00+14:00",
        "١٢٣٤",
        "NaN",
        "1e3",
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_moment(text, UTC)


@pytest.mark.parametrize("text", ["T" * 100_000, "T " * 50_000])
def test_a_long_text_is_refused_without_being_looked_through(text: str) -> None:
    with pytest.raises(ValueError, match="T"):  # else it would take minutes
        parse_moment(text, UTC)
