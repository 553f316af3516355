"""The rows that operators ask for, and how they ask."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from actors.domain.messages import OrderActorState
    from actors.domain.model import WorkOrderId


class ActorState(StrEnum):
    """What an order's actor is about."""

    IDLE = "idle"
    WAITING = "waiting"
    """Something waits, and is about to be taken."""
    ACTIVE = "active"
    DELAYED = "delayed"
    """It waits for the store, or before it tries again."""
    PAUSED = "paused"
    """Something waits, and nothing may be taken."""


class Sort(StrEnum):
    """What a list of actors can be sorted by."""

    DEPTH = "depth"
    OLDEST = "oldest"
    RATE = "rate"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class ActorQuery:
    """One page of actors; `search` is the beginning of an id or a part of an order's number."""

    page: int = 1
    page_size: int = 20
    sort: Sort = Sort.DEPTH
    descending: bool = True
    search: str = ""
    state: ActorState | None = None


@dataclass(frozen=True, slots=True)
class ActorRow:
    """An order's live actor: times in seconds, the rate in updates per second, lately.

    `oldest_s` is the age of the oldest message that is not answered, `took_s` the mean time from
    arrival to answer, of the last minute.
    """

    work_order_id: WorkOrderId
    work_order_no: str | None
    state: ActorState
    depth: int
    oldest_s: float
    rate: float
    took_s: float
    handled: int
    failed: int
    last_active: datetime

    @property
    def slow_s(self) -> float:
        """What the slowest are sorted by: the longer of the two times; a pause is none."""
        return max(self.took_s, 0.0 if self.state is ActorState.PAUSED else self.oldest_s)


@dataclass(frozen=True, slots=True)
class ActorView:
    """All that is known of one live actor. `busy_s` is how long it is at its present message."""

    row: ActorRow
    actor: OrderActorState
    busy_s: float | None
    job_id: str | None
    paused: bool
    made_at: datetime
    waited_s: float
    handling_s: float
    outbox: int
    """Outcomes that are committed and not yet in the log."""
    kept_outbox: bool
    """Whether the stored order carries an outbox that is still to be emptied."""


class LongestWait(NamedTuple):
    """The order whose oldest update waits longest; what is paused does not count."""

    work_order_id: WorkOrderId
    work_order_no: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Summary:
    """All live actors; the depths are of those mailboxes in which something waits."""

    states: dict[str, int]
    depths: Sequence[int]
    """Ascending."""
    longest: LongestWait | None
    outboxes: int
    outbox_entries: int

    @property
    def oldest_s(self) -> float:
        """The age in seconds of the oldest update that may be taken; 0 without one."""
        return self.longest.seconds if self.longest is not None else 0.0


@dataclass(frozen=True, slots=True)
class Hot:
    """The actors that stand out."""

    deepest: list[ActorRow]
    slowest: list[ActorRow]
    busiest: list[ActorRow]
