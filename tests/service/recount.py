"""The business rules once more, from the contract and not from the service, to check its books.

An order's log is gone through entry by entry: what must each have done, given what was asked?
Others may edit the order meanwhile; what they did is told as `Foreign`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.service.books import Books

Plan = tuple[Decimal | None, Decimal]
"""planProductionQuantity and scrapQuantity."""

_FIELDS: Final = {"input": "inputQuantity", "output": "outputQuantity"}
_WRITTEN: Final = frozenset(
    {"inputQuantity", "outputQuantity", "status", "progress", "actualEndTime", "updateAt"}
)


@dataclass(frozen=True, slots=True)
class Foreign:
    """What others wrote to an order during the load, in the order in which they wrote it."""

    plans: Sequence[Plan] = ()
    statuses: Sequence[str] = ()
    increments: Mapping[str, Decimal] = field(default_factory=dict)
    """changeType → the sum of what others added to its quantity."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Other fields and their last values."""


NOBODY: Final = Foreign()


def exact(value: object) -> Decimal:
    """Return a quantity as the decimal that was written; nothing counts as 0."""
    return Decimal(0) if value is None else Decimal(repr(value))


class Recount:
    """Goes through one order's books; `mistakes` says what does not add up."""

    def __init__(self, books: Books, asked: Mapping[str, Any], foreign: Foreign = NOBODY) -> None:
        before = books.before
        self.mistakes: list[str] = []
        self._books, self._asked, self._foreign = books, asked, foreign
        self._quantities = {kind: exact(before.get(name)) for kind, name in _FIELDS.items()}
        self._status = before.get("status")
        self._progress = exact(before.get("progress"))
        plan = before.get("planProductionQuantity")
        first = (None if plan is None else exact(plan), exact(before.get("scrapQuantity")))
        self._plans = [first, *foreign.plans]
        self._plan = 0
        self._added: dict[str, Decimal] = defaultdict(Decimal)
        self._ended_at: Any = before.get("actualEndTime")
        self._scanned: set[tuple[str, str]] = set()

    def run(self) -> list[str]:
        """Check the whole; give the mistakes."""
        for number, entry in enumerate(self._books.log, 1):
            if self._books.raw:
                self._expect(entry, "seq", entry["planServer"]["seq"], number)
            self._follow(entry)
        self._compare_totals()
        if self._books.raw:
            self._compare_document()
        return self.mistakes

    # -- one entry ---------------------------------------------------------------------------

    def _follow(self, entry: Mapping[str, Any]) -> None:
        if entry["_id"] not in self._asked:
            self._complain(entry, "nobody was told of this entry")
            return
        kind, asked = entry["changeType"], exact(self._asked[entry["_id"]])
        before, change = exact(entry["beforeQuantity"]), exact(entry["changeQuantity"])
        self._notice_increments(entry, kind, before)
        # Rule 2.
        cut = asked if asked >= 0 else max(asked, -max(before, Decimal(0)))
        self._expect(entry, "changeQuantity", change, cut)
        self._expect(entry, "afterQuantity", exact(entry["afterQuantity"]), before + change)
        self._quantities[kind] = before + change
        self._notice_status(entry)
        self._follow_status(entry, kind, change)
        if kind == "input":
            self._follow_barcode(entry, asked)

    def _notice_increments(self, entry: Mapping[str, Any], kind: str, before: Decimal) -> None:
        gap = before - self._quantities[kind]
        self._added[kind] += gap
        if gap and kind not in self._foreign.increments:
            self._complain(entry, f"beforeQuantity {before}, the chain is at {before - gap}")

    def _notice_status(self, entry: Mapping[str, Any]) -> None:
        if entry["beforeStatus"] in self._foreign.statuses:
            self._status = entry["beforeStatus"]
        self._expect(entry, "beforeStatus", entry["beforeStatus"], self._status)
        self._expect(entry, "beforeProgress", exact(entry["beforeProgress"]), self._progress)

    def _follow_status(self, entry: Mapping[str, Any], kind: str, change: Decimal) -> None:
        found = entry["afterStatus"], exact(entry["afterProgress"])
        if kind == "input":
            expected = self._status, self._progress
        else:
            # Plans change under way: one from the last one seen on must explain the decision.
            for index in range(self._plan, len(self._plans)):
                expected = self._decided(change, self._plans[index])
                if expected == found:
                    self._plan = index
                    break
            else:
                expected = self._decided(change, self._plans[self._plan])
            if found[0] == "COMPLETED" and self._completes(change, self._plans[self._plan]):
                self._ended_at = entry["operateTime"]
        self._expect(entry, "afterStatus, afterProgress", found, expected)
        self._status, self._progress = found

    def _decided(self, change: Decimal, plan: Plan) -> tuple[Any, Decimal]:
        """Rule 3."""
        planned, scrap = plan
        output = self._quantities["output"]
        progress = self._progress
        if planned is not None and planned + scrap > 0:
            progress = min(Decimal(100), (100 * output / (planned + scrap)) // 1)
        if change < 0 and self._status == "COMPLETED":
            return "PAUSED", progress
        if self._completes(change, plan):
            return "COMPLETED", Decimal(100)
        return self._status, progress

    def _completes(self, change: Decimal, plan: Plan) -> bool:
        if change < 0 and self._status == "COMPLETED":
            return False
        return plan[0] is not None and self._quantities["output"] >= plan[0]

    def _follow_barcode(self, entry: Mapping[str, Any], asked: Decimal) -> None:
        """Rule 4."""
        barcode, step = entry["relatedBarcode"], entry["processStepId"]
        if not barcode:
            return
        if asked < 0:
            self._scanned = {each for each in self._scanned if each[0] != barcode}
        elif asked > 0 and step and entry["barcodeOperation"] == "SCAN_PROCESS":
            if (barcode, step) in self._scanned:
                self._complain(entry, "the barcode counts twice")
            self._scanned.add((barcode, step))

    # -- the whole ---------------------------------------------------------------------------

    def _compare_totals(self) -> None:
        after = self._books.after
        for kind, name in _FIELDS.items():
            added = self._foreign.increments.get(kind, Decimal(0))
            self._added[kind] += exact(after.get(name)) - self._quantities[kind]
            if self._added[kind] != added:
                self._complain(
                    after, f"{name} {after.get(name)} is {self._added[kind] - added} off its log"
                )
        statuses = {self._status, *self._foreign.statuses[-1:]}
        if after["status"] not in statuses:
            self._complain(after, f"status {after['status']}, not in {statuses}")
        self._expect(after, "progress", exact(after.get("progress")), self._progress)

    def _compare_document(self) -> None:
        before, after = self._books.before, self._books.after
        self._expect(after, "actualEndTime", after.get("actualEndTime"), self._ended_at)
        if self._books.log:
            last = self._books.log[-1]["operateTime"]
            self._expect(after, "updateAt", after["updateAt"], last)
        plan, scrap = self._plans[-1]
        expected = {**before, **self._foreign.fields}
        if self._foreign.plans:
            expected |= {"planProductionQuantity": plan, "scrapQuantity": scrap}
        for name, value in expected.items():
            if name not in _WRITTEN:
                self._expect(after, name, after.get(name), value)
        strangers = after.keys() - expected.keys() - _WRITTEN - {"planServer"}
        if strangers:
            self._complain(after, f"fields that nobody put there: {strangers}")
        if after.get("planServer", {}).get("outbox"):
            self._complain(after, "the outbox is not empty")

    def _expect(self, where: Mapping[str, Any], what: str, found: object, expected: object) -> None:
        if found != expected:
            self._complain(where, f"{what} is {found}, expected {expected}")

    def _complain(self, where: Mapping[str, Any], what: str) -> None:
        entry = f"entry {where['_id']}: " if "changeType" in where else ""
        self.mistakes.append(f"order {self._books.order}: {entry}{what}")
