"""What the actors of one term remember of their orders' barcodes, so that a scan reads nothing."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from actors.domain.evidence import Evidence
from actors.domain.records import changed

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    fits: bool = True
    """Whether there is room for all of the order's entries."""
    size: int = 0

    def missing(self, asked: EvidenceQuery) -> EvidenceQuery | None:
        """Return what of `asked` the log has to say; None when all is known.

        An order's log is read whole as it is asked for barcodes the second time, if that fits:
        else orders would push each other out, and each be read whole every other time.
        """
        barcodes = frozenset() if self.evidence.whole else asked.barcodes - self.known
        if not (barcodes or asked.request_ids or asked.job_ids):
            return None
        whole = bool(barcodes and self.known) and self.fits and not self.asked_whole
        return changed(asked, barcodes=barcodes, whole=whole)

    def learn(self, found: Evidence, asked: EvidenceQuery) -> None:
        """Add what the log says to `asked`, or of all barcodes."""
        self.asked_whole |= asked.whole
        if found.whole:
            self.evidence.whole = True
        else:
            self.known |= asked.barcodes
            if found.moves:
                _leave_only(found, asked.barcodes)
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

    def take(self, order_id: WorkOrderId, entries: int = 0) -> Recalled:
        """Give what is remembered of an order, for one decision; its log has so many entries."""
        mine = self._orders.pop(order_id, None) or Recalled()
        self._size -= mine.size
        mine.fits = self._size + entries <= self.room
        return mine

    def keep(self, order_id: WorkOrderId, recalled: Recalled, outcomes: Iterable[Outcome]) -> None:
        """Remember what was recalled, and the outcomes that are committed."""
        if not (recalled.known or recalled.evidence.whole):
            return
        recalled.settle(outcomes)
        self._orders[order_id] = recalled
        self._size += recalled.size
        while self._size > self.room:
            self.take(next(iter(self._orders)))

    def forget(self, order_id: WorkOrderId) -> None:
        """Remember nothing of an order."""
        self.take(order_id)


def _leave_only(found: Evidence, barcodes: frozenset[str]) -> None:
    """Leave out barcodes that keys or jobs brought along, whose past is not complete."""
    found.moves = {each: moves for each, moves in found.moves.items() if each in barcodes}
    found.unbinds = {each: at for each, at in found.unbinds.items() if each in barcodes}
    found.scans = {what: at for what, at in found.scans.items() if what[0] in barcodes}
