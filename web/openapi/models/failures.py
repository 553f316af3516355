"""What goes with an error code in a reply."""

from __future__ import annotations

from typing import Final, NotRequired

from typing_extensions import TypedDict

from web.openapi.models.reply import SentId, reply

ITEM: Final = (
    "MISSING_PARAMS",
    "INVALID_WORK_ORDER_ID",
    "INVALID_TYPE",
    "INVALID_QUANTITY",
    "INVALID_REQUEST_ID",
    "WORK_ORDER_NOT_FOUND",
    "DUPLICATE_OPERATION",
    "OVER_PLAN",
    "ORDER_UNREADABLE",
    "REQUEST_ID_CONFLICT",
    "MAILBOX_FULL",
    "SERVICE_UNAVAILABLE",
    "TIMEOUT",
    "SYSTEM_ERROR",
)
"""One item of a batch."""

OPERATION_ITEM: Final = (
    "MISSING_PARAMS",
    "INVALID_WORK_ORDER_ID",
    "INVALID_OPERATION",
    "INVALID_QUANTITY",
    "INVALID_REQUEST_ID",
    "WORK_ORDER_NOT_FOUND",
    "OPERATION_REFUSED",
    "ORDER_UNREADABLE",
    "REQUEST_ID_CONFLICT",
    "MAILBOX_FULL",
    "SERVICE_UNAVAILABLE",
    "TIMEOUT",
    "SYSTEM_ERROR",
)
"""The same of operations."""


@reply
class FieldAtFault(TypedDict):
    """The field that is wrong."""

    field: str


@reply
class QuantityAtFault(FieldAtFault):
    """The field, or the total that would be out of range."""

    result: NotRequired[float]
    limit: NotRequired[int]
    replayed: NotRequired[bool]


@reply
class UnknownOrder(TypedDict):
    """The order that there is not."""

    workOrderId: SentId


@reply
class UnreadableOrder(UnknownOrder, FieldAtFault):
    """The order, its field that holds no number, and what is there."""

    value: str


@reply
class CountedScan(TypedDict):
    """The barcode that is counted at this step."""

    relatedBarcode: str | None
    processStepId: str | None
    replayed: bool


@reply
class PlanReached(TypedDict):
    """The pieces that are to be produced, and were put in."""

    planProductionQuantity: float
    replayed: bool


@reply
class RefusedOperation(UnknownOrder):
    """The order, what was to be done, and why its status or plan does not allow it."""

    operation: str
    reason: str
    status: str | None


@reply
class UsedKey(TypedDict):
    """The key that was used with another content."""

    requestId: str


@reply
class UnknownJob(TypedDict):
    """The job that there is not."""

    jobId: str


@reply
class JobInTheWay(UnknownJob):
    """The job, and the state that does not allow it; of one that is applied, what it did."""

    state: str
    result: NotRequired[dict[str, object]]


@reply
class FixedShards(TypedDict):
    """A node that can't follow to another number of shards."""

    node: str


@reply
class SizeLimit(TypedDict):
    """The bytes that a body may have."""

    limit: int


@reply
class Full(TypedDict):
    """What is full, and how much it holds."""

    scope: str
    capacity: int


@reply
class Unserved(TypedDict):
    """Whether it waits because of a pause."""

    paused: bool


@reply
class NoData(TypedDict):
    """Nothing more is known."""
