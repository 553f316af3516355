"""What an order's past says about new changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from actors.domain.model import ChangeType, LogEntry, LogPosition, Number, Operation, OperationEntry
from actors.domain.records import quick
from actors.domain.rules import is_first_step_scan, is_unbind

if TYPE_CHECKING:
    from datetime import datetime

    from actors.domain.model import Change, RequestId, WorkOrderId


@dataclass(frozen=True, slots=True)
class Refusal:
    """A keyed request that the order's state refused: kept, so that its retry is refused, too."""

    work_order_id: WorkOrderId
    epoch: int
    change: Change
    refused_at: datetime
    code: str = "DUPLICATE_OPERATION"
    detail: float = 0
    """For `INVALID_QUANTITY`: the quantity that the order would have had."""


Outcome = LogEntry | OperationEntry | Refusal
"""What a change set leaves behind; its id is `outcome.change.job_id`."""


_PLAIN_BYTES: Final = 1_500
"""Names, numbers, ids and dates of an outcome as a document."""


def size_of_change(change: Change, *more: str | None) -> int:
    """Return an upper bound of the bytes that a change's outcome takes in a document.

    `more` are the texts that it has besides what the change says.
    """
    context = change.context
    texts: tuple[str | None, ...] = (
        context.related_barcode,
        context.process_name,
        context.process_code,
        context.operator_id,
        context.operator_name,
        context.reason,
        context.remark,
        context.ip_address,
        context.user_agent,
        change.request_id,
        *more,
    )
    if context.originals:
        texts += tuple(text for _, text in context.originals)
    return _PLAIN_BYTES + len("".join(filter(None, texts)).encode("utf-8", "surrogatepass"))


def size_of(outcome: Outcome) -> int:
    """Return an upper bound of the bytes that an outcome takes in a document."""
    if isinstance(outcome, Refusal):
        return size_of_change(outcome.change)
    facts = outcome.facts
    return size_of_change(
        outcome.change,
        facts.work_order_no,
        facts.material_code,
        facts.material_name,
        facts.production_line_name,
    )


@quick
@dataclass(frozen=True, slots=True)
class EvidenceQuery:
    """What the log must be asked before changes of one order are decided."""

    work_order_id: WorkOrderId
    request_ids: frozenset[RequestId] = frozenset()
    job_ids: frozenset[str] = frozenset()
    """Jobs whose first attempt may have been applied already."""
    barcodes: frozenset[str] = frozenset()
    whole: bool = False
    """Whether all barcodes of the order are asked for, if they are not too many."""
    archived: bool = False
    """Whether the archive is asked too: what was read of the order says so."""


@dataclass(frozen=True, slots=True)
class Move:
    """One log entry of a barcode: what it asked for, and what it moved, in pieces."""

    position: LogPosition
    type: ChangeType | Operation
    asked: Number
    applied: Number


MOST_MOVES: Final = 1_000
"""Entries of one barcode in one order, the newest, that a decision looks at: what is older counts
for nothing after an unbind, and no product has as many steps."""
_position: Final = attrgetter("position")


@dataclass(slots=True)
class Evidence:
    """What is known of an order's past that decides about new changes."""

    by_request: dict[RequestId, Outcome] = field(default_factory=dict)
    by_job: dict[str, Outcome] = field(default_factory=dict)
    scans: dict[tuple[str, str], LogPosition] = field(default_factory=dict)
    """(barcode, process step id) → latest first-step scan."""
    unbinds: dict[str, LogPosition] = field(default_factory=dict)
    """barcode → latest unbind."""
    moves: dict[str, dict[str, Move]] = field(default_factory=dict)
    """barcode → its entries, by their ids; of more than `MOST_MOVES` the latest ones."""
    whole: bool = False
    """Whether a barcode that is not here has no entry at all."""

    def note(self, outcome: Outcome) -> None:
        """Add one outcome, newer than those added before."""
        change = outcome.change
        self.by_job[change.job_id] = outcome
        if change.request_id is not None:
            self.by_request[change.request_id] = outcome
        if not isinstance(outcome, LogEntry):
            return
        context = change.context
        if not context.related_barcode:
            return
        position = LogPosition(outcome.seq, outcome.operate_time, change.job_id)
        self.note_move(
            context.related_barcode,
            Move(position, change.type, change.quantity, outcome.applied_quantity),
        )
        if is_first_step_scan(change):
            self.note_scan(str(context.related_barcode), str(context.process_step_id), position)
        elif is_unbind(change):
            self.note_unbind(str(context.related_barcode), position)

    def note_move(self, barcode: str, move: Move) -> None:
        """Add an entry of a barcode; beyond `MOST_MOVES` in place of the earliest one."""
        moves = self.moves.setdefault(barcode, {})
        moves[move.position.entry_id] = move
        if len(moves) > MOST_MOVES:
            del moves[min(moves.values(), key=_position).position.entry_id]

    def note_scan(self, barcode: str, step: str, position: LogPosition) -> None:
        """Add a first-step scan; the latest one counts."""
        known = self.scans.get((barcode, step))
        self.scans[barcode, step] = position if known is None else max(known, position)

    def note_unbind(self, barcode: str, position: LogPosition) -> None:
        """Add an unbind; the latest one counts."""
        known = self.unbinds.get(barcode)
        self.unbinds[barcode] = position if known is None else max(known, position)

    def include(self, other: Evidence) -> None:
        """Add all that `other` knows."""
        self.by_job |= other.by_job
        self.by_request |= other.by_request
        for (barcode, step), position in other.scans.items():
            self.note_scan(barcode, step, position)
        for barcode, position in other.unbinds.items():
            self.note_unbind(barcode, position)
        for barcode, moves in other.moves.items():
            self.moves.setdefault(barcode, {}).update(moves)
