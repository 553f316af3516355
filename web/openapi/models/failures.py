"""What goes with an error code in a reply."""

from __future__ import annotations

from typing import Final

from web.openapi.models.reply import HexId, Reply

ITEM: Final = (
    "MISSING_PARAMS",
    "INVALID_WORK_ORDER_ID",
    "INVALID_TYPE",
    "INVALID_QUANTITY",
    "INVALID_LOG_CONTEXT",
    "INVALID_REQUEST_ID",
    "INVALID_WAIT",
    "WORK_ORDER_NOT_FOUND",
    "DUPLICATE_OPERATION",
    "REQUEST_ID_CONFLICT",
    "MAILBOX_FULL",
    "SERVICE_UNAVAILABLE",
    "TIMEOUT",
    "SYSTEM_ERROR",
)
"""One item of a batch."""


class FieldAtFault(Reply):
    """The field that is wrong."""

    field: str


class QuantityAtFault(FieldAtFault):
    """The field, or the total that would be out of range."""

    result: float = 0
    limit: int = 0
    replayed: bool = False


class UnknownOrder(Reply):
    """The order that there is not."""

    work_order_id: HexId


class CountedScan(Reply):
    """The barcode that is counted at this step."""

    related_barcode: str | None
    process_step_id: str | None
    replayed: bool


class UsedKey(Reply):
    """The key that was used with another content."""

    request_id: str


class UnknownJob(Reply):
    """The job that there is not."""

    job_id: str


class JobInTheWay(UnknownJob):
    """The job, and the state that does not allow it."""

    state: str


class SizeLimit(Reply):
    """The bytes that a body may have."""

    limit: int


class Full(Reply):
    """What is full, and how much it holds."""

    scope: str
    capacity: int


class Unserved(Reply):
    """Whether it waits because of a pause."""

    paused: bool


class NoData(Reply):
    """Nothing more is known."""
