"""Replies about live actors."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from actors.operators.rows import ActorState
from web.openapi.models.reply import HexId, Moment, reply
from web.openapi.models.work_orders import Page


@reply
class _Row(TypedDict):
    state: ActorState
    depth: Annotated[int, Field(ge=0)]
    oldestWaitMs: Annotated[float, Field(ge=0)]
    ratePerSecond: Annotated[float, Field(ge=0)]
    tookMs: Annotated[float, Field(ge=0)]
    """Mean time from arrival to answer, of the last minute."""
    slowMs: Annotated[float, Field(ge=0)]
    """The longer of both, but no time paused: the slowest orders are sorted by it."""
    handled: int
    failed: int
    lastActive: Moment


@reply
class ActorRow(_Row):
    """An order's live actor."""

    workOrderId: HexId
    workOrderNo: str | None


@reply
class ActorPage(Page):
    """A page of the live actors."""

    actors: list[ActorRow]


@reply
class HotActors(TypedDict):
    """The actors that stand out."""

    deepest: list[ActorRow]
    slowest: list[ActorRow]
    busiest: list[ActorRow]


@reply
class Event(TypedDict):
    """Something that happened to an order. What comes from its log lacks the last four fields."""

    at: Moment
    event: str
    workOrderId: HexId | None
    workOrderNo: NotRequired[str | None]
    """Null where the order is not in memory."""
    jobId: str | None
    type: str | None
    quantity: float | None
    afterQuantity: float | None
    seq: int | None
    code: NotRequired[str | None]
    detail: NotRequired[str | None]
    tookMs: NotRequired[float]
    requestId: NotRequired[str | None]


@reply
class _OneActor(TypedDict):
    workOrderId: HexId
    workOrderNo: str | None
    paused: bool
    updates: list[Event]
    """The last 50, newest first."""
    logRead: bool
    """False where the store did not answer in time: only this node's own updates are shown."""


@reply
class RestingActor(_OneActor):
    """An order without a live actor; what waits for it is in the store."""

    live: Literal[False]
    depth: Annotated[int, Field(ge=0)]
    oldestWaitMs: Annotated[float, Field(ge=0)]


@reply
class ActorOutbox(TypedDict):
    """Outcomes that are committed and not yet in the log."""

    entries: int
    stored: bool


@reply
class LiveActor(_OneActor, _Row):
    """An order's live actor, and what it does now."""

    live: Literal[True]
    doing: str | None
    doingForMs: float | None
    doingJobId: str | None
    loaded: bool
    seq: int
    epoch: int
    madeAt: Moment
    waitedMs: float
    handlingMs: float
    outbox: ActorOutbox
