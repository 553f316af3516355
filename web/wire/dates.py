"""Dates and times as callers write and read them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

_MILLISECONDS: Final = re.compile(r"-?\d{1,15}", re.ASCII)
_BASIC_DATE_LENGTH: Final = 8
_DATE_ONLY: Final = re.compile(r"\d{4}-\d\d-\d\d|\d{8}", re.ASCII)
# In a query string an unescaped plus sign means a space.
_LOST_PLUS: Final = re.compile(r"(.+T.+) (\d\d:?\d\d)", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def to_text(at: datetime) -> str:
    """Write a time as JavaScript's `toISOString` does; naive times are taken as UTC."""
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return aware.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def now_text() -> str:
    """Return the present time as `to_text` writes it."""
    return to_text(datetime.now(UTC))


def parse_moment(text: str, *, end_of_day: bool = False) -> datetime:
    """Read an ISO 8601 date or time, or whole milliseconds since 1970, as an aware UTC time.

    Without a zone it is UTC. A date alone means its first moment, or its last one with
    `end_of_day`. Raises `ValueError`.
    """
    if _MILLISECONDS.fullmatch(text) and len(text) != _BASIC_DATE_LENGTH:
        try:
            return _EPOCH + timedelta(milliseconds=int(text))
        except OverflowError as error:
            raise ValueError(text) from error
    if _DATE_ONLY.fullmatch(text):
        day = date.fromisoformat(text)
        return datetime.combine(day, time.max if end_of_day else time.min, tzinfo=UTC)
    lost = _LOST_PLUS.fullmatch(text)
    moment = datetime.fromisoformat(f"{lost[1]}+{lost[2]}" if lost else text)
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(text) from error
