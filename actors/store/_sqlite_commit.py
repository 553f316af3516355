"""Changes of orders on SQLite: compare-and-set of each order, with its log, in one transaction."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from actors.errors import StoreRejected
from actors.rules import LogEntry
from actors.store._sqlite_rows import (
    OrderRow,
    entry_row,
    insert_entries,
    insert_refusals,
    is_stored,
    read_order,
    refusal_row,
    to_text,
    write_order,
)
from actors.store.documents import GUARDED, OURS
from actors.store.port import Committed, Stale, StoredOrder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.messages import Epoch
    from actors.rules import OrderState, WorkOrderId
    from actors.store._sqlite_file import SqliteFile
    from actors.store.port import ChangeSet, CommitResult, Outcome

_STATE_FIELDS: Final = {
    "inputQuantity": "input_quantity",
    "outputQuantity": "output_quantity",
    "planProductionQuantity": "plan_production_quantity",
    "scrapQuantity": "scrap_quantity",
    "status": "status",
    "progress": "progress",
}
_WRITTEN: Final = ("inputQuantity", "outputQuantity", "status", "progress")


def commit(file: SqliteFile, epoch: Epoch, changes: Sequence[ChangeSet]) -> list[CommitResult]:
    """Do all of `Store.commit` in one transaction."""
    try:
        with file.writing() as db:
            return _Batch(db, epoch).commit(changes)
    except sqlite3.IntegrityError:
        # A row of somebody's is in the way of one of them; the others must not suffer.
        with file.writing() as db:
            return [_commit_alone(db, epoch, change) for change in changes]


def burn(file: SqliteFile, epoch: Epoch, order: StoredOrder) -> None:
    """Advance the order's turn where it is still as given."""
    with file.writing() as db:
        row = read_order(db, order.id)
        if row is None or not _is_at(row.order, order, epoch):
            return
        document = row.document
        document[OURS] = {
            "epoch": row.order.epoch if row.order.adopted else epoch,
            "seq": order.seq,
            "turn": order.turn + 1,
        }
        write_order(db, [(to_text(document), order.id)])


def relay(file: SqliteFile, outcomes: Sequence[Outcome]) -> None:
    """Add the outcomes that are missing: none, as commits add them, unless rows were deleted."""
    with file.reading() as db:
        missing = [each for each in outcomes if not is_stored(db, each)]
    if not missing:
        return
    with file.writing() as db:
        missing = [each for each in missing if not is_stored(db, each)]
        insert_entries(db, [entry_row(each) for each in missing if isinstance(each, LogEntry)])
        insert_refusals(
            db, [refusal_row(each) for each in missing if not isinstance(each, LogEntry)]
        )


@dataclass(slots=True)
class _Batch:
    """Decides about change sets one by one and writes what they did all at once."""

    db: sqlite3.Connection
    epoch: Epoch
    _orders: dict[WorkOrderId, OrderRow | None] = field(default_factory=dict)
    _order_texts: list[tuple[str, str]] = field(default_factory=list)
    _entries: list[tuple[Any, ...]] = field(default_factory=list)
    _refusals: list[tuple[Any, ...]] = field(default_factory=list)

    def commit(self, changes: Sequence[ChangeSet]) -> list[CommitResult]:
        results = [self._commit_one(change) for change in changes]
        write_order(self.db, self._order_texts)
        insert_entries(self.db, self._entries)
        insert_refusals(self.db, self._refusals)
        return results

    def _commit_one(self, change: ChangeSet) -> CommitResult:
        order_id = change.before.id
        if order_id not in self._orders:
            self._orders[order_id] = read_order(self.db, order_id)
        row = self._orders[order_id]
        if row is None or not _is_unchanged(row, change.before, self.epoch):
            return _settled(self.db, change, row)
        after = _applied(row, change, self.epoch)
        try:
            text = to_text(after.document)
            entries = [entry_row(each) for each in change.outcomes if isinstance(each, LogEntry)]
            refusals = [
                refusal_row(each) for each in change.outcomes if not isinstance(each, LogEntry)
            ]
        except TypeError as error:
            return StoreRejected(f"work order {order_id} cannot be stored: {error}")
        self._orders[order_id] = after
        self._order_texts.append((text, order_id))
        self._entries += entries
        self._refusals += refusals
        return Committed(after.order)


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
        return Stale(None if row is None else row.order)
    if row is not None:
        return Committed(row.order)
    entries = sum(isinstance(each, LogEntry) for each in change.outcomes)
    before = change.before
    return Committed(replace(before, state=change.after, seq=before.seq + entries, outbox=()))


def _is_at(current: StoredOrder, before: StoredOrder, epoch: Epoch) -> bool:
    return (
        current.epoch <= epoch
        and current.adopted == before.adopted
        and current.seq == before.seq
        and current.turn == before.turn
    )


def _is_unchanged(row: OrderRow, before: StoredOrder, epoch: Epoch) -> bool:
    if not _is_at(row.order, before, epoch):
        return False
    for name in GUARDED:
        known = before.state
        expected = (
            before.guard[name] if name in before.guard else getattr(known, _STATE_FIELDS[name])
        )
        stored = row.document.get(name)
        # In Python True == 1; in a document they differ.
        if stored != expected or isinstance(stored, bool) != isinstance(expected, bool):
            return False
    return True


def _applied(row: OrderRow, change: ChangeSet, epoch: Epoch) -> OrderRow:
    """Give the order with the change set in it; no field is touched that it does not change."""
    before, after = change.before.state, change.after
    written = {
        name: value
        for name in _WRITTEN
        if (value := getattr(after, _STATE_FIELDS[name])) != getattr(before, _STATE_FIELDS[name])
    }
    entries = sum(isinstance(each, LogEntry) for each in change.outcomes)
    order = replace(
        row.order,
        state=_state_with(row.order.state, written, after),
        seq=row.order.seq + entries,
        epoch=epoch,
        turn=row.order.turn + 1,
        adopted=True,
        guard={
            name: value
            for name, value in row.order.guard.items()
            if name in GUARDED and name not in written
        },
    )
    document = row.document | written
    if entries:
        document["updateAt"] = change.at
    if after.ended_at != before.ended_at:
        document["actualEndTime"] = after.ended_at
    document[OURS] = {"epoch": order.epoch, "seq": order.seq, "turn": order.turn}
    return OrderRow(document, order)


def _state_with(state: OrderState, written: dict[str, Any], after: OrderState) -> OrderState:
    fields = {_STATE_FIELDS[name]: value for name, value in written.items()}
    return replace(state, ended_at=after.ended_at, **fields)
