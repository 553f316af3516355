"""The business rules, pure: an order and a change give the next order and its log entry.

Rule numbers refer to README.md, "Rules of a change". Nothing here reads a clock, a store or
a setting; everything else in this package decides *when* these functions run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from math import floor
from typing import TYPE_CHECKING, Final, NewType

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


class Status(StrEnum):
    """The order states that the rules know; any other stored text is kept as it is."""

    COMPLETED = "COMPLETED"
    PAUSED = "PAUSED"


SCAN_PROCESS: Final = "SCAN_PROCESS"
_INPUT: Final = ChangeType.INPUT


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What a log entry copies from its order; ids as hex text where the store has ObjectIds."""

    work_order_no: str | None = None
    material_id: str | None = None
    material_code: str | None = None
    material_name: str | None = None
    production_line_id: str | None = None
    production_line_name: str | None = None


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


@dataclass(frozen=True, slots=True)
class Change:
    """One intended update of one order, as asked for."""

    job_id: JobId
    type: ChangeType
    quantity: Number
    context: LogContext
    request_id: RequestId | None = None
    fingerprint: str = ""
    """Digest of the payload: the same key with another fingerprint is a conflict."""


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

    @property
    def reason(self) -> str:
        """Give the caller's reason, or the default one (rule 6)."""
        return self.change.context.reason or default_reason(self.change)


@dataclass(frozen=True, slots=True, order=True)
class LogPosition:
    """Where an entry stands in its order's log; entries older than this service have seq 0."""

    seq: int
    operate_time: datetime
    entry_id: str


class QuantityOverflowError(ArithmeticError):
    """The result is beyond `MAX_QUANTITY`; `args[0]` is that result."""


def default_reason(change: Change) -> str:
    """Name the change as the shop floor reads it (rule 6)."""
    what = "投入" if change.type is _INPUT else "产出"
    return f"{what}数量{'减少' if change.quantity < 0 else '增加'}"


def add(left: Number, right: Number) -> Number:
    """Add exactly: decimal fractions do not drift as binary floats do (0.1 + 0.2 is 0.3)."""
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    return normalize(float(Decimal(repr(left)) + Decimal(repr(right))))


def normalize(value: Number) -> Number:
    """Give a whole float as the int that it is, so 5.0 and 5 are stored alike."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def applied_quantity(stored: Number, asked: Number) -> Number:
    """Cut a decrease to what is there (rule 2); increases pass unchanged."""
    if asked >= 0:
        return asked
    return max(asked, -max(stored, 0))


def progress_of(output: Number, plan: Number | None, scrap: Number, current: Number) -> Number:
    """Give the progress (0–100 %) after an output; `current` where no plan says (rule 3)."""
    if plan is None:
        return current
    total = add(plan, scrap)
    if total <= 0:
        return current
    share = Decimal(repr(output)) * 100 / Decimal(repr(total))
    return max(0, min(100, floor(share)))


def apply(order: OrderState, change: Change, at: datetime) -> tuple[OrderState, Number]:
    """Apply rules 1–3: give the next state and the quantity really applied.

    `at` is the aware time of the change; it becomes `ended_at` when the change completes the order.

    Raises:
        QuantityOverflowError: the result would leave ±`MAX_QUANTITY`.

    """
    stored = order.input_quantity if change.type is _INPUT else order.output_quantity
    applied = applied_quantity(stored, change.quantity)
    result = add(stored, applied)
    if abs(result) > MAX_QUANTITY:
        raise QuantityOverflowError(result)
    if change.type is _INPUT:
        return replace(order, input_quantity=result), applied
    return _after_output(order, result, applied, at), applied


def _after_output(order: OrderState, output: Number, applied: Number, at: datetime) -> OrderState:
    plan = order.plan_production_quantity
    progress = progress_of(output, plan, order.scrap_quantity, order.progress)
    if applied < 0 and order.status == Status.COMPLETED.value:
        return replace(order, output_quantity=output, progress=progress, status=Status.PAUSED.value)
    if plan is not None and output >= plan:
        return replace(
            order,
            output_quantity=output,
            progress=100,
            status=Status.COMPLETED.value,
            ended_at=at,
        )
    return replace(order, output_quantity=output, progress=progress)


def is_first_step_scan(change: Change) -> bool:
    """Tell whether rule 4 looks at this change at all."""
    context = change.context
    return (
        context.barcode_operation == SCAN_PROCESS
        and change.type is _INPUT
        and change.quantity > 0
        and bool(context.related_barcode)
        and bool(context.process_step_id)
    )


def is_unbind(change: Change) -> bool:
    """Tell whether this change lets its barcode be scanned in again (rule 4).

    The quantity asked for decides: an unbind that rule 2 cut to nothing is an unbind all the same.
    """
    return change.quantity < 0 and change.type is _INPUT and bool(change.context.related_barcode)


def counts_twice(scanned: LogPosition | None, unbound: LogPosition | None) -> bool:
    """Tell whether a scan repeats one that still counts (rule 4).

    `scanned` is the latest such increase of the same barcode and step, `unbound` the latest
    `input` decrease of the barcode at any step.
    """
    if scanned is None:
        return False
    return unbound is None or unbound < scanned
