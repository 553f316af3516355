"""The business rules, pure: an order and a change give the next order and its log entry.

Rule numbers refer to docs/api.md, "Rules of a change". Nothing here reads a clock, a store or
a setting; everything else in this package decides *when* these functions run.
"""

from __future__ import annotations

from decimal import Decimal
from math import floor
from typing import TYPE_CHECKING, Final

from actors.domain.model import (
    MAX_QUANTITY,
    SCAN_PROCESS,
    Change,
    ChangeType,
    LogPosition,
    Number,
    OrderState,
    Status,
)
from actors.domain.records import changed

if TYPE_CHECKING:
    from datetime import datetime


_INPUT: Final = ChangeType.INPUT
_INT64: Final = 2**63


class QuantityOverflowError(ArithmeticError):
    """The result is beyond `MAX_QUANTITY`; `args[0]` is that result."""


def add(left: Number, right: Number) -> Number:
    """Add exactly: decimal fractions do not drift as binary floats do (0.1 + 0.2 is 0.3)."""
    if isinstance(left, int) and isinstance(right, int):
        total = left + right
        return total if -_INT64 < total < _INT64 else float(total)
    return normalize(float(Decimal(repr(left)) + Decimal(repr(right))))


def normalize(value: Number) -> Number:
    """Return a whole float as the int that it is, so 5.0 and 5 are stored alike.

    Beyond 64 bits a float stays one, and an int becomes one: neither BSON nor JSON holds more.
    """
    if abs(value) >= _INT64:
        return float(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def applied_quantity(stored: Number, asked: Number) -> Number:
    """Cut a decrease to what is there (rule 2); increases pass unchanged."""
    if asked >= 0:
        return asked
    return max(asked, -max(stored, 0))


def progress_of(output: Number, plan: Number | None, scrap: Number, current: Number) -> Number:
    """Return the progress (0–100 %) after an output; `current` where no plan says (rule 3)."""
    if plan is None:
        return current
    total = add(plan, scrap)
    if total <= 0:
        return current
    if isinstance(output, int) and isinstance(total, int):
        return max(0, min(100, output * 100 // total))
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
        return changed(order, input_quantity=result), applied
    return _after_output(order, result, applied, at), applied


def _after_output(order: OrderState, output: Number, applied: Number, at: datetime) -> OrderState:
    plan = order.plan_production_quantity
    progress = progress_of(output, plan, order.scrap_quantity, order.progress)
    if applied < 0 and order.status == Status.COMPLETED.value:
        return changed(order, output_quantity=output, progress=progress, status=Status.PAUSED.value)
    if plan is not None and output >= plan:
        return changed(
            order,
            output_quantity=output,
            progress=100,
            status=Status.COMPLETED.value,
            ended_at=at,
        )
    return changed(order, output_quantity=output, progress=progress)


def is_first_step_scan(change: Change) -> bool:
    """Return whether rule 4 looks at this change at all."""
    context = change.context
    return (
        context.barcode_operation == SCAN_PROCESS
        and change.type is _INPUT
        and change.quantity > 0
        and bool(context.related_barcode)
        and bool(context.process_step_id)
    )


def is_unbind(change: Change) -> bool:
    """Return whether this change lets its barcode be scanned in again (rule 4).

    The quantity asked for decides: an unbind that rule 2 cut to nothing is an unbind all the same.
    """
    return change.quantity < 0 and change.type is _INPUT and bool(change.context.related_barcode)


def counts_twice(scanned: LogPosition | None, unbound: LogPosition | None) -> bool:
    """Return whether a scan repeats one that still counts (rule 4).

    `scanned` is the latest such increase of the same barcode and step, `unbound` the latest
    `input` decrease of the barcode at any step.
    """
    if scanned is None:
        return False
    return unbound is None or unbound < scanned
