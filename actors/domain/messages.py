"""What can be said to an actor, and what it answers: frozen, typed, small, serializable."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from actors.domain.model import Trace
from actors.domain.records import quick

if TYPE_CHECKING:
    from datetime import datetime

    from pykka import ActorRef

    from actors.domain.commit import StoredOrder
    from actors.domain.model import Change, Number, WorkOrderId


Monotonic: TypeAlias = Annotated[float, "monotonic"]
"""A moment of this process's `time.monotonic()`, in seconds: another process has another clock."""


# -- to an order actor ---------------------------------------------------------------------


@quick
@dataclass(frozen=True, slots=True)
class UpdateQuantity:
    """Apply one change to one order. Answered with `Updated`, or with an error of `errors`."""

    work_order_id: WorkOrderId
    change: Change
    deadline: Monotonic
    """After which the caller no longer waits."""
    trace: Trace = field(default_factory=Trace)
    wait: bool = True
    """Whether the caller waits until it is applied; else it is answered once it is kept."""
    suspect: bool = False
    """Whether it may have been applied before, by an owner that is gone."""


@dataclass(frozen=True, slots=True)
class Queued:
    """The change is kept in the store and waits for its turn: it is not lost any more."""

    change: Change
    work_order_id: WorkOrderId
    replayed: bool = False
    """Whether an earlier call with the same key had it kept."""


@quick
@dataclass(frozen=True, slots=True)
class Updated:
    """The change is in the order and in its log; quantities in pieces, progress in percent."""

    change: Change
    work_order_id: WorkOrderId
    seq: int
    epoch: int
    applied_quantity: Number
    before_quantity: Number
    after_quantity: Number
    before_status: str | None
    after_status: str | None
    before_progress: Number
    after_progress: Number
    replayed: bool = False
    watched: str | None = None
    """The guard that it breaks, which is only watched."""
    duplicate: bool = False
    """Whether it is an unbind that found nothing open for its barcode."""
    work_order_no: str | None = None


class Control:
    """A message of the house, not of a caller: finds room in a full mailbox."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class DescribeOrder(Control):
    """Say how you are. Answered with `OrderActorState`."""


@dataclass(frozen=True, slots=True)
class OrderActorState:
    """One order actor as an operator sees it."""

    work_order_id: WorkOrderId
    loaded: bool
    seq: int
    epoch: int
    waiting: int
    handled: int
    failed: int
    work_order_no: str | None = None
    doing: str | None = None
    """The step that it is at, while it is at work."""


# -- to the supervisor ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Resolve:
    """Return the live actor of this order, created when there is none. Answered with its ref."""

    work_order_id: WorkOrderId


@dataclass(frozen=True, slots=True)
class Ready:
    """These orders' outboxes are empty now, so that their actors may go, or can't be emptied."""

    work_order_ids: tuple[WorkOrderId, ...]
    emptied: bool


@dataclass(frozen=True, slots=True)
class Unknown:
    """The order's actor found no such order: forget the actor."""

    work_order_id: WorkOrderId


@dataclass(frozen=True, slots=True)
class Crashed:
    """The order's actor raised: replace it and keep its mailbox."""

    work_order_id: WorkOrderId
    error: str


@dataclass(frozen=True, slots=True)
class Sweep:
    """Passivate what has been idle for `ACTOR_IDLE_S`; with `everything`, all that is idle.

    Answered with the number of actors that will go once their outboxes are empty.
    """

    everything: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop taking messages in every order's mailbox; what arrives waits."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Take messages again."""


@dataclass(frozen=True, slots=True)
class PauseOrder:
    """Stop taking messages in one order's mailbox."""

    work_order_id: WorkOrderId


@dataclass(frozen=True, slots=True)
class ResumeOrder:
    """Take one order's messages again, unless all are paused."""

    work_order_id: WorkOrderId


@dataclass(frozen=True, slots=True)
class OrderLock:
    """An order held by a live actor: what the callers' API calls a lock."""

    work_order_id: WorkOrderId
    since: datetime


@dataclass(frozen=True, slots=True)
class OrderWaits:
    """How many updates wait for an order, and since when the oldest does; `live` with an actor."""

    waiting: int = 0
    oldest: datetime | None = None
    live: bool = False


SupervisorMessage = (
    Resolve | Ready | Unknown | Crashed | Sweep | Pause | Resume | PauseOrder | ResumeOrder
)
OrderMessage = UpdateQuantity | DescribeOrder


@quick
@dataclass(frozen=True, slots=True)
class ReadOrder:
    """Read an order. Answered with `StoredOrder` (its outbox taken over), or None."""

    work_order_id: WorkOrderId


@dataclass(frozen=True, slots=True)
class Trim:
    """Empty the order's outbox in the store once its outcomes are durable in the log."""

    order: StoredOrder


@dataclass(frozen=True, slots=True)
class EmptyOutboxes:
    """Empty the outboxes of orders that rest; `report_to` is told `Ready` as that is done."""

    work_order_ids: tuple[WorkOrderId, ...]
    report_to: ActorRef[Any]


@dataclass(frozen=True, slots=True)
class Tidy:
    """Empty the outboxes of orders that nobody changed for `rest_s` seconds."""

    rest_s: float
