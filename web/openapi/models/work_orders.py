"""Replies about updates, orders and their logs."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from actors.domain.model import ChangeType, Operation
from web.openapi.models.failures import ITEM
from web.openapi.models.reply import HexId, Moment, SentId, open_reply, reply


@reply
class _Taken(TypedDict):
    success: Literal[True]
    jobId: HexId
    """Names the job, and the log entry: its `_id`."""
    workOrderId: SentId
    type: ChangeType
    quantity: float
    """What was applied: a decrease is cut to what is there. Of one that waits: what was asked."""
    queueLength: Annotated[int, Field(ge=0)]
    activeJobs: Annotated[int, Field(ge=0)]
    estimatedDelay: Annotated[int, Field(ge=0)]
    """Milliseconds that an update waits at present."""
    replayed: bool
    """Whether this is the outcome of an earlier call with the same key."""


@reply
class Updated(_Taken):
    """The change is in the order and in its log."""

    requestedQuantity: float
    beforeQuantity: float
    afterQuantity: float
    beforeStatus: str | None
    afterStatus: str | None
    beforeProgress: float
    afterProgress: float
    seq: Annotated[int, Field(ge=0)]
    """Its number among the changes that this service wrote for the order."""
    duplicate: NotRequired[Literal[True]]
    """Said of an unbind that found nothing open for its barcode."""


@reply
class Queued(_Taken):
    """The change is durable and waits for its turn."""


@reply
class Repeated(_Taken):
    """The scan was counted before and is not counted again; `jobId` is that of the first."""

    duplicate: Literal[True]
    relatedBarcode: str
    processStepId: str


@reply
class BatchItem(TypedDict):
    """What became of one item."""

    index: Annotated[int, Field(ge=0)]
    """Place in the batch, from 0 on."""
    message: str


@reply
class UpdatedItem(Updated, BatchItem):
    """An item that was applied."""

    code: Literal["UPDATED"]


@reply
class QueuedItem(Queued, BatchItem):
    """An item that is kept and waits."""

    code: Literal["QUEUED"]


@reply
class RepeatedItem(Repeated, BatchItem):
    """An item whose scan was counted before."""

    code: Literal["DUPLICATE_OPERATION"]


@reply
class Failed(BatchItem):
    """An item of any kind that failed, with what is known of its code's cause."""

    success: Literal[False]
    error: str
    """The message again, under the name that callers know."""
    workOrderId: object
    """As it was sent."""
    retryable: bool
    """Whether it was not applied, and may be sent again."""
    status: int
    """What a call with this item alone would have been answered."""
    retryAfter: float | None
    """Seconds after which it may be sent again; null where it may not."""
    data: object
    """The `data` of that answer, whose fields stand here as well, where they have room."""
    field: NotRequired[str]
    """The field that is wrong."""
    value: NotRequired[str]
    """What is stored there and is no number."""
    result: NotRequired[float]
    """The total that would be out of range."""
    limit: NotRequired[int]
    replayed: NotRequired[bool]
    requestId: NotRequired[str]
    scope: NotRequired[str]
    """What is full."""
    capacity: NotRequired[int]
    paused: NotRequired[bool]


@reply
class FailedItem(Failed):
    """An item that failed, with what is known of its code's cause."""

    code: Annotated[str, Field(json_schema_extra={"enum": list(ITEM)})]
    type: object
    """As it was sent."""
    relatedBarcode: NotRequired[str | None]
    processStepId: NotRequired[str | None]
    planProductionQuantity: NotRequired[float]


@reply
class Batch(TypedDict):
    """What became of each item, in the order sent."""

    total: int
    succeeded: int
    failed: int
    results: list[UpdatedItem | QueuedItem | RepeatedItem | FailedItem]


@reply
class Order(TypedDict):
    """An order as it is stored now; texts and numbers that it lacks are "" and 0."""

    id: HexId
    workOrderNo: str
    materialCode: str
    materialName: str
    status: str
    planQuantity: float
    planProductionQuantity: float
    inputQuantity: float
    outputQuantity: float
    scrapQuantity: float
    progress: float
    productionLineName: str
    createAt: Moment | None
    updateAt: Moment | None


@reply
class FoundOrder(TypedDict):
    """An order in short, and how its actor is."""

    id: HexId
    workOrderNo: str
    materialName: str
    status: str
    planQuantity: float
    inputQuantity: float
    outputQuantity: float
    progress: float
    live: bool
    """Whether it has a live actor."""
    paused: bool


@reply
class FoundOrders(TypedDict):
    """The orders that were found: by id, then by number; by their log, the newest entry first."""

    more: bool
    """Whether there are more than were asked for."""
    allSearched: bool
    """Whether there can be no others: keys and operators are looked for among the newest 10,000
    entries of the log, parts of numbers for half a second."""
    orders: list[FoundOrder]


@open_reply
class LogEntry(TypedDict):
    """One applied change. Entries of other writers may have more fields."""

    _id: str
    workOrderId: str | None
    workOrderNo: str | None
    materialId: str | None
    materialCode: str | None
    materialName: str | None
    productionLineId: str | None
    productionLineName: str | None
    changeType: ChangeType | None
    changeQuantity: float | None
    beforeQuantity: float | None
    afterQuantity: float | None
    beforeStatus: str | None
    afterStatus: str | None
    beforeProgress: float | None
    afterProgress: float | None
    relatedBarcode: str | None
    barcodeOperation: str
    processStepId: str | None
    processName: str | None
    processCode: str | None
    operatorId: str | None
    operatorName: str | None
    operateTime: Moment | None
    reason: str | None
    remark: str | None
    ipAddress: str | None
    userAgent: str | None
    isAutomatic: bool
    source: str
    createdAt: Moment | None
    updatedAt: Moment | None
    seq: int | None
    """Null in entries that other writers made."""


@reply
class OperationEntry(TypedDict):
    """One operation of the whole order."""

    _id: HexId
    operation: Operation
    workOrderId: HexId
    workOrderNo: str | None
    materialId: str | None
    materialCode: str | None
    materialName: str | None
    productionLineId: str | None
    productionLineName: str | None
    quantity: float
    beforeQuantity: float
    afterQuantity: float
    beforeStatus: str | None
    afterStatus: str | None
    beforeProgress: float
    afterProgress: float
    relatedBarcode: str | None
    operatorId: str | None
    operatorName: str | None
    reason: str | None
    remark: str | None
    source: str | None
    operatedAt: Moment
    seq: int | None
    """That of the latest change before it."""


@reply
class Page(TypedDict):
    """One page of how many there are."""

    total: Annotated[int, Field(ge=0)]
    page: Annotated[int, Field(ge=1)]
    pageSize: Annotated[int, Field(ge=1)]
    totalPages: Annotated[int, Field(ge=0)]


@reply
class BoundedPage(Page):
    """One page, of no more than 4 MB."""

    truncated: bool
    """Whether it ends early, as its entries are large: a smaller `pageSize` gives the others."""


@reply
class LogPage(BoundedPage):
    """A page of an order's log, the newest entry first."""

    success: Literal[True]
    logs: list[LogEntry]
    operations: NotRequired[list[OperationEntry]]
    """Where they are asked for: the newest 100 between the page's changes, the newest first."""


@reply
class OrderPaused(TypedDict):
    """Whether the order is paused now."""

    workOrderId: HexId
    paused: bool
