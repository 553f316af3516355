"""Products' flows, as the main service keeps them, against what their orders count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from actors.domain.rules import add
from scripts.reconcile.findings import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from actors.domain.model import Number
    from scripts.reconcile.book import Book
    from scripts.reconcile.findings import Finding

_DONE: Final = "COMPLETED"
_ASKED_AT_ONCE: Final = 1_000


class Flow(NamedTuple):
    """One product's flow: its barcode, the order that it is bound to, and how far it is."""

    barcode: str
    order: str
    status: str


class FlowSource(Protocol):
    """Where the flows are. Everything may raise `Unreadable`."""

    def groups(self) -> Iterator[tuple[str, list[Flow]]]:
        """Read all flows, by ascending ids of their orders."""
        ...

    def of_barcodes(self, barcodes: Sequence[str]) -> list[Flow]:
        """Read the flows of some barcodes, whatever order they are bound to."""
        ...


class FlowCheck:
    """Holds the flows of one order after the other against its log, in ascending order."""

    def __init__(self, source: FlowSource) -> None:
        self._source = source
        self._groups = source.groups()
        self._next: tuple[str, list[Flow]] | None = next(self._groups, None)
        self._some: dict[str, list[Flow]] = {}

    def advance(self, to: str) -> None:
        """Read the flows of orders up to this one; forget those before."""
        self._some = {}
        while self._next is not None and self._next[0] <= to:
            order_id, flows = self._next
            self._some[order_id] = flows
            self._next = next(self._groups, None)

    def seem_wrong(self, book: Book, before: datetime) -> bool:
        """Return whether some of an order's flows, as they were read, do not agree with it."""
        return bool(self._suspects(book, *_counted(book, before)))

    def findings(self, book: Book, before: datetime) -> Iterator[Finding]:
        """Look at those again, and tell what does not agree; what is younger is at work."""
        net, at_work = _counted(book, before)
        suspects = sorted(self._suspects(book, net, at_work))
        for start in range(0, len(suspects), _ASKED_AT_ONCE):
            some = suspects[start : start + _ASKED_AT_ONCE]
            flows: dict[str, Flow] = {}
            for flow in self._source.of_barcodes(some):
                if flow.order == book.order_id or flow.barcode not in flows:
                    flows[flow.barcode] = flow
            for barcode in some:
                yield from _compare(book, barcode, flows.get(barcode), net.get(barcode, 0))

    def _suspects(self, book: Book, net: Mapping[str, Number], at_work: set[str]) -> set[str]:
        flows = self._some.get(book.order_id, [])
        done = {flow.barcode for flow in flows if flow.status == _DONE}
        made = {barcode for barcode, number in net.items() if number > 0}
        return (done ^ made) - at_work


def _counted(book: Book, before: datetime) -> tuple[dict[str, Number], set[str]]:
    """Return what output counts of each barcode, and the barcodes with entries since `before`."""
    net: dict[str, Number] = {}
    at_work: set[str] = set()
    for row in book.rows:
        if row.barcode and row.at >= before:
            at_work.add(row.barcode)
        if row.barcode and row.type == "output" and row.change is not None:
            net[row.barcode] = add(net.get(row.barcode, 0), row.change)
    return net, at_work


def _compare(book: Book, barcode: str, flow: Flow | None, net: Number) -> Iterable[Finding]:
    detail = None
    if flow is not None and flow.order == book.order_id:
        if flow.status == _DONE and net <= 0:
            detail = "its flow is completed, and no output counts it"
        elif flow.status != _DONE and net > 0:
            detail = f"output counts it, and its flow is {flow.status or 'without a status'}"
    elif flow is not None and net > 0:
        detail = f"counted here, and bound to {flow.order or 'no order'}"
    return () if detail is None else (book.finding(Kind.FLOW, barcode, detail),)
