"""Goes through a whole database once, and looks again at each order that seems wrong."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from actors.domain.model import Status
from actors.store.values import id_from
from scripts.reconcile.book import Book
from scripts.reconcile.examine import examine
from scripts.reconcile.findings import Finding, Kind
from scripts.reconcile.source import StillChanging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from scripts.reconcile.flows import FlowCheck
    from scripts.reconcile.rows import Row
    from scripts.reconcile.source import Document, Source

_AT_ONCE: Final = 500
_LEFT_JOBS: Final = 1_000
_OVER: Final = frozenset({Status.COMPLETED, "CANCELLED"})


@dataclass(slots=True)
class Sweep:
    """One pass over `source`; what is younger than `grace` may be on its way.

    `flows` are those of products, where they are known. `progress` is told of entries as they are
    read. `busy` are orders that changed all the while.
    """

    source: Source
    grace: timedelta
    progress: Callable[[int], None]
    flows: FlowCheck | None = None
    orders: int = 0
    entries: int = 0
    busy: list[str] = field(default_factory=list)
    _strays: Mapping[str, list[Row]] = field(default_factory=dict)
    _met: set[str] = field(default_factory=set)
    """Orders with strays that were come by."""

    def findings(self) -> Iterator[Finding]:
        """Find all, order by order. Raises `Unreadable`."""
        self._strays = dict(self.source.strays())
        above = ""
        for batch in self.source.batches():
            if self.flows is not None:
                self.flows.advance(batch[-1][0])
            yield from self._orders(dict(batch), above, batch[-1][0])
            above = batch[-1][0]
        yield from self._orders({}, above, "")
        for order_id in sorted(self._strays.keys() - self._met):
            yield from self._seems(order_id, None, [])
        yield from self._supplements()
        yield from self._left()

    def book(self, order_id: str) -> Book:
        """Read one order as it is now; raises `StillChanging`."""
        document, rows = self.source.book(order_id)
        return self._book(order_id, document, rows)

    def examine(self, book: Book) -> list[Finding]:
        """Check one order."""
        return examine(book, self.source.id_type, self._before())

    def _book(self, order_id: str, document: Document | None, rows: list[Row]) -> Book:
        strays = self._strays.get(order_id, [])
        if strays:
            self._met.add(order_id)
        return Book.of(order_id, document, [*rows, *strays], self.source.id_type)

    def _orders(self, orders: dict[str, Document], above: str, to: str) -> Iterator[Finding]:
        for order_id, rows in self.source.groups(above, to):
            self.entries += len(rows)
            self.progress(len(rows))
            yield from self._seems(order_id, orders.pop(order_id, None), rows)
            self.orders += 1
        for order_id, document in orders.items():
            yield from self._seems(order_id, document, [])
            self.orders += 1

    def _seems(
        self, order_id: str, document: Document | None, rows: list[Row]
    ) -> Iterator[Finding]:
        """Check what was read of an order at different times, and what is wrong once more."""
        book, flows, before = self._book(order_id, document, rows), self.flows, self._before()
        seem_wrong = flows is not None and flows.seem_wrong(book, before)
        if not seem_wrong and not self.examine(book):
            return
        try:
            book = self.book(order_id)
        except StillChanging:
            self.busy.append(order_id)
            return
        yield from self.examine(book)
        if flows is not None and book.document is not None:
            yield from flows.findings(book, before)

    def _before(self) -> datetime:
        return datetime.now(UTC) - self.grace

    def _supplements(self) -> Iterator[Finding]:
        """Check that originals and their supplements are done together.

        Holds one line of each order that names an original.
        """
        by_original: defaultdict[str, list[Document]] = defaultdict(list)
        for each in self.source.supplements():
            original = id_from(each.get("originalWorkOrderId"))
            if original is not None:
                by_original[original].append(each)
        ids = sorted(by_original)
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            originals = self.source.orders_of(some)
            for named in some:
                yield from _family(named, originals.get(named), by_original[named])

    def _left(self) -> Iterator[Finding]:
        before = self._before()
        for each in self.source.left(_LEFT_JOBS):
            if each.dead:
                yield Finding(Kind.INBOX, each.order, "", f"job {each.job}", "was given up")
            elif each.since < before:
                detail = f"waits since {each.since:%Y-%m-%d %H:%M:%S} UTC"
                yield Finding(Kind.INBOX, each.order, "", f"job {each.job}", detail)


def _family(
    order_id: str, original: Document | None, supplements: Sequence[Document]
) -> Iterator[Finding]:
    if original is None:
        for each in supplements:
            detail = f"supplements the order {order_id}, which does not exist"
            yield _supplement(str(each["_id"]), each, detail)
        return
    open_ones = [each for each in supplements if each.get("status") not in _OVER]
    completed = original.get("status") == Status.COMPLETED
    if completed:
        for each in open_ones:
            detail = f"{each.get('status')}, and its original {order_id} is completed"
            yield _supplement(str(each["_id"]), each, detail)
    elif not open_ones and original.get("status") == Status.PAUSED:
        detail = f"paused, and all of its {len(supplements)} supplements are done"
        yield _supplement(order_id, original, detail)


def _supplement(order_id: str, order: Document, detail: str) -> Finding:
    number = str(order.get("workOrderNo") or "")
    return Finding(Kind.SUPPLEMENT, order_id, number, "originalWorkOrderId", detail)
