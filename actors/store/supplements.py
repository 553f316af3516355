"""The order that a supplement makes, as a document."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Final

from actors.domain.model import Operation, OperationEntry, Status
from actors.store.schema import OURS, PLAN, PLANNED, SCRAPPED
from actors.store.values import text_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from actors.domain.evidence import Outcome

ORIGINAL: Final = "originalWorkOrderId"
NUMBER: Final = "workOrderNo"
_OF_THE_SOURCE: Final = frozenset(
    (
        "_id",
        "__v",
        NUMBER,
        OURS,
        SCRAPPED,
        "actualStartTime",
        "actualEndTime",
        "createBy",
        "updateBy",
        "remark",
    )
)
"""What a supplement does not take over."""
_NOBODY: Final = "SYSTEM"


def supplements_in(outcomes: Iterable[Outcome]) -> list[OperationEntry]:
    """Return the entries that make an order each; its id is that of the entry."""
    return [
        each
        for each in outcomes
        if isinstance(each, OperationEntry) and each.change.type is Operation.SUPPLEMENT
    ]


def supplement_document(
    source: Mapping[str, Any], entry: OperationEntry, number: str
) -> dict[str, Any]:
    """Return the order that makes up for scrap of `source`: what is not named here is the same."""
    change, at = entry.change, entry.operated_at
    document = {name: value for name, value in source.items() if name not in _OF_THE_SOURCE}
    document |= {
        "_id": change.job_id,
        NUMBER: number,
        "businessType": "SUPPLEMENT",
        "status": Status.PENDING.value,
        ORIGINAL: source["_id"],
        "supplementQuantity": change.quantity,
        PLANNED: change.quantity,
        PLAN: change.quantity,
        "inputQuantity": 0,
        "outputQuantity": 0,
        "scrapQuantity": 0,
        "progress": 0,
        "createAt": at,
        "updateAt": at,
    }
    if change.context.operator_id != _NOBODY:
        document["createBy"] = change.context.operator_id
    if change.context.remark is not None:
        document["remark"] = change.context.remark
    return document


def numbers_for(source: Mapping[str, Any]) -> Iterator[str]:
    """Give numbers to try for a supplement of `source`, without an end."""
    number = text_from(source.get(NUMBER)) or str(source["_id"])
    return (f"{number}-S{each}" for each in count(1))
