"""Replies about live actors."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 -- pydantic reads it
from typing import Literal

from pydantic import Field

from actors.operators.rows import ActorState  # noqa: TC001 -- pydantic reads it
from web.openapi.models.reply import HexId, Reply


class _Row(Reply):
    state: ActorState
    depth: int = Field(ge=0)
    oldest_wait_ms: float = Field(ge=0)
    rate_per_second: float = Field(ge=0)
    took_ms: float = Field(ge=0)
    """Mean time from arrival to answer, of the last minute."""
    handled: int
    failed: int
    last_active: datetime


class ActorRow(_Row):
    """An order's live actor."""

    work_order_id: HexId
    work_order_no: str | None


class ActorPage(Reply):
    """A page of the live actors."""

    total: int
    page: int
    page_size: int
    total_pages: int
    actors: list[ActorRow]


class HotActors(Reply):
    """The actors that stand out."""

    deepest: list[ActorRow]
    slowest: list[ActorRow]
    busiest: list[ActorRow]


class Event(Reply):
    """Something that happened to an order. What comes from its log lacks the last four fields."""

    at: datetime
    event: str
    work_order_id: HexId | None
    job_id: str | None
    type: str | None
    quantity: float | None
    after_quantity: float | None
    seq: int | None
    code: str | None = None
    detail: str | None = None
    took_ms: float = 0
    request_id: str | None = None


class _OneActor(Reply):
    work_order_id: HexId
    work_order_no: str | None
    paused: bool
    updates: list[Event]
    """The last 50, newest first."""
    log_read: bool
    """False where the store did not answer in time: only this node's own updates are shown."""


class RestingActor(_OneActor):
    """An order without a live actor."""

    live: Literal[False]


class ActorOutbox(Reply):
    """Outcomes that are committed and not yet in the log."""

    entries: int
    stored: bool


class LiveActor(_OneActor, _Row):
    """An order's live actor, and what it does now."""

    live: Literal[True]
    doing: str | None
    doing_for_ms: float | None
    doing_job_id: str | None
    loaded: bool
    seq: int
    epoch: int
    made_at: datetime
    waited_ms: float
    handling_ms: float
    outbox: ActorOutbox
