"""What the actors of one term remember of their orders' barcodes, so that a scan reads nothing."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from actors.domain.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from actors.domain.evidence import EvidenceQuery, Outcome
    from actors.domain.model import WorkOrderId

MAX_REMEMBERED: Final = 100_000
"""Log entries with a barcode, of all orders together; some 60 MB."""


@dataclass(slots=True)
class Recalled:
    """What is known for one decision, to which what it decides is added."""

    evidence: Evidence = field(default_factory=Evidence)
    known: set[str] = field(default_factory=set)
    """The barcodes whose past is complete; all of them where the evidence is whole."""
    asked_whole: bool = False
    """Whether the log was asked about all barcodes already."""
    size: int = 0

    def missing(self, barcodes: frozenset[str]) -> frozenset[str]:
        """Return those of which the log has to be asked."""
        return frozenset() if self.evidence.whole else barcodes - self.known

    def learn(self, found: Evidence, barcodes: frozenset[str]) -> None:
        """Add what the log says of `barcodes`, or of all."""
        if found.whole:
            self.evidence.whole = True
        else:
            self.known |= barcodes
            _leave_only(found, barcodes)
        self.size += sum(map(len, found.moves.values()))
        self.evidence.include(found)

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Leave what is to be remembered once the outcomes are committed."""
        evidence = self.evidence
        evidence.by_job.clear()
        evidence.by_request.clear()
        for each in outcomes:
            context = each.change.context
            barcode = context.related_barcode
            if barcode and not evidence.whole and barcode not in self.known:
                evidence.moves.pop(barcode, None)
                evidence.unbinds.pop(barcode, None)
                evidence.scans.pop((barcode, str(context.process_step_id)), None)
            elif barcode:
                self.size += 1


@dataclass(slots=True)
class BarcodeMemory:
    """Histories by order, those used last behind; whole orders are forgotten where it is full.

    What is remembered is taken out for a decision and comes back once that is committed: what
    was not, or is not known to be, is read anew. So is all of an order that others have changed.
    """

    room: int = MAX_REMEMBERED
    _orders: OrderedDict[WorkOrderId, Recalled] = field(default_factory=OrderedDict)
    _size: int = 0

    async def recall(
        self,
        order_id: WorkOrderId,
        asked: EvidenceQuery | None,
        ask: Callable[[EvidenceQuery], Awaitable[Any]],
    ) -> Recalled:
        """Give what is asked for: from memory, and of the log what is not remembered.

        An order's log is read whole as it is asked for barcodes the second time.
        """
        mine = self._take(order_id)
        if asked is None:
            return mine
        missing = mine.missing(asked.barcodes)
        if missing or asked.request_ids or asked.job_ids:
            whole = bool(missing and mine.known) and not mine.asked_whole
            found: Evidence = await ask(replace(asked, barcodes=missing, whole=whole))
            mine.asked_whole |= whole
            mine.learn(found, missing)
        return mine

    def keep(self, order_id: WorkOrderId, recalled: Recalled, outcomes: Iterable[Outcome]) -> None:
        """Remember what was recalled, and the outcomes that are committed."""
        if not (recalled.known or recalled.evidence.whole):
            return
        recalled.settle(outcomes)
        self._orders[order_id] = recalled
        self._size += recalled.size
        while self._size > self.room:
            self._take(next(iter(self._orders)))

    def forget(self, order_id: WorkOrderId) -> None:
        """Remember nothing of an order."""
        self._take(order_id)

    def _take(self, order_id: WorkOrderId) -> Recalled:
        mine = self._orders.pop(order_id, None)
        if mine is None:
            return Recalled()
        self._size -= mine.size
        return mine


def _leave_only(found: Evidence, barcodes: frozenset[str]) -> None:
    """Leave out barcodes that keys or jobs brought along, whose past is not complete."""
    found.moves = {each: moves for each, moves in found.moves.items() if each in barcodes}
    found.unbinds = {each: at for each, at in found.unbinds.items() if each in barcodes}
    found.scans = {what: at for what, at in found.scans.items() if what[0] in barcodes}
