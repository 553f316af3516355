"""Operations of a work order beside its quantities, pure: an order and an operation give the next.

The rules are in docs/api.md, "Operations". An operation is a `Change` whose type is an `Operation`:
it goes the way of every change, and its entry stands in a log of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeGuard

from actors.domain.model import MAX_QUANTITY, Number, Operation, OperationEntry, Status
from actors.domain.rules import add, progress_of
from actors.errors import OperationRefused, QuantityOutOfRange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from actors.domain.commit import StoredOrder
    from actors.domain.model import Change, Epoch, OrderState
    from actors.errors import WorkOrderError

MAX_SCRAPPED_BYTES: Final = 8 * 2**20
"""Of an order's list of scrap: with its outbox, and some room, MongoDB's 16 MiB of a document."""
_RECORD_BYTES: Final = 80
"""Of an item of that list beside its barcode."""
_SURELY_FEW: Final = 500
_FROM: Final[Mapping[Operation, tuple[Status, ...]]] = {
    Operation.START: (Status.PENDING,),
    Operation.PAUSE: (Status.IN_PROGRESS,),
    Operation.RESUME: (Status.PAUSED,),
    Operation.CANCEL: (Status.PENDING,),
    Operation.COMPLETE: (Status.IN_PROGRESS, Status.PAUSED),
    Operation.CHANGE_PLAN: (Status.PENDING, Status.PAUSED),
    Operation.SCRAP: (Status.IN_PROGRESS, Status.PAUSED, Status.COMPLETED),
    Operation.SUPPLEMENT: (Status.PAUSED,),
}
"""The statuses in which each may be done."""


def is_operation(change: Change) -> bool:
    """Return whether a change is an operation of the whole order."""
    return isinstance(change.type, Operation)


def operate(
    order: StoredOrder, state: OrderState, change: Change, epoch: Epoch, seq: int, at: datetime
) -> tuple[OrderState, OperationEntry] | WorkOrderError:
    """Do an operation: give the next state and its entry, or the error that says why not.

    `seq` is that of the order's latest count; `at` becomes the start, end or scrap time.
    """
    operation = Operation(change.type)
    if operation is Operation.SUPPLEMENT and not change.quantity:
        change = replace(change, quantity=_unsupplemented(state, change))
    if state.status not in _FROM[operation]:
        return OperationRefused(order.id, operation, "status", state.status)
    after = _DO[operation](state, change, at)
    if isinstance(after, str):
        return OperationRefused(order.id, operation, after, state.status)
    if after.scrap_quantity > MAX_QUANTITY:
        return QuantityOutOfRange(after.scrap_quantity, MAX_QUANTITY)
    before_quantity, after_quantity = (_counted(each, operation) for each in (state, after))
    entry = OperationEntry(
        work_order_id=order.id,
        seq=seq,
        epoch=epoch,
        change=change,
        facts=order.facts,
        before_quantity=before_quantity,
        after_quantity=after_quantity,
        before_status=state.status,
        after_status=after.status,
        before_progress=state.progress,
        after_progress=after.progress,
        operated_at=at,
    )
    return after, entry


def _counted(state: OrderState, operation: Operation) -> Number:
    """Return the quantity that an operation is about: scrap, or else the plan."""
    if operation is Operation.SCRAP:
        return state.scrap_quantity
    return state.plan_production_quantity or 0


def _start(state: OrderState, change: Change, at: datetime) -> OrderState | str:
    plan = state.plan_production_quantity
    if not _fits(plan, state):
        return "plan"
    if change.beside is not None and change.beside.line_busy:
        return "line"
    return replace(state, status=Status.IN_PROGRESS.value, started_at=at)


def _to(status: Status) -> Callable[[OrderState, Change, datetime], OrderState | str]:
    return lambda state, _change, _at: replace(state, status=status.value)


def _resume(state: OrderState, change: Change, _at: datetime) -> OrderState | str:
    if change.beside is not None and change.beside.line_busy:
        return "line"
    return replace(state, status=Status.IN_PROGRESS.value)


def _complete(state: OrderState, _change: Change, at: datetime) -> OrderState | str:
    return replace(state, status=Status.COMPLETED.value, progress=100, ended_at=at)


def _change_plan(state: OrderState, change: Change, at: datetime) -> OrderState | str:
    plan = change.quantity
    if not _fits(plan, state):
        return "plan"
    if change.beside is not None and not _fits(add(plan, change.beside.planned), state):
        return "sum"
    after = replace(
        state,
        plan_production_quantity=plan,
        progress=progress_of(state.output_quantity, plan, state.scrap_quantity, state.progress),
    )
    if state.output_quantity >= plan:
        return _complete(after, change, at)
    return after


def _scrap(state: OrderState, change: Change, _at: datetime) -> OrderState | str:
    barcode = str(change.context.related_barcode)
    if barcode in state.scrapped:
        return "scrapped"
    if not _has_room_for(barcode, state.scrapped):
        return "full"
    scrap = add(state.scrap_quantity, change.quantity)
    plan = state.plan_production_quantity
    completed = state.status == Status.COMPLETED
    return replace(
        state,
        scrap_quantity=scrap,
        scrapped=(*state.scrapped, barcode),
        progress=progress_of(state.output_quantity, plan, scrap, state.progress),
        status=Status.PAUSED.value if completed else state.status,
    )


def _has_room_for(barcode: str, scrapped: tuple[str, ...]) -> bool:
    if len(scrapped) < _SURELY_FEW:
        return True
    taken = sum(len(each.encode()) + _RECORD_BYTES for each in scrapped)
    return taken + len(barcode.encode()) + _RECORD_BYTES <= MAX_SCRAPPED_BYTES


def _supplement(state: OrderState, change: Change, _at: datetime) -> OrderState | str:
    if state.input_quantity != state.plan_production_quantity:
        return "input"
    if state.scrap_quantity <= 0:
        return "no-scrap"
    if not 0 < change.quantity <= _unsupplemented(state, change):
        return "supplemented"
    return replace(state)


def _unsupplemented(state: OrderState, change: Change) -> Number:
    made = 0 if change.beside is None else change.beside.supplemented
    return max(0, add(state.scrap_quantity, -made))


def is_all_counted(state: OrderState) -> bool:
    """Return whether an open order has no piece left to come: each is output, or scrap."""
    plan = state.plan_production_quantity
    is_open = state.status in (Status.IN_PROGRESS, Status.PAUSED)
    return (
        is_open and bool(plan) and add(state.output_quantity, state.scrap_quantity) >= (plan or 0)
    )


def are_done(supplements: Iterable[object]) -> bool:
    """Return whether there are supplements, by their statuses, and all are done."""
    statuses = set(supplements)
    return Status.COMPLETED in statuses and statuses <= {Status.COMPLETED, Status.CANCELLED}


def _fits(plan: Number | None, state: OrderState) -> TypeGuard[Number]:
    return plan is not None and 0 < plan <= (state.plan_quantity or 0)


_DO: Final[Mapping[Operation, Callable[[OrderState, Change, datetime], OrderState | str]]] = {
    Operation.START: _start,
    Operation.PAUSE: _to(Status.PAUSED),
    Operation.RESUME: _resume,
    Operation.CANCEL: _to(Status.CANCELLED),
    Operation.COMPLETE: _complete,
    Operation.CHANGE_PLAN: _change_plan,
    Operation.SCRAP: _scrap,
    Operation.SUPPLEMENT: _supplement,
}
"""Each gives the next state, or the reason why it may not be done."""
