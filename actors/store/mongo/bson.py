"""Orders, outcomes and commits as BSON: what `MongoStore` sends and reads."""

from __future__ import annotations

from datetime import UTC
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument

from actors.domain.evidence import Move
from actors.domain.model import SCAN_PROCESS, ChangeType
from actors.store.documents import change_type_from, outcome_document, position_of
from actors.store.schema import LOG_ID_FIELDS, OURS, PLAN, PLANNED, STORED_SEQ
from actors.store.values import id_from, mapping_from, number_from

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.domain.commit import ChangeSet, StoredOrder
    from actors.domain.evidence import Evidence, Outcome
    from actors.domain.model import Epoch

_REPEATED_ID_FIELDS = tuple(name for name in LOG_ID_FIELDS if name != "_id")
_TIMES = ("operateTime", "createdAt", "updatedAt", "operatedAt", "refusedAt")
_RAW = CodecOptions(document_class=RawBSONDocument)
_MOST_KEPT = 20_000
CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True,
    # One date beyond the year 9999, or one text that is not UTF-8, would hide all that is read
    # together with it.
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="replace",
)


@lru_cache(maxsize=8192)  # lines, materials, steps and orders come again and again
def as_object_id(text: str | None) -> ObjectId | str | None:
    """Return the ObjectId that `text` names; other texts, which other writers left, stay."""
    return ObjectId(text) if text is not None and ObjectId.is_valid(text) else text


def encode(outcome: Outcome) -> RawBSONDocument:
    """Encode an outcome once, for outbox and log."""
    document = outcome_document(outcome)
    document["_id"] = ObjectId(outcome.change.job_id)
    for name in _REPEATED_ID_FIELDS:
        value = document.get(name)
        if value is not None:
            document[name] = as_object_id(value)
    for name in _TIMES:
        at = document.get(name)
        if at is not None and at.tzinfo is UTC:  # said or not, it is: but the driver would reckon
            document[name] = at.replace(tzinfo=None)
    return RawBSONDocument(bson.encode(document), _RAW)


class EncodedOnce:
    """The encoded form of outcomes between their commit and their relay, by job.

    A job that is decided again is another outcome: its old form is not given for it.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[Outcome, RawBSONDocument]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def give(self, outcome: Outcome) -> RawBSONDocument:
        """Encode an outcome, or give what it was encoded to before."""
        known = self._known.get(outcome.change.job_id)
        if known is not None and known[0] is outcome:
            return known[1]
        raw = encode(outcome)
        self._known[outcome.change.job_id] = (outcome, raw)
        if len(self._known) > _MOST_KEPT:  # left by decisions that were never committed
            del self._known[next(iter(self._known))]
        return raw

    def forget(self, outcome: Outcome) -> None:
        """Let go of an outcome that is in the log."""
        self._known.pop(outcome.change.job_id, None)


def commit_filter(epoch: Epoch, before: StoredOrder) -> dict[str, Any]:
    """Say which document the commit may change: the one that was decided on, fenced."""
    state, guard = before.state, before.guard
    expected: dict[str, Any] = {
        **revision_filter(epoch, before),
        "inputQuantity": state.input_quantity,
        "outputQuantity": state.output_quantity,
        "status": state.status,
        "planProductionQuantity": state.plan_production_quantity,
        "scrapQuantity": state.scrap_quantity,
    }
    for name in guard:
        if name != OURS:
            expected[name] = guard[name]
    return expected


def revision_filter(epoch: Epoch, order: StoredOrder) -> dict[str, Any]:
    """Return the filter for a document that is still at the order's seq and revision, fenced.

    Where somebody put an old copy of the document back, the order's seq goes on from its log;
    the document still has the one that was read.
    """
    if not order.adopted:
        # Nothing there, or whatever `counts_of` does not take for our state: still that very thing.
        return {"_id": as_object_id(order.id), OURS: {"$eq": order.guard.get(OURS)}}
    return {
        "_id": as_object_id(order.id),
        f"{OURS}.epoch": {"$not": {"$gt": epoch}},
        STORED_SEQ: order.document_seq,
        f"{OURS}.turn": order.revision,
    }


def plan_filter(change: ChangeSet) -> dict[str, Any]:
    """Say which planQuantity an operation was decided by."""
    planned = change.plan_quantity
    return {} if planned is None else {PLANNED: planned}


def commit_update(
    epoch: Epoch,
    fields: Mapping[str, Any],
    after: StoredOrder,
    outbox: Sequence[RawBSONDocument],
) -> dict[str, Any]:
    """Return the update of a commit: only the `fields` that change, and all of our own state."""
    ours = {
        "epoch": epoch,
        "seq": after.seq,
        "turn": after.revision,
        "outbox": outbox,
        # A constant while there is an outbox, so that its index is not written each time.
        "dirty": True,
    }
    return {"$set": {**fields, OURS: ours}}


def changed_fields(change: ChangeSet) -> dict[str, Any]:
    """Return the shared schema's fields that the change set writes."""
    before, after = change.before.state, change.after
    fields: dict[str, Any] = {}
    if after is not before:  # else there are refusals only, and the order is not touched
        fields["updateAt"] = change.at
    if after.input_quantity != before.input_quantity:
        fields["inputQuantity"] = after.input_quantity
    if after.output_quantity != before.output_quantity:
        fields["outputQuantity"] = after.output_quantity
    if after.status != before.status:
        fields["status"] = after.status
    if after.progress != before.progress:
        fields["progress"] = after.progress
    if after.plan_production_quantity != before.plan_production_quantity:
        fields[PLAN] = after.plan_production_quantity
    if after.scrap_quantity != before.scrap_quantity:
        fields["scrapQuantity"] = after.scrap_quantity
    if after.started_at != before.started_at:
        fields["actualStartTime"] = after.started_at
    if after.ended_at != before.ended_at:
        fields["actualEndTime"] = after.ended_at
    return fields


def note_history(evidence: Evidence, document: Mapping[str, Any]) -> None:
    """Note what a log document, of this service or older, says about its barcode."""
    type_ = change_type_from(document.get("changeType"))
    if type_ is None:
        return
    applied = number_from(document.get("changeQuantity")) or 0
    asked = number_from(mapping_from(document.get(OURS)).get("requestedQuantity"))
    asked = applied if asked is None else asked
    barcode = str(document["relatedBarcode"])
    position = position_of(document)
    evidence.note_move(barcode, Move(position, type_, asked, applied))
    if type_ is not ChangeType.INPUT:
        return
    if asked < 0:
        evidence.note_unbind(barcode, position)
    elif (
        applied > 0
        and document.get("barcodeOperation") == SCAN_PROCESS
        and (step := document.get("processStepId")) is not None
    ):
        evidence.note_scan(barcode, id_from(step) or str(step), position)
