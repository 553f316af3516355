"""Orders, changes and log entries as values."""

from __future__ import annotations

import itertools
import os
import secrets
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final, NewType

from actors.domain.records import quick

if TYPE_CHECKING:
    from datetime import datetime

Number = int | float
WorkOrderId = NewType("WorkOrderId", str)
"""24 lower-case hex digits: upper and lower case name one order, so one spelling is kept."""
JobId = NewType("JobId", str)
"""24 hex digits, unique per intended update; also the `_id` of the update's log entry."""
RequestId = NewType("RequestId", str)
"""The caller's idempotency key, unique per order."""
MAX_QUANTITY: Final = 2**53 - 1
"""Largest quantity: ECMAScript's Number.MAX_SAFE_INTEGER, as the callers are Node programs."""


class ChangeType(StrEnum):
    """Which of an order's two quantities a change moves (rule 1)."""

    INPUT = "input"
    OUTPUT = "output"


class Operation(StrEnum):
    """What is done to a whole order; pause and resume are of its status, not of its mailbox."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    COMPLETE = "complete"
    CHANGE_PLAN = "change-plan"
    SCRAP = "scrap"
    SUPPLEMENT = "supplement"


class Status(StrEnum):
    """The order states that the rules know; any other stored text is kept as it is."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


SCAN_PROCESS: Final = "SCAN_PROCESS"


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What a log entry copies from its order; ids as hex text where the store has ObjectIds."""

    work_order_no: str | None = None
    material_id: str | None = None
    material_code: str | None = None
    material_name: str | None = None
    production_line_id: str | None = None
    production_line_name: str | None = None


@quick
@dataclass(frozen=True, slots=True)
class OrderState:
    """The part of an order that rules read or write. Quantities are in pieces."""

    input_quantity: Number = 0
    output_quantity: Number = 0
    plan_production_quantity: Number | None = None
    scrap_quantity: Number = 0
    status: str | None = None
    progress: Number = 0
    ended_at: datetime | None = None
    """When a change last completed the order; ``None`` until one does, in this process."""
    started_at: datetime | None = None
    """The same of the order's start."""
    plan_quantity: Number | None = None
    scrapped: tuple[str, ...] = ()
    """Barcodes that count as scrap."""


@quick
@dataclass(frozen=True, slots=True)
class LogContext:
    """What the caller says about a change; defaults are those of the shared log schema."""

    related_barcode: str | None = None
    barcode_operation: str = "OTHER"
    process_step_id: str | None = None
    process_name: str | None = None
    process_code: str | None = None
    operator_id: str = "SYSTEM"
    operator_name: str | None = None
    reason: str | None = None
    remark: str | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    is_automatic: bool = True
    source: str = "SYSTEM"
    originals: tuple[tuple[str, str], ...] = ()
    """(field, what was said there) of what counts as not said, as it can't be stored so."""


@quick
@dataclass(frozen=True, slots=True)
class Beside:
    """What other orders leave to an operation."""

    line_busy: bool = False
    """Whether another order is in progress on the order's line."""
    planned: Number = 0
    """Pieces that the other orders of its production order are to produce."""
    supplemented: Number = 0
    """Pieces of its scrap that orders were made for."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What an order shares with others, and how these are now."""

    line: str | None = None
    production_order: str | None = None
    beside: Beside = Beside()


@quick
@dataclass(frozen=True, slots=True)
class Change:
    """One intended update of one order, as asked for."""

    job_id: JobId
    type: ChangeType | Operation
    quantity: Number
    """What is moved; of an operation the scrap, the new plan or the supplement, else 0."""
    context: LogContext
    request_id: RequestId | None = None
    fingerprint: str = ""
    """Digest of the payload: the same key with another fingerprint is a conflict."""
    beside: Beside | None = field(default=None, compare=False)
    """Of an operation that goes by other orders: how they are, while nobody changes them."""


