"""Values of stored documents, read leniently: others write them too, and not always as agreed.

None of these functions raises, whatever the value. Types that only a driver knows (ObjectId,
Decimal128, DatetimeMS) are told by what they can do, so that no driver is needed here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, SupportsInt, TypeGuard

from actors.domain.rules import normalize

if TYPE_CHECKING:
    from actors.domain.model import Number

EPOCH_START: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST_COUNT: Final = 2**53
_NUMBER: Final = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_MAX_NUMBER: Final = 400
"""Characters; a longer text is no quantity that anybody counted."""
_ID: Final = re.compile(r"[0-9a-fA-F]{24}", re.ASCII)
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)
# The calendar repeats itself every 400 years.
_CYCLE_YEARS: Final = 400
_CYCLE_MS: Final = 146_097 * 86_400_000


def number_from(value: object) -> Number | None:
    """Return a number that is stored as one, as Decimal128 or as digits in a text."""
    if isinstance(value, bool):
        return None
    if not isinstance(value, int | float):
        if not isinstance(value, str) and not hasattr(value, "to_decimal"):
            return None
        text = str(value)
        if len(text) > _MAX_NUMBER or not _NUMBER.fullmatch(text):
            return None
        value = float(text)
    return normalize(value) if math.isfinite(value) else None


def count_from(value: object) -> int | None:
    """Return a count of ours, such as `seq`: a whole number from 0 on, whatever its type, no text.

    The store's own comparison takes equal numbers of all types for equal, and no text for one.
    """
    number = None if isinstance(value, str) else number_from(value)
    return number if isinstance(number, int) and 0 <= number < _LARGEST_COUNT else None


def text_from(value: object) -> str | None:
    """Return a text, also of a number or an id; None for what is made of parts, and for nothing."""
    if value is None or isinstance(value, str):
        return value
    return None if isinstance(value, Mapping | list | tuple) else str(shown(value))


def id_from(value: object) -> str | None:
    """Return an id as hex text: of an ObjectId, a text, a populated object, or a list of such."""
    if isinstance(value, Mapping):
        return id_from(value.get("_id"))
    if isinstance(value, list | tuple):
        return next((found for each in value if (found := id_from(each))), None)
    text = str(value)
    return text.lower() if _ID.fullmatch(text) else None


def mapping_from(value: object) -> Mapping[str, Any]:
    """Return an object, an empty one for everything else."""
    return value if isinstance(value, Mapping) else {}


def time_from(value: object) -> datetime | None:
    """Return an aware time that is stored as one or as ISO text; None beyond years 1 to 9999."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def order_time(value: object) -> datetime:
    """Return when something was for the sake of order: numbers are milliseconds since 1970.

    Times before year 1 and after 9999 are the first and the last there are; no time is 1970.
    """
    time = time_from(value)
    if time is not None:
        return time
    milliseconds = int(value) if is_far_time(value) else number_from(value)
    if milliseconds is None:
        return EPOCH_START
    try:
        return EPOCH_START + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return _FIRST if milliseconds < 0 else _LAST


def shown(value: object) -> object:
    """Return a value as JSON can show it, at any depth."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime):
        return time_from(value)
    if isinstance(value, Mapping):
        return {str(name): shown(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [shown(each) for each in value]
    if is_far_time(value):
        return _far_time_text(int(value))
    number = number_from(value)
    return str(value) if number is None else number


def is_far_time(value: object) -> TypeGuard[SupportsInt]:
    """Return whether it is the driver's form of a time that Python's cannot hold."""
    return hasattr(value, "as_datetime") and hasattr(value, "__int__")


def _far_time_text(milliseconds: int) -> str:
    """Return ECMAScript's form of a time beyond the years 0 to 9999, as its writer knows it."""
    cycles, rest = divmod(milliseconds, _CYCLE_MS)
    time = EPOCH_START + timedelta(milliseconds=rest)
    year = time.year + cycles * _CYCLE_YEARS
    return f"{year:+07d}{time:-%m-%dT%H:%M:%S}.{rest % 1000:03d}Z"
