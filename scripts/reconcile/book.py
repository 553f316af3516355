"""One order with its log: what the checks look at, and what earlier repairs did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from actors.domain.rules import add
from actors.store.documents import counts_of
from actors.store.schema import OURS
from actors.store.values import mapping_from, number_from
from scripts.reconcile.findings import (
    Finding,
    Kind,
    Repair,
    repair_key,
    subject_digest,
    subject_of,
    undo_key,
)
from scripts.reconcile.rows import MANUAL, Row, in_order, row_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from actors.domain.model import Number

QUANTITY_OF: Final = {"input": "inputQuantity", "output": "outputQuantity"}


@dataclass(slots=True)
class Book:
    """An order's document, None where there is none, and its entries in the order they were made.

    `pending` are those that only its outbox holds, by id. `stored_seq` is the seq that its document
    has, `last_seq` the highest of an entry (0: none); `missing_seqs` are the first and the last of
    each run of seqs that no entry has.
    """

    order_id: str
    document: Mapping[str, Any] | None
    rows: list[Row]
    pending: Mapping[str, Row]
    stored_seq: int
    last_seq: int
    missing_seqs: Sequence[tuple[int, int]]
    _keys: frozenset[str]
    _done: dict[str, Number] = field(default_factory=dict)
    _times: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        order_id: str,
        document: Mapping[str, Any] | None,
        rows: Iterable[Row],
        id_type: type,
    ) -> Book:
        """Put an order and what the log has of it together; its outbox is part of the log."""
        in_log = list(rows)
        pending = _pending(document, in_log, id_type)
        ordered = in_order([*in_log, *pending.values()] if pending else in_log)
        ours = [row for row in ordered if row.key and row.operation == MANUAL]
        counts = counts_of((document or {}).get(OURS))
        stored_seq = 0 if counts is None else counts.seq
        book = cls(
            order_id,
            document,
            ordered,
            pending,
            stored_seq,
            max((row.seq for row in ordered), default=0),
            _missing(ordered, stored_seq),
            frozenset(row.key for row in ours),
        )
        for row in ours:
            book._note(row)
        return book

    def _note(self, row: Row) -> None:
        subject = subject_of(row.key)
        if subject is not None:
            self._done[subject] = add(self._done.get(subject, 0), row.change or 0)
            self._times[subject] = self._times.get(subject, 0) + 1

    @property
    def number(self) -> str:
        """The order's number."""
        return str((self.document or {}).get("workOrderNo") or "")

    def quantity(self, name: str) -> Number | None:
        """Return a quantity of the order; None where it is none that can be read."""
        value = (self.document or {}).get(name)
        return 0 if value is None else number_from(value)

    def adjusted(self, kind: Kind, subject: str) -> Number:
        """Return what repairs of a subject, less those undone, added to its quantity."""
        return self._done.get(subject_digest(kind, subject), 0)

    def stands(self, row: Row) -> bool:
        """Return whether an entry is a repair that was not undone."""
        return row.key in self._keys and undo_key(row.key) not in self._keys

    def finding(
        self,
        kind: Kind,
        subject: str,
        detail: str,
        *evidence: object,
        repair: Repair | None = None,
    ) -> Finding:
        """Make a finding about this order; after an undo it has another key than before."""
        tries = self._times.get(subject_digest(kind, subject), 0)
        key = repair_key(kind, subject, *evidence, tries)
        return Finding(kind, self.order_id, self.number, subject, detail, key, repair)


def _missing(rows: Iterable[Row], stored_seq: int) -> list[tuple[int, int]]:
    missing: list[tuple[int, int]] = []
    expected = 1
    for seq in (row.seq for row in rows if row.seq):
        if seq > expected:
            missing.append((expected, seq - 1))
        expected = seq + 1
    if stored_seq >= expected:
        missing.append((expected, stored_seq))
    return missing


def _pending(
    document: Mapping[str, Any] | None, in_log: list[Row], id_type: type
) -> dict[str, Row]:
    outbox = mapping_from((document or {}).get(OURS)).get("outbox")
    if not isinstance(outbox, list) or not outbox:
        return {}
    known = {row.id for row in in_log}
    entries = (mapping_from(each) for each in outbox)
    return {
        str(each["_id"]): row_of(each, id_type)
        for each in entries
        if each.get("_id") is not None
        and not each.get("refused")
        and each.get("changeType") is not None
        and str(each["_id"]) not in known
    }
