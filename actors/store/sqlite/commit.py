"""Changes of orders on SQLite: compare-and-set of each order, with its log, in one transaction."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from actors.domain.commit import Committed, Stale, StoredOrder
from actors.domain.evidence import Refusal
from actors.domain.model import LogEntry, OperationEntry
from actors.errors import RelayRejected, StoreRejected
from actors.store.documents import counts_of
from actors.store.operations import scrap_records
from actors.store.schema import GUARDED, OURS, PLANNED, SCRAPPED
from actors.store.sqlite.families import insert_supplement
from actors.store.sqlite.rows import (
    OrderRow,
    entry_row,
    insert_entries,
    insert_operations,
    insert_refusals,
    is_stored,
    operation_row,
    read_order,
    refusal_row,
    to_text,
    write_order,
)
from actors.store.supplements import supplements_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.domain.commit import ChangeSet, CommitResult
    from actors.domain.evidence import Outcome
    from actors.domain.model import Epoch, WorkOrderId
    from actors.store.sqlite.file import SqliteFile

_STATE_FIELDS: Final = {
    "inputQuantity": "input_quantity",
    "outputQuantity": "output_quantity",
    "planProductionQuantity": "plan_production_quantity",
    "scrapQuantity": "scrap_quantity",
    "status": "status",
    "progress": "progress",
}
_WRITTEN: Final = tuple(_STATE_FIELDS)


def commit(file: SqliteFile, epoch: Epoch, changes: Sequence[ChangeSet]) -> list[CommitResult]:
    """Do all of `Store.commit` in one transaction."""
    try:
        with file.writing() as db:
            return _Batch(db, epoch).commit(changes)
    except sqlite3.IntegrityError:
        # A row of somebody's is in the way of one of them; the others must not suffer.
        with file.writing() as db:
            return [_commit_alone(db, epoch, change) for change in changes]


def invalidate(file: SqliteFile, epoch: Epoch, order: StoredOrder) -> None:
    """Advance the order's turn where it is still as given."""
    with file.writing() as db:
        row = read_order(db, order.id)
        if row is not None and _is_at(row, order, epoch):
            ours = {"epoch": epoch, "seq": order.seq, "turn": order.revision + 1}
            write_order(db, [(to_text(row.document | {OURS: ours}), order.id)])


def relay(file: SqliteFile, outcomes: Sequence[Outcome]) -> None:
    """Add the outcomes that are missing: none, as commits add them, unless rows were deleted.

    Raises:
        RelayRejected: another row has the seq or key of some; the others were added.

    """
    with file.reading() as db:
        missing = [each for each in outcomes if not is_stored(db, each)]
    if not missing:
        return
    refused: dict[str, str] = {}
    with file.writing() as db:
        for each in missing:
            try:
                _add_if_missing(db, each)
            except sqlite3.IntegrityError as error:
                refused[each.change.job_id] = str(error)
    if refused:
        raise RelayRejected(frozenset(refused), next(iter(refused.values())))


def _add_if_missing(db: sqlite3.Connection, outcome: Outcome) -> None:
    if is_stored(db, outcome):
        return
    if isinstance(outcome, LogEntry):
        insert_entries(db, [entry_row(outcome)])
    elif isinstance(outcome, OperationEntry):
        insert_operations(db, [operation_row(outcome)])
    else:
        insert_refusals(db, [refusal_row(outcome)])


