"""Times as callers write and read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from web.wire.dates import parse_moment, to_text


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
        ("2026-11-23T01:02:03.5Z", _utc(2026, 11, 23, 1, 2, 3, 500000), None),
        ("2026-11-23T08:00:00+08:00", _utc(2026, 11, 23), None),
        ("2026-11-23T08:00:00 08:00", _utc(2026, 11, 23), None),
        ("1795392000000", _utc(2026, 11, 23), None),
        ("0", _utc(1970, 1, 1), None),
        ("-1000", _utc(1969, 12, 31, 23, 59, 59), None),
    ],
)
def test_a_moment_is_read_in_utc_unless_it_says_otherwise(
    text: str, start: datetime, end: datetime | None
) -> None:
    assert parse_moment(text) == start
    assert parse_moment(text, end_of_day=True) == (end or start)


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2026-13-01",
        "2026-02-30",
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
        parse_moment(text)
