"""Checks of what an order's log says of each barcode: counted once, and taken back once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actors.domain.model import SCAN_PROCESS
from actors.domain.rules import add
from scripts.reconcile.findings import Kind, Repair
from scripts.reconcile.rows import added

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.domain.model import Number
    from scripts.reconcile.book import Book
    from scripts.reconcile.chains import Chain
    from scripts.reconcile.findings import Finding
    from scripts.reconcile.rows import Row

_INPUT = "input"


@dataclass(slots=True)
class _Tally:
    """One barcode in one of an order's quantities."""

    net: Number = 0
    last: str = ""
    batch: bool = False
    """Whether it stands for more than one piece."""
    steps: set[str] = field(default_factory=set)
    repeated: list[Row] = field(default_factory=list)

    def note(self, row: Row, change: Number) -> None:
        self.net = added(self.net, change)
        self.last = row.id
        self.batch = self.batch or change not in (-1, 0, 1) or row.operation == "SCAN_BATCH_DOC"
        if row.type != _INPUT:
            return
        if row.asked < 0:
            self.steps.clear()
        elif change > 0 and row.step and row.operation == SCAN_PROCESS:
            if row.step in self.steps:
                self.repeated.append(row)
            self.steps.add(row.step)


def barcodes_of(book: Book, chain: Chain) -> Iterator[Finding]:
    """Check the barcodes of one of the order's quantities."""
    tallies: dict[str, _Tally] = {}
    for row in chain.rows:
        if row.barcode and row.change is not None:
            tally = tallies.get(row.barcode)
            if tally is None:
                tally = tallies[row.barcode] = _Tally()
            tally.note(row, row.change)
    for barcode, tally in tallies.items():
        counted_again: Number = 0
        for row in tally.repeated:
            counted_again = add(counted_again, row.change or 0)
            yield from _repeated(book, barcode, row)
        if tally.net not in (0, 1) or counted_again:
            yield from _net(book, chain, barcode, tally, counted_again)


def _repeated(book: Book, barcode: str, row: Row) -> Iterator[Finding]:
    subject = f"{row.type} {row.id}"
    rest = add(row.change or 0, book.adjusted(Kind.REPEATED_SCAN, subject))
    if rest > 0:
        yield book.finding(
            Kind.REPEATED_SCAN,
            subject,
            f"{barcode} is counted again at step {row.step}, without an unbind before it",
            rest,
            repair=Repair(row.type, -rest),
        )


def _net(
    book: Book, chain: Chain, barcode: str, tally: _Tally, counted_again: Number
) -> Iterator[Finding]:
    subject = f"{chain.type} {barcode}"
    net = add(add(tally.net, -counted_again), book.adjusted(Kind.BARCODE_NET, subject))
    if net >= 0 and (net <= 1 or tally.batch):
        return
    wanted = 1 if net > 1 else 0
    # What is missing in the log may be what this barcode lacks.
    known = net > 1 or chain.whole
    repair = Repair(chain.type, add(wanted, -net)) if known else None
    detail = f"{barcode} counts {net}: its increases less its decreases"
    yield book.finding(Kind.BARCODE_NET, subject, detail, net, tally.last, repair=repair)