@dataclass(slots=True)
class _Batch:
    """Decides about change sets one by one and writes what they did all at once."""

    db: sqlite3.Connection
    epoch: Epoch
    _orders: dict[WorkOrderId, OrderRow | None] = field(default_factory=dict)
    _order_texts: list[tuple[str, str]] = field(default_factory=list)
    _entries: list[tuple[Any, ...]] = field(default_factory=list)
    _operations: list[tuple[Any, ...]] = field(default_factory=list)
    _refusals: list[tuple[Any, ...]] = field(default_factory=list)
    _supplements: list[tuple[dict[str, Any], OperationEntry]] = field(default_factory=list)
    """What is made of which order."""

    def commit(self, changes: Sequence[ChangeSet]) -> list[CommitResult]:
        results = [self._commit_one(change) for change in changes]
        write_order(self.db, self._order_texts)
        insert_entries(self.db, self._entries)
        insert_operations(self.db, self._operations)
        insert_refusals(self.db, self._refusals)
        for source, entry in self._supplements:
            insert_supplement(self.db, source, entry)
        return results

    def _commit_one(self, change: ChangeSet) -> CommitResult:
        order_id = change.before.id
        if order_id not in self._orders:
            self._orders[order_id] = read_order(self.db, order_id)
        row = self._orders[order_id]
        if row is None or not _is_unchanged(row, change, self.epoch):
            return _settled(self.db, change, row)
        after = _after(change, self.epoch)
        document = _applied(row.document, change, after)
        try:
            text = to_text(document)
            entries = [entry_row(each) for each in change.outcomes if isinstance(each, LogEntry)]
            operations = [
                operation_row(each) for each in change.outcomes if isinstance(each, OperationEntry)
            ]
            refusals = [refusal_row(each) for each in change.outcomes if isinstance(each, Refusal)]
        except TypeError as error:
            return StoreRejected(f"work order {order_id} cannot be stored: {error}")
        self._orders[order_id] = OrderRow(document, after.seq)
        self._order_texts.append((text, order_id))
        self._entries += entries
        self._operations += operations
        self._refusals += refusals
        self._supplements += [(document, each) for each in supplements_in(change.outcomes)]
        return Committed(after)


def _commit_alone(db: sqlite3.Connection, epoch: Epoch, change: ChangeSet) -> CommitResult:
    db.execute("SAVEPOINT alone")
    try:
        return _Batch(db, epoch).commit([change])[0]
    except sqlite3.IntegrityError as error:
        db.execute("ROLLBACK TO alone")
        row = read_order(db, change.before.id)
        result = _settled(db, change, row)
        if isinstance(result, Stale) and "request_key" not in str(error):
            return StoreRejected(f"work order {change.before.id}: {error}")
        # A key that is taken was decided about without its evidence: decide again.
        return result
    finally:
        db.execute("RELEASE alone")


def _settled(db: sqlite3.Connection, change: ChangeSet, row: OrderRow | None) -> CommitResult:
    """Answer for a change set that can't be applied (any more): perhaps it was."""
    if not change.outcomes or not all(is_stored(db, each) for each in change.outcomes):
        return Stale(None if row is None else row.order(db))
    # Deleted since: the order as the change set left it.
    return Committed(_after(change, change.outcomes[0].epoch) if row is None else row.order(db))


def _is_at(row: OrderRow, before: StoredOrder, epoch: Epoch) -> bool:
    ours = counts_of(row.document.get(OURS))
    if ours is None:
        return not before.adopted and row.log_seq == before.seq
    return (
        before.adopted
        and ours.epoch <= epoch
        and ours.turn == before.revision
        and max(ours.seq, row.log_seq) == before.seq
    )


def _is_unchanged(row: OrderRow, change: ChangeSet, epoch: Epoch) -> bool:
    before, planned = change.before, change.plan_quantity
    if not _is_at(row, before, epoch):
        return False
    if planned is not None and row.document.get(PLANNED) != planned:
        return False
    for name in GUARDED:
        stored, guard = row.document.get(name), before.guard
        expected = guard[name] if name in guard else getattr(before.state, _STATE_FIELDS[name])
        # In Python True == 1; in a document they differ.
        if stored != expected or isinstance(stored, bool) != isinstance(expected, bool):
            return False
    return True


def _after(change: ChangeSet, epoch: int) -> StoredOrder:
    """Return the order as it is once the change set is applied."""
    return change.applied(epoch, (*_written(change), OURS) if change.before.guard else ())


def _applied(document: dict[str, Any], change: ChangeSet, after: StoredOrder) -> dict[str, Any]:
    """Return the document with the change set in it; what that does not change stays."""
    ours = {"epoch": after.epoch, "seq": after.seq, "turn": after.revision}
    document = document | _written(change) | {OURS: ours}
    if change.after is not change.before.state:
        document["updateAt"] = change.at
    if scrapped := scrap_records(change.outcomes):
        before = document.get(SCRAPPED)
        document[SCRAPPED] = [*(before if isinstance(before, list) else ()), *scrapped]
    if change.after.started_at != change.before.state.started_at:
        document["actualStartTime"] = change.after.started_at
    if change.after.ended_at != change.before.state.ended_at:
        document["actualEndTime"] = change.after.ended_at
    return document


def _written(change: ChangeSet) -> dict[str, Any]:
    before, after = change.before.state, change.after
    return {
        name: value
        for name in _WRITTEN
        if (value := getattr(after, _STATE_FIELDS[name])) != getattr(before, _STATE_FIELDS[name])
    }
