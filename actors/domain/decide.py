"""Decide a batch of changes of one order, from what is stored and what its log says. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeGuard

from actors.domain.commit import OUTBOX
from actors.domain.evidence import EvidenceQuery, Refusal
from actors.domain.guards import WATCH_ALL, Breach, Guard, Guards, asks_for_barcode, breach_of
from actors.domain.messages import Updated
from actors.domain.model import MAX_QUANTITY, ChangeType, LogEntry, Operation, OperationEntry
from actors.domain.operations import is_operation, operate
from actors.domain.records import quick
from actors.domain.rules import QuantityOverflowError, apply, counts_twice, is_first_step_scan
from actors.errors import (
    DuplicateOperation,
    OrderUnreadable,
    OverPlan,
    QuantityOutOfRange,
    RequestIdConflict,
    RuledOut,
    WorkOrderError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from actors.domain.commit import StoredOrder
    from actors.domain.evidence import Evidence, Outcome
    from actors.domain.model import Change, Epoch, LogPosition, Number, OrderState, WorkOrderId

_COUNTED: Final[Mapping[ChangeType | Operation, str]] = {
    ChangeType.INPUT: "inputQuantity",
    ChangeType.OUTPUT: "outputQuantity",
}
Verdict = Updated | WorkOrderError


@quick
@dataclass(frozen=True, slots=True)
class Decision:
    """What a commit will do, and what each change will be answered once it has."""

    after: OrderState
    outcomes: tuple[Outcome, ...]
    verdicts: tuple[Verdict, ...]
    """One per change, in order."""

    @property
    def refuses(self) -> bool:
        """Whether something is refused now that may be allowed as soon as the order is edited."""
        return any(
            isinstance(verdict, OrderUnreadable)
            or (isinstance(verdict, RuledOut) and not verdict.replayed)
            for verdict in self.verdicts
        )


def questions(
    order_id: WorkOrderId,
    changes: Iterable[Change],
    suspects: frozenset[str],
    guards: Guards = WATCH_ALL,
    *,
    archived: bool = False,
) -> EvidenceQuery | None:
    """Say what the log must be asked before `decide`; None when nothing.

    `suspects` are jobs that an actor held when it died: they may have been applied.
    """
    request_ids = set()
    barcodes = set()
    for change in changes:
        if change.request_id is not None:
            request_ids.add(change.request_id)
        barcode = change.context.related_barcode
        if barcode and (is_first_step_scan(change) or asks_for_barcode(change, guards)):
            barcodes.add(barcode)
    if not (request_ids or barcodes or suspects):
        return None
    return EvidenceQuery(
        order_id, frozenset(request_ids), suspects, frozenset(barcodes), archived=archived
    )


def decide(
    order: StoredOrder,
    changes: Sequence[Change],
    evidence: Evidence,
    epoch: Epoch,
    at: datetime,
    guards: Guards = WATCH_ALL,
) -> Decision:
    """Apply the rules and the guards to each change in turn.

    `evidence` is extended with what is decided here, so that later changes of the batch see
    the earlier ones.
    """
    state = order.state
    seq = order.seq
    outcomes: list[Outcome] = []
    verdicts: list[Verdict] = []
    for change in changes:
        earlier = _earlier(change, evidence)
        if earlier is not None:
            verdicts.append(_replay(earlier, change))
            continue
        decided: tuple[OrderState, LogEntry | OperationEntry] | WorkOrderError
        if is_operation(change):
            decided = _operate(order, state, change, epoch, seq, at)
        else:
            decided = _decide_one(order, state, change, evidence, epoch, seq + 1, at, guards)
        if isinstance(decided, WorkOrderError):
            verdicts.append(decided)
            refusal = _refusal(order, change, decided, epoch, at)
            if refusal is not None:
                outcomes.append(refusal)
                evidence.note(refusal)
            continue
        state, entry = decided
        seq = entry.seq
        outcomes.append(entry)
        evidence.note(entry)
        verdicts.append(updated(entry))
    return Decision(state, tuple(outcomes), tuple(verdicts))


def is_done_before(error: object, change: Change, *, refuse: bool) -> TypeGuard[DuplicateOperation]:
    """Return whether `change` repeats a scan that counts, and is a success to its caller (rule 4).

    With a key, or where repeats are refused, it is told so by the error.
    """
    return isinstance(error, DuplicateOperation) and change.request_id is None and not refuse


def known_outcome(change: Change, evidence: Evidence) -> Verdict | None:
    """Return what a change is answered whose key was settled before; None where it was not."""
    earlier = _earlier(change, evidence)
    return None if earlier is None else _replay(earlier, change)


def _earlier(change: Change, evidence: Evidence) -> Outcome | None:
    same_job = evidence.by_job.get(change.job_id)
    if same_job is not None or change.request_id is None:
        return same_job
    return evidence.by_request.get(change.request_id)


def _replay(earlier: Outcome, change: Change) -> Verdict:
    first = earlier.change
    if first.fingerprint != change.fingerprint:
        return RequestIdConflict(str(change.request_id))
    replayed = first.job_id != change.job_id
    if isinstance(earlier, Refusal):
        return _refused_as(earlier, replayed=replayed)
    return updated(earlier, replayed=replayed)


def _refused_as(refusal: Refusal, *, replayed: bool) -> WorkOrderError:
    if refusal.code == QuantityOutOfRange.code:
        return QuantityOutOfRange(refusal.detail, MAX_QUANTITY, replayed=replayed)
    if refusal.code == OverPlan.code:
        return OverPlan(refusal.detail, replayed=replayed)
    return _duplicate(refusal.change, replayed=replayed)


def _duplicate(change: Change, first: str = "", *, replayed: bool = False) -> DuplicateOperation:
    context = change.context
    return DuplicateOperation(
        str(context.related_barcode),
        context.process_step_id or "",
        first,
        output=change.type is ChangeType.OUTPUT,
        replayed=replayed,
    )


def _operate(
    order: StoredOrder, state: OrderState, change: Change, epoch: Epoch, seq: int, at: datetime
) -> tuple[OrderState, OperationEntry] | WorkOrderError:
    for name, value in order.unreadable.items():
        return OrderUnreadable(order.id, name, value)
    return operate(order, state, change, epoch, seq, at)


def _decide_one(
    order: StoredOrder,
    state: OrderState,
    change: Change,
    evidence: Evidence,
    epoch: Epoch,
    seq: int,
    at: datetime,
    guards: Guards,
) -> tuple[OrderState, LogEntry] | WorkOrderError:
    barcode = change.context.related_barcode
    if barcode and (first := _counted_scan(change, evidence)) is not None:
        return _duplicate(change, first.entry_id)
    for name in (OUTBOX, _COUNTED[change.type]):
        if name in order.unreadable:
            return OrderUnreadable(order.id, name, order.unreadable[name])
    moves = evidence.moves[barcode].values() if barcode in evidence.moves else ()
    breach = breach_of(change, state, moves, guards)
    if breach is not None and breach.enforced and breach.guard is not Guard.UNBIND_ONCE:
        return _refused_by(breach, change, state)
    try:
        after, applied = _apply(state, change, breach, at)
    except QuantityOverflowError as error:
        return QuantityOutOfRange(error.args[0], MAX_QUANTITY)
    is_input = change.type is ChangeType.INPUT
    entry = LogEntry(
        work_order_id=order.id,
        seq=seq,
        epoch=epoch,
        change=change,
        facts=order.facts,
        applied_quantity=applied,
        before_quantity=state.input_quantity if is_input else state.output_quantity,
        after_quantity=after.input_quantity if is_input else after.output_quantity,
        before_status=state.status,
        after_status=after.status,
        before_progress=state.progress,
        after_progress=after.progress,
        operate_time=at,
        watched=breach.guard.value if breach is not None and not breach.enforced else None,
        duplicate=breach is not None and breach.enforced and not breach.open,
    )
    return after, entry


def _refused_by(breach: Breach, change: Change, state: OrderState) -> WorkOrderError:
    if breach.first is not None:
        return _duplicate(change, breach.first.entry_id)
    return OverPlan(state.plan_production_quantity or 0)


def _apply(
    state: OrderState, change: Change, breach: Breach | None, at: datetime
) -> tuple[OrderState, Number]:
    """Apply a change; an enforced guard lets an unbind take back only what is open."""
    if breach is None or not breach.enforced:
        return apply(state, change, at)
    if not breach.open:
        return replace(state), 0
    return apply(state, replace(change, quantity=-breach.open), at)


def _counted_scan(change: Change, evidence: Evidence) -> LogPosition | None:
    """Return the scan that this one repeats, if it does."""
    if not is_first_step_scan(change):
        return None
    barcode, step = str(change.context.related_barcode), str(change.context.process_step_id)
    scanned = evidence.scans.get((barcode, step))
    return scanned if counts_twice(scanned, evidence.unbinds.get(barcode)) else None


def _refusal(
    order: StoredOrder, change: Change, error: WorkOrderError, epoch: Epoch, at: datetime
) -> Refusal | None:
    """Make the refusal of a keyed count durable; without a key nobody can ask for it again."""
    if change.request_id is None or is_operation(change) or isinstance(error, OrderUnreadable):
        return None
    detail = 0.0
    if isinstance(error, QuantityOutOfRange):
        detail = error.result
    elif isinstance(error, OverPlan):
        detail = error.plan
    return Refusal(order.id, epoch, change, at, error.code, detail)


def updated(entry: LogEntry | OperationEntry, *, replayed: bool = False) -> Updated:
    """Return the reply that an applied change is answered with."""
    return Updated(
        change=entry.change,
        work_order_id=entry.work_order_id,
        seq=entry.seq,
        epoch=entry.epoch,
        applied_quantity=entry.applied_quantity,
        before_quantity=entry.before_quantity,
        after_quantity=entry.after_quantity,
        before_status=entry.before_status,
        after_status=entry.after_status,
        before_progress=entry.before_progress,
        after_progress=entry.after_progress,
        replayed=replayed,
        watched=entry.watched,
        duplicate=entry.duplicate,
        work_order_no=entry.facts.work_order_no if entry.watched else None,
    )
