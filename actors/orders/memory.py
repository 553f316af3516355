"""What the actors of one term remember of their orders' barcodes, so that a scan reads nothing."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Final

from actors.domain.evidence import Evidence
from actors.domain.model import LogEntry
from actors.domain.records import changed
from actors.store.port import MAX_WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.domain.evidence import EvidenceQuery, Outcome
    from actors.domain.model import WorkOrderId

MAX_REMEMBERED: Final = 100_000
"""Log entries with a barcode, of all orders together; some 60 MB."""
MAX_OUTLINED: Final = 4_000_000
"""Barcodes of which only that they were seen is remembered, of all orders together; 32 MB."""
_AN_ORDER: Final = 40
"""What an outline costs besides its barcodes, in barcodes: some 300 bytes."""


@dataclass(slots=True)
class Recalled:
    """What is known for one decision, to which what it decides is added."""

    evidence: Evidence = field(default_factory=Evidence)
    known: set[str] = field(default_factory=set)
    """The barcodes whose past is complete; all of them where the evidence is whole."""
    outline: array[int] | None = None
    """Hashes of all barcodes that the order has entries of, sorted; None where they are not known.

    A barcode that is not here is new, and nothing has to be asked about it.
    """
    asked_whole: bool = False
    """Whether the log was asked about all barcodes already."""
    fits: bool = True
    """Whether all of the order's entries are read at once, and find room."""
    size: int = 0
    """Entries in the histories."""
    _fresh: frozenset[str] = frozenset()
    """Barcodes of this decision about which nothing was known before it."""

    def missing(self, asked: EvidenceQuery) -> EvidenceQuery | None:
        """Return what of `asked` the log has to say; None when all is known.

        An order's log is read whole as it is asked for barcodes the second time, if that fits:
        else orders would push each other out, and each be read whole every other time.
        """
        barcodes = frozenset() if self.evidence.whole else asked.barcodes - self.known
        self._fresh = barcodes
        if barcodes and self.outline is not None:
            self.known |= {each for each in barcodes if not _has(self.outline, each)}
            barcodes -= self.known
        if not (barcodes or asked.request_ids or asked.job_ids):
            return None
        whole = bool(barcodes and self.known) and self.fits and not self.asked_whole
        return changed(asked, barcodes=barcodes, whole=whole)

    def learn(self, found: Evidence, asked: EvidenceQuery) -> None:
        """Add what the log says to `asked`, or of all barcodes."""
        self.asked_whole |= asked.whole
        if found.whole:
            self.evidence.whole = True
            self.size = 0  # what was known before is in it
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
            if not barcode or not isinstance(each, LogEntry):
                continue
            if evidence.whole or barcode in self.known:
                self.size += 1
            else:
                evidence.moves.pop(barcode, None)
                evidence.unbinds.pop(barcode, None)
                evidence.scans.pop((barcode, str(context.process_step_id)), None)
            if self.outline is not None and not _has(self.outline, barcode):
                insort(self.outline, hash(barcode))
        # Of what was refused there may be any number.
        self.known -= {each for each in self._fresh if each not in evidence.moves}

    def outlined(self) -> array[int] | None:
        """Return which barcodes the order has, without their histories; None if not all known."""
        if not self.evidence.whole:
            return self.outline
        return array("q", sorted({hash(each) for each in self.evidence.moves}))


@dataclass(slots=True)
class BarcodeMemory:
    """Histories by order, those used last behind; beyond their room only which barcodes there are.

    What is remembered is taken out for a decision and comes back once that is committed: what
    was not, or is not known to be, is read anew. So is all of an order that others have changed.
    """

    room: int = MAX_REMEMBERED
    """For entries of histories. No outline is longer either: each new barcode moves half of it."""
    outline_room: int = MAX_OUTLINED
    _orders: OrderedDict[WorkOrderId, Recalled] = field(default_factory=OrderedDict)
    _size: int = 0
    _outlines: OrderedDict[WorkOrderId, array[int]] = field(default_factory=OrderedDict)
    _outlined: int = 0

    def take(self, order_id: WorkOrderId, entries: int = 0) -> Recalled:
        """Give what is remembered of an order, for one decision; its log has so many entries."""
        mine = self._orders.pop(order_id, None)
        if mine is None:
            outline = self._outlines.pop(order_id, None)
            mine = Recalled(outline=outline, asked_whole=outline is not None)
        self._size -= mine.size
        self._outlined -= _weight(mine.outline)
        mine.fits = entries <= min(MAX_WHOLE, self.outline_room - self._outlined)
        return mine

    def keep(self, order_id: WorkOrderId, recalled: Recalled, outcomes: Iterable[Outcome]) -> None:
        """Remember what was recalled, and the outcomes that are committed."""
        if not (recalled.known or recalled.evidence.whole or recalled.outline is not None):
            return
        recalled.settle(outcomes)
        if recalled.outline is not None and len(recalled.outline) > self.room:
            recalled.outline = None
        self._orders[order_id] = recalled
        self._size += recalled.size
        self._outlined += _weight(recalled.outline)
        while self._size > self.room:
            self._outline(next(iter(self._orders)))
        while self._outlined > self.outline_room:
            outlined = (each for each, kept in self._orders.items() if kept.outline is not None)
            self.take(next(chain(self._outlines, outlined)))

    def _outline(self, order_id: WorkOrderId) -> None:
        outline = self.take(order_id).outlined()
        if outline is not None:
            self._outlines[order_id] = outline
            self._outlined += _weight(outline)

    def forget(self, order_id: WorkOrderId) -> None:
        """Remember nothing of an order."""
        self.take(order_id)


def _weight(outline: array[int] | None) -> int:
    return 0 if outline is None else _AN_ORDER + len(outline)


def _has(outline: array[int], barcode: str) -> bool:
    place = bisect_left(outline, hash(barcode))
    return place < len(outline) and outline[place] == hash(barcode)


def _leave_only(found: Evidence, barcodes: frozenset[str]) -> None:
    """Leave out barcodes that keys or jobs brought along, whose past is not complete."""
    found.moves = {each: moves for each, moves in found.moves.items() if each in barcodes}
    found.unbinds = {each: at for each, at in found.unbinds.items() if each in barcodes}
    found.scans = {what: at for what, at in found.scans.items() if what[0] in barcodes}
