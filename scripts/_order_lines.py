"""Orders in JSON lines, as `mongoexport` or a script writes them: read, checked, explained."""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NoReturn

import bson
from bson import ObjectId, json_util
from bson.errors import BSONError

from actors.domain.model import MAX_QUANTITY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_HEX_ID: Final = re.compile(r"[0-9a-fA-F]{24}")
_IDS: Final = ("materialId", "productionLineId", "originalWorkOrderId")
_QUANTITIES: Final = (
    "planQuantity",
    "planProductionQuantity",
    "inputQuantity",
    "outputQuantity",
    "scrapQuantity",
    "supplementQuantity",
    "progress",
)
_TIMES: Final = (
    "planStartTime",
    "planEndTime",
    "actualStartTime",
    "actualEndTime",
    "createAt",
    "updateAt",
)
_STATUSES: Final = ("PENDING", "IN_PROGRESS", "PAUSED", "COMPLETED", "CANCELLED")
# Of the service that wrote it there; here the order's log begins anew.
_NOT_TAKEN: Final = ("planServer",)
_EXTENDED: Final = json_util.JSONOptions(tz_aware=True, tzinfo=UTC)


class BadLine(ValueError):
    """A line holds no order that can be stored; `str()` says what to do about it."""


def orders_in(lines: Iterable[bytes]) -> Iterator[tuple[int, dict[str, Any] | BadLine]]:
    """Return (line number from 1, order or what is wrong with it) for each line that is not blank.

    `_id` and the ids of `_IDS` come as lower-case hex text, times as aware datetimes.
    """
    first_seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            order = _order(line)
        except BadLine as bad:
            yield number, bad
            continue
        first = first_seen.setdefault(order["_id"], number)
        if first == number:
            yield number, order
        else:
            yield number, BadLine(f"_id {order['_id']} is that of line {first}; leave one out")


def _order(line: bytes) -> dict[str, Any]:
    order = {name: value for name, value in _object(line).items() if name not in _NOT_TAKEN}
    order["_id"] = _id(order, "_id")
    number = order.get("workOrderNo")
    if not isinstance(number, str) or not number.strip():
        raise BadLine("workOrderNo is missing; give the order's number as text")
    status = order.get("status", "PENDING")
    if status not in _STATUSES:
        raise BadLine(f"status is {_shown(status)}; use one of {', '.join(_STATUSES)}")
    order["status"] = status
    for names, check in ((_IDS, _id), (_QUANTITIES, _quantity), (_TIMES, _time)):
        order |= {name: check(order, name) for name in names if order.get(name) is not None}
    _check_storable(order)
    return order


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        value = json_util.loads(
            line.decode("utf-8-sig"), json_options=_EXTENDED, parse_constant=_no_constant
        )
    except UnicodeDecodeError:
        raise BadLine("this is not UTF-8; save the file as UTF-8") from None
    except RecursionError:
        raise BadLine("this is nested too deeply; remove what is not an order's") from None
    except json.JSONDecodeError as error:
        if line.lstrip().startswith(b"["):
            raise _not_an_object() from None
        raise BadLine(f"this is not JSON ({error.msg}, column {error.colno})") from None
    except BadLine:
        raise
    except (TypeError, ValueError, KeyError, BSONError) as error:
        raise BadLine(f"this is not MongoDB's extended JSON ({error})") from None
    if not isinstance(value, Mapping):
        raise _not_an_object()
    return value


def _not_an_object() -> BadLine:
    return BadLine("each line must be one JSON object (mongoexport without --jsonArray)")


def _no_constant(name: str) -> NoReturn:
    raise BadLine(f"{name} is not JSON; give a number or null")


def _id(order: Mapping[str, Any], name: str) -> str:
    value = order.get(name)
    text = str(value) if isinstance(value, ObjectId) else value
    if not isinstance(text, str) or not _HEX_ID.fullmatch(text):
        shown = "missing" if name not in order else _shown(value)
        raise BadLine(f"{name} is {shown}; give 24 hexadecimal digits")
    return text.lower()


def _quantity(order: Mapping[str, Any], name: str) -> int | float:
    value = order[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadLine(f"{name} is {_shown(value)}; give a number, without quotation marks")
    if not 0 <= value <= MAX_QUANTITY:
        raise BadLine(f"{name} is {_shown(value)}; give a number from 0 to {MAX_QUANTITY}")
    return int(value) if isinstance(value, int) else value


def _time(order: Mapping[str, Any], name: str) -> datetime:
    value = order[name]
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise BadLine(
            f"{name} is {_shown(order[name])};"
            " give a time with its zone, as 2026-11-23T08:00:00+08:00"
        )
    return value


def _check_storable(order: Mapping[str, Any]) -> None:
    try:
        bson.encode(order)
    except (BSONError, OverflowError, UnicodeEncodeError, RecursionError) as error:
        raise BadLine(f"no database can hold this ({error})") from None


def _shown(value: object) -> str:
    return reprlib.repr(value)
