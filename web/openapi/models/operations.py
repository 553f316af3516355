"""The replies of operations of a whole order."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from actors.domain.model import Operation
from web.openapi.models.failures import OPERATION_ITEM
from web.openapi.models.reply import HexId, SentId, reply
from web.openapi.models.work_orders import BatchItem, Failed


@reply
class Operated(TypedDict):
    """The operation is in the order and in the log of operations."""

    success: Literal[True]
    jobId: HexId
    """Names the entry in `plan_server_operations`: its `_id`."""
    workOrderId: SentId
    operation: Operation
    quantity: float
    """Pieces of scrap, the new plan, or pieces of the supplement; else 0."""
    beforeQuantity: float
    """Scrap, or else the plan."""
    afterQuantity: float
    beforeStatus: str | None
    afterStatus: str | None
    beforeProgress: float
    afterProgress: float
    seq: Annotated[int, Field(ge=0)]
    """That of the order's latest count before it."""
    replayed: bool
    """Whether this is the outcome of an earlier call with the same key."""
    supplementWorkOrderId: NotRequired[HexId]
    """The order that a supplement made."""


@reply
class OperatedItem(Operated, BatchItem):
    """An item that is done."""

    code: Literal["OK"]


@reply
class FailedOperation(Failed):
    """An item that failed, with what is known of its code's cause."""

    code: Annotated[str, Field(json_schema_extra={"enum": list(OPERATION_ITEM)})]
    operation: object
    """As it was sent."""
    reason: NotRequired[str]
    """Why it is refused; the order's status is in `data`."""


@reply
class OperatedBatch(TypedDict):
    """What became of each item, in the order sent."""

    total: int
    succeeded: int
    failed: int
    results: list[OperatedItem | FailedOperation]
