"""Dates and times as callers write and read them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import tzinfo

_MILLISECONDS: Final = re.compile(r"-?\d{1,15}", re.ASCII)
_BASIC_DATE_LENGTH: Final = 8
_LONGEST: Final = 64
"""Characters; no date or time has more, and looking through many takes the square of their time."""
_DATE_ONLY: Final = re.compile(r"\d{4}-\d\d-\d\d|\d{8}", re.ASCII)
_LOOSE: Final = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ]+(\d{1,2}:.+))?", re.ASCII)
# In a query string an unescaped plus sign means a space.
_LOST_PLUS: Final = re.compile(r"(.+T.+) (\d\d:?\d\d)", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def to_text(at: datetime) -> str:
    """Write a time as JavaScript's `toISOString` does; naive times are taken as UTC."""
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return aware.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def moment_text(at: float) -> str:
    """Write seconds since 1970 as what operators read has them, in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def now_text() -> str:
    """Return the present time as `to_text` writes it."""
    return to_text(datetime.now(UTC))


def parse_moment(text: str, zone: tzinfo | None, *, end_of_day: bool = False) -> datetime:
    """Read a date or time, ISO 8601 or such as 2026/1/3 8:05, or whole milliseconds since 1970.

    Without a zone it is in `zone`, or in the machine's own for None. A date alone means its first
    moment there, or its last one with `end_of_day`. Returns an aware UTC time; raises `ValueError`.
    """
    if len(text) > _LONGEST:
        raise ValueError(text[:_LONGEST])
    if _MILLISECONDS.fullmatch(text) and len(text) != _BASIC_DATE_LENGTH:
        try:
            return _EPOCH + timedelta(milliseconds=int(text))
        except OverflowError as error:
            raise ValueError(text) from error
    iso = _as_iso(text)
    if _DATE_ONLY.fullmatch(iso):
        day = date.fromisoformat(iso)
        return _in_utc(datetime.combine(day, time.max if end_of_day else time.min), zone)
    lost = _LOST_PLUS.fullmatch(iso)
    return _in_utc(datetime.fromisoformat(f"{lost[1]}+{lost[2]}" if lost else iso), zone)


def _as_iso(text: str) -> str:
    """Write as ISO 8601 does what is written in the order of its parts with other signs."""
    loose = _LOOSE.fullmatch(text)
    if loose is None:
        return text
    year, month, day, clock = loose.groups()
    date_text = f"{year}-{month:0>2}-{day:0>2}"
    if clock is None:
        return date_text
    hour, colon, rest = clock.partition(":")
    return f"{date_text}T{hour:0>2}{colon}{rest}"


def _in_utc(moment: datetime, zone: tzinfo | None) -> datetime:
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (OverflowError, ValueError):
        if moment.tzinfo:
            raise ValueError(moment.isoformat()) from None
        return moment.replace(tzinfo=UTC)  # at either end of the calendar no zone matters
