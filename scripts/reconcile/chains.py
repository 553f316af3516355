"""Checks of an order's quantities against the entries of its log, each with the one before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from actors.domain.rules import add
from scripts.reconcile.book import QUANTITY_OF
from scripts.reconcile.findings import Kind, Repair
from scripts.reconcile.rows import added

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from actors.domain.model import Number
    from scripts.reconcile.book import Book
    from scripts.reconcile.findings import Finding
    from scripts.reconcile.rows import Row

_LOOK_BACK: Final = 64
"""Entries before a jump among which those are looked for that it left out."""


@dataclass(slots=True)
class Chain:
    """One quantity of an order, and its log; `whole` is whether the log tells of every change."""

    book: Book
    type: str
    rows: list[Row]
    whole: bool = True
    findings: list[Finding] = field(default_factory=list)
    _lost: dict[str, Number] = field(default_factory=dict)

    def check(self) -> Chain:
        """Go from entry to entry, and from the last one to the order."""
        previous: Row | None = None
        for index, row in enumerate(self.rows):
            if row.change is None or row.before is None or row.after is None:
                self.whole, previous = False, None
                continue
            if added(row.before, row.change) != row.after:
                self._tell(Kind.ROW_SUM, row, f"{row.before} and {row.change} is not {row.after}")
                self.whole = False
            if previous is None:
                self._begins(index, row)
            elif row.before != previous.after:
                self._jumps(index, row, previous)
            previous = row
        if self.book.document is not None:
            self._ends(previous)
        self._tell_of_lost()
        return self

    def _begins(self, index: int, row: Row) -> None:
        if index == 0 and row.before:
            self._is_missing(row, None, f"the first entry begins at {row.before}")

    def _jumps(self, index: int, row: Row, previous: Row) -> None:
        if self.book.stands(row) and row.after == previous.after:
            return  # puts right what was there before it
        lost = self._left_out(index, row.before)
        if lost:
            self._note_lost(lost)
            return
        self._is_missing(
            row,
            previous,
            f"goes on from {row.before}, the entry before it ended at {previous.after}",
        )

    def _is_missing(self, row: Row, previous: Row | None, detail: str) -> None:
        self.whole = False
        after = 0 if previous is None else previous.seq
        if not any(after < first and last < row.seq for first, last in self.book.missing_seqs):
            self._tell(Kind.MISSING_ROW, row, detail)

    def _ends(self, last: Row | None) -> None:
        name = QUANTITY_OF[self.type]
        stored = self.book.quantity(name)
        if stored is None or (last is None and (self.rows or not stored)):
            return  # not known: told of elsewhere
        if self.book.stored_seq > self.book.last_seq:
            self.whole = False  # the entries that are missing may tell of it
        elif last is None:
            self.whole = False
            detail = f"{name} is {stored}, and no entry tells of it"
            self.findings.append(self.book.finding(Kind.MISSING_ROW, self.type, detail))
        elif stored != last.after and not (lost := self._left_out(len(self.rows), stored)):
            self._differs(name, stored, last)
        elif stored != last.after:
            self._note_lost(lost)

    def _differs(self, name: str, stored: Number, last: Row) -> None:
        self.whole = False
        expected = last.after or 0
        repair = None
        if expected >= 0:
            repair = Repair(self.type, add(expected, -stored))
        kind = Kind.NEGATIVE if stored < 0 else Kind.QUANTITY
        detail = f"{name} is {stored}, by its last entry {expected}"
        self.findings.append(
            self.book.finding(kind, self.type, detail, stored, expected, last.id, repair=repair)
        )

    def _left_out(self, index: int, found: Number | None) -> Sequence[Row]:
        """Return the entries before `index` whose changes are not in the quantity `found` there."""
        changes: Number = 0
        for start in range(index - 1, max(-1, index - 1 - _LOOK_BACK), -1):
            row = self.rows[start]
            if row.change is None or row.before is None:
                return ()
            changes = add(changes, row.change)
            if start < index - 1 and row.after != self.rows[start + 1].before:
                return ()
            if row.before == found and changes and row.change:
                return self.rows[start:index]
        return ()

    def _note_lost(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if row.change:
                self._lost[row.id] = row.change

    def _tell_of_lost(self) -> None:
        for row_id, change in self._lost.items():
            subject = f"{self.type} {row_id}"
            rest = add(change, -self.book.adjusted(Kind.LOST_CHANGE, subject))
            if rest:
                self.findings.append(
                    self.book.finding(
                        Kind.LOST_CHANGE,
                        subject,
                        f"its change of {change:+} is not in {QUANTITY_OF[self.type]}",
                        rest,
                        repair=Repair(self.type, rest),
                    )
                )

    def _tell(self, kind: Kind, row: Row, detail: str) -> None:
        self.findings.append(self.book.finding(kind, f"{self.type} {row.id}", detail))


def chains_of(book: Book) -> list[Chain]:
    """Check both quantities of an order."""
    rows: dict[str, list[Row]] = {type_: [] for type_ in QUANTITY_OF}
    for row in book.rows:
        if row.type in rows:
            rows[row.type].append(row)
    return [Chain(book, type_, each).check() for type_, each in rows.items()]


def missing_entries(book: Book) -> Iterator[Finding]:
    """Tell of places in the order's own count of entries that no entry has."""
    for first, last in book.missing_seqs:
        which = f"seq {first}" if first == last else f"seq {first} to {last}"
        yield book.finding(Kind.MISSING_ROW, which, f"the log has no entry with {which}")
