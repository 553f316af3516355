"""Replies about updates, orders and their logs."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 -- pydantic reads it
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from actors.domain.model import ChangeType  # noqa: TC001 -- pydantic reads it
from web.openapi.models.failures import ITEM
from web.openapi.models.reply import HexId, Reply


class _Taken(Reply):
    success: Literal[True]
    job_id: HexId
    """Names the job, and the log entry: its `_id`."""
    work_order_id: HexId
    type: ChangeType
    quantity: float
    """What was applied: a decrease is cut to what is there. Of one that waits: what was asked."""
    queue_length: int = Field(ge=0)
    active_jobs: int = Field(ge=0)
    estimated_delay: int = Field(ge=0)
    """Milliseconds that an update waits at present."""
    replayed: bool
    """Whether this is the outcome of an earlier call with the same key."""


class Updated(_Taken):
    """The change is in the order and in its log."""

    requested_quantity: float
    before_quantity: float
    after_quantity: float
    before_status: str | None
    after_status: str | None
    before_progress: float
    after_progress: float
    seq: int = Field(ge=0)
    """Its number among the changes that this service wrote for the order."""


class Queued(_Taken):
    """The change is durable and waits for its turn."""


class _Item(Reply):
    index: int = Field(ge=0)
    """Place in the batch, from 0 on."""
    message: str


class UpdatedItem(Updated, _Item):
    """An item that was applied."""

    code: Literal["UPDATED"]


class QueuedItem(Queued, _Item):
    """An item that is kept and waits."""

    code: Literal["QUEUED"]


class FailedItem(_Item):
    """An item that failed, with what is known of its code's cause."""

    success: Literal[False]
    code: Annotated[str, Field(json_schema_extra={"enum": list(ITEM)})]
    work_order_id: object
    """As it was sent."""
    type: object
    """As it was sent."""
    retryable: bool
    """Whether it was not applied, and may be sent again."""
    field: str = ""
    """The field that is wrong."""
    result: float = 0
    """The total that would be out of range."""
    limit: int = 0
    replayed: bool = False
    related_barcode: str | None = None
    process_step_id: str | None = None
    request_id: str = ""
    scope: str = ""
    """What is full."""
    capacity: int = 0
    paused: bool = False


class Batch(Reply):
    """What became of each item, in the order sent."""

    total: int
    succeeded: int
    failed: int
    results: list[UpdatedItem | QueuedItem | FailedItem]


class Order(Reply):
    """An order as it is stored now."""

    id: HexId
    work_order_no: str | None
    material_code: str | None
    material_name: str | None
    status: str | None
    plan_quantity: float | None
    plan_production_quantity: float | None
    input_quantity: float
    output_quantity: float
    scrap_quantity: float
    progress: float
    production_line_name: str | None
    create_at: datetime | None
    update_at: datetime | None


class FoundOrder(Reply):
    """An order in short, and how its actor is."""

    id: HexId
    work_order_no: str | None
    material_name: str | None
    status: str | None
    plan_quantity: float | None
    input_quantity: float
    output_quantity: float
    progress: float
    live: bool
    """Whether it has a live actor."""
    paused: bool


class FoundOrders(Reply):
    """The orders that were found: by their id first, then by number."""

    more: bool
    """Whether there are more than were asked for."""
    orders: list[FoundOrder]


class LogEntry(Reply):
    """One applied change. Entries of other writers may have more fields."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(alias="_id")
    work_order_id: str | None
    work_order_no: str | None
    material_id: str | None
    material_code: str | None
    material_name: str | None
    production_line_id: str | None
    production_line_name: str | None
    change_type: ChangeType | None
    change_quantity: float | None
    before_quantity: float | None
    after_quantity: float | None
    before_status: str | None
    after_status: str | None
    before_progress: float | None
    after_progress: float | None
    related_barcode: str | None
    barcode_operation: str
    process_step_id: str | None
    process_name: str | None
    process_code: str | None
    operator_id: str | None
    operator_name: str | None
    operate_time: datetime | None
    reason: str | None
    remark: str | None
    ip_address: str | None
    user_agent: str | None
    is_automatic: bool
    source: str
    created_at: datetime | None
    updated_at: datetime | None
    seq: int | None
    """Null in entries that other writers made."""


class Page(Reply):
    """One page of how many there are."""

    total: int = Field(ge=0)
    page: int = Field(ge=1)
    page_size: int = Field(ge=1)
    total_pages: int = Field(ge=0)


class LogPage(Page):
    """A page of an order's log, the newest entry first."""

    success: Literal[True]
    logs: list[LogEntry]


class OrderPaused(Reply):
    """Whether the order is paused now."""

    work_order_id: HexId
    paused: bool
