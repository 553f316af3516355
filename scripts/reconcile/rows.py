"""Entries of the log as the checks need them: small, and read leniently."""

from __future__ import annotations

import math
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from actors.domain.rules import add
from actors.store.schema import OURS
from actors.store.values import (
    count_from,
    mapping_from,
    number_from,
    order_time,
    text_from,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from actors.domain.model import Number

MANUAL: Final = "MANUAL_ADJUST"
FIELDS: Final = (
    "workOrderId",
    "materialId",
    "productionLineId",
    "changeType",
    "changeQuantity",
    "beforeQuantity",
    "afterQuantity",
    "relatedBarcode",
    "barcodeOperation",
    "processStepId",
    "operateTime",
    f"{OURS}.seq",
    f"{OURS}.requestedQuantity",
    f"{OURS}.requestId",
)
"""What is read of an entry."""
_NUMBERS: Final = ("changeQuantity", "beforeQuantity", "afterQuantity")
_TEXTS: Final = ("productionLineId", "relatedBarcode", "barcodeOperation")
_TEXT_OR_NONE: Final = frozenset({str, type(None)})
_TYPES: Final = frozenset({"input", "output"})


class Row(NamedTuple):
    """One entry; quantities that can't be read are None, and `wrong` names fields at fault."""

    id: str
    type: str
    change: Number | None
    before: Number | None
    after: Number | None
    asked: Number
    barcode: str
    operation: str
    step: str
    at: datetime
    seq: int
    key: str
    wrong: tuple[str, ...]


def row_of(document: Mapping[str, Any], id_type: type) -> Row:
    """Read an entry; `id_type` is what the store has ids as."""
    ours = mapping_from(document.get(OURS))
    change = _number(document.get("changeQuantity"))
    asked = _number(ours.get("requestedQuantity"))
    step, seq = document.get("processStepId"), ours.get("seq")
    at = document.get("operateTime")
    return Row(
        str(document["_id"]),
        str(document.get("changeType")),
        change,
        _number(document.get("beforeQuantity")),
        _number(document.get("afterQuantity")),
        (change or 0) if asked is None else asked,
        text_from(document.get("relatedBarcode")) or "",
        text_from(document.get("barcodeOperation")) or "OTHER",
        "" if step is None else str(step).lower(),
        at if type(at) is datetime else order_time(at),
        seq if type(seq) is int and seq > 0 else count_from(seq) or 0,
        text_from(ours.get("requestId")) or "",
        wrong_fields(document, id_type),
    )


def wrong_fields(document: Mapping[str, Any], id_type: type) -> tuple[str, ...]:
    """Name the fields of an entry that hold another type than the shared schema says."""
    get = document.get
    if (
        type(get("changeQuantity")) is int
        and type(get("beforeQuantity")) is int
        and type(get("afterQuantity")) is int
        and get("changeType") in _TYPES
        and type(get("workOrderId")) is id_type
        and type(get("operateTime")) is datetime
        and type(get("productionLineId")) in _TEXT_OR_NONE
        and type(get("relatedBarcode")) in _TEXT_OR_NONE
        and type(get("barcodeOperation")) in _TEXT_OR_NONE
        and (get("materialId") is None or type(get("materialId")) is id_type)
        and (get("processStepId") is None or type(get("processStepId")) is id_type)
    ):
        return ()  # as nearly all are: the same at half the price
    wrong = [name for name in _NUMBERS if not is_number(get(name))]
    wrong += [name for name in _TEXTS if not _is_or_none(get(name), str)]
    if get("changeType") not in _TYPES:
        wrong.append("changeType")
    if not isinstance(get("workOrderId"), id_type):
        wrong.append("workOrderId")
    wrong += [n for n in ("materialId", "processStepId") if not _is_or_none(get(n), id_type)]
    if not isinstance(get("operateTime"), datetime):
        wrong.append("operateTime")
    return tuple(wrong)


def is_number(value: object) -> bool:
    """Return whether a value is a finite number, stored as one."""
    return type(value) is int or (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    )


def added(left: Number, right: Number) -> Number:
    """Add as the rules do; of whole numbers, as nearly all are, at a fraction of the price."""
    return left + right if type(left) is type(right) is int else add(left, right)


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Return an order's entries as they were made: ours by seq, others between them by time.

    Entries of others that have one time and type are put so that each goes on from the one before.
    """
    ours, others = list[Row](), list[Row]()
    for row in rows:
        (ours if row.seq else others).append(row)
    ours.sort(key=attrgetter("seq"))
    if not others:
        return ours
    others = _chained(sorted(others, key=attrgetter("at", "id")))
    merged: list[Row] = []
    for row in ours:
        while others and others[-1].at <= row.at:
            merged.append(others.pop())
        merged.append(row)
    return merged + others[::-1]


def _chained(rows: list[Row]) -> list[Row]:
    """Return entries newest first, those of one instant chained by their quantities."""
    after: dict[str, Number | None] = {}
    done: list[Row] = []
    for _, some in groupby(rows, lambda row: row.at):
        together = list(some)
        while together:
            row = _next(together, after) if len(together) > 1 else together[0]
            together.remove(row)
            after[row.type] = row.after
            done.append(row)
    return done[::-1]


def _next(rows: list[Row], after: Mapping[str, Number | None]) -> Row:
    """Return the entry that goes on from what was before, else one that goes on from no other."""
    ends = {(row.type, row.after) for row in rows if row.change}
    goes_on = (row for row in rows if row.type in after and row.before == after[row.type])
    begins = (row for row in rows if (row.type, row.before) not in ends)
    return next(goes_on, None) or next(begins, rows[0])


def _number(value: object) -> Number | None:
    return value if type(value) is int else number_from(value)


def _is_or_none(value: object, kind: type) -> bool:
    return value is None or isinstance(value, kind)
