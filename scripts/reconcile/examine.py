"""All checks of one order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scripts.reconcile.barcodes import barcodes_of
from scripts.reconcile.book import QUANTITY_OF
from scripts.reconcile.chains import chains_of, missing_entries
from scripts.reconcile.findings import Kind
from scripts.reconcile.states import states_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from scripts.reconcile.book import Book
    from scripts.reconcile.findings import Finding

_NAMED: Final = 5
"""Entries of a kind that are named one by one."""


def examine(book: Book, id_type: type, before: datetime) -> list[Finding]:
    """Return all that does not agree in one order.

    What its outbox alone holds, and is younger than `before`, is on its way.
    """
    if book.document is None:
        detail = f"{len(book.rows)} entries of an order that does not exist"
        return [book.finding(Kind.ORPHAN_ROWS, "log", detail)]
    findings = list(missing_entries(book))
    for chain in chains_of(book):
        findings += chain.findings
        findings += barcodes_of(book, chain)
    negative = (each.subject for each in findings if each.kind is Kind.NEGATIVE)
    findings += states_of(book, id_type, frozenset(QUANTITY_OF[each] for each in negative))
    findings += _wrong_rows(book)
    findings += _left_in_outbox(book, before)
    return findings


def _wrong_rows(book: Book) -> Iterator[Finding]:
    for row in book.rows:
        if row.wrong:
            detail = f"of the wrong type in the log: {', '.join(row.wrong)}"
            yield book.finding(Kind.WRONG_TYPE, f"entry {row.id}", detail)


def _left_in_outbox(book: Book, before: datetime) -> Iterator[Finding]:
    left = [row for row in book.pending.values() if row.at < before]
    if left:
        named = ", ".join(row.id for row in left[:_NAMED])
        detail = f"{len(left)} entries are not in the log's collection: {named}"
        yield book.finding(Kind.OUTBOX, "outbox", detail)