@quick
@dataclass(frozen=True, slots=True)
class LogEntry:
    """One applied change, with the values before and after it (rule 5)."""

    work_order_id: WorkOrderId
    seq: int
    """Position in the order's log, from 1, without gaps."""
    epoch: int
    change: Change
    facts: OrderFacts
    applied_quantity: Number
    before_quantity: Number
    after_quantity: Number
    before_status: str | None
    after_status: str | None
    before_progress: Number
    after_progress: Number
    operate_time: datetime
    watched: str | None = None
    """The guard that it breaks, which is only watched."""
    duplicate: bool = False
    """Whether it is an unbind that found nothing open for its barcode."""

    @property
    def reason(self) -> str:
        """Return the caller's reason, or the default one (rule 6)."""
        return self.change.context.reason or default_reason(self.change)


@quick
@dataclass(frozen=True, slots=True)
class OperationEntry:
    """One operation that was done, with the values before and after it."""

    work_order_id: WorkOrderId
    seq: int
    """That of the order's latest count: operations stand between counts."""
    epoch: int
    change: Change
    facts: OrderFacts
    before_quantity: Number
    """Scrap, or else the plan."""
    after_quantity: Number
    before_status: str | None
    after_status: str | None
    before_progress: Number
    after_progress: Number
    operated_at: datetime

    watched: ClassVar[None] = None
    duplicate: ClassVar[bool] = False
    """No guard of counts is about operations."""

    @property
    def applied_quantity(self) -> Number:
        """Return what was asked for: an operation is done as it is, or refused."""
        return self.change.quantity


@quick
@dataclass(frozen=True, slots=True)
class LogPosition:
    """Where an entry stands in its order's log; entries that another service wrote have seq 0."""

    seq: int
    operate_time: datetime
    entry_id: str

    def __lt__(self, other: LogPosition) -> bool:
        """Tell which is earlier: by seq, and by time where one has none.

        Another service may have run before this one, after it, or in between.
        """
        if self.seq and other.seq:
            return self.seq < other.seq
        mine = (self.operate_time, self.seq, self.entry_id)
        return mine < (other.operate_time, other.seq, other.entry_id)


def default_reason(change: Change) -> str:
    """Name the change as the shop floor reads it (rule 6)."""
    what = "投入" if change.type is ChangeType.INPUT else "产出"
    return f"{what}数量{'增加' if change.quantity > 0 else '减少'}"


Epoch = NewType("Epoch", int)
"""Fencing token: one per take-over, from the store, ever growing."""
_PARTS = 4
_process = secrets.token_hex(5)
_count = itertools.count(secrets.randbelow(2**24))


def _begin_anew() -> None:
    """Let a forked process make other ids than the one that it was forked from."""
    global _process  # noqa: PLW0603 -- read once per update
    _process = secrets.token_hex(5)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def new_job_id() -> JobId:
    """Make an id that no other process makes: an ObjectId's time, process-random and counter.

    Written out here because it is made once per update, and the driver's takes ten times as
    long. Unique as long as a process makes fewer than 2**24 in a second.
    """
    return JobId(f"{int(time.time()):08x}{_process}{next(_count) & 0xFFFFFF:06x}")


@quick
@dataclass(frozen=True, slots=True)
class Trace:
    """What follows a request into the logs; context variables stop at a mailbox."""

    http_request_id: str = ""
    traceparent: str = ""
    """Of the call that this service answers: W3C's form, with that call's own span."""
    remote: str | None = None
    """The caller's address."""
    caller: str | None = None
    """Name of the token that it showed."""

    def ids(self) -> dict[str, str]:
        """Return the trace and the span under their names in the logs; none without a trace."""
        parts = self.traceparent.split("-")
        return {"trace_id": parts[1], "span_id": parts[2]} if len(parts) == _PARTS else {}

    def origin(self) -> dict[str, str]:
        """Return `ids`, and who called as far as that is known, under their names in the logs."""
        ids = self.ids() if self.traceparent else {}
        if self.remote is not None:
            ids["remote"] = self.remote
        if self.caller is not None:
            ids["caller"] = self.caller
        return ids
