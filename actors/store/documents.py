"""Orders and log entries as documents under the shared schema's field names.

Ids are hex text here; the MongoDB store turns the fields of `LOG_ID_FIELDS` into ObjectIds
and back. What is ours lives under one key, `planServer`, so that it meets no field of others.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from actors.domain.commit import OUTBOX, StoredOrder
from actors.domain.evidence import Outcome, Refusal
from actors.domain.model import (
    Change,
    ChangeType,
    JobId,
    LogEntry,
    LogPosition,
    Operation,
    OperationEntry,
    OrderFacts,
    OrderState,
    RequestId,
    WorkOrderId,
)
from actors.store.contexts import context_from, originals_document, request_key
from actors.store.operations import (
    operation_document,
    operation_from,
    operation_named,
    scrapped_in,
)
from actors.store.schema import GUARDED, OURS, PLAN, PLANNED, SCRAPPED
from actors.store.values import (
    count_from,
    id_from,
    mapping_from,
    number_from,
    order_time,
    text_from,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

_TYPES: Final = {each.value: each for each in ChangeType}
_SHOWN: Final = 200
"""Characters of a value that can't be read, for people."""


def entry_document(entry: LogEntry) -> dict[str, Any]:
    """Return an entry as its log document; datetimes stay aware datetimes."""
    change, facts, context = entry.change, entry.facts, entry.change.context
    at = entry.operate_time
    return {
        "_id": change.job_id,
        "workOrderId": entry.work_order_id,
        "workOrderNo": facts.work_order_no,
        "materialId": facts.material_id,
        "materialCode": facts.material_code,
        "materialName": facts.material_name,
        "productionLineId": facts.production_line_id,
        "productionLineName": facts.production_line_name,
        "changeType": str(change.type),
        "changeQuantity": entry.applied_quantity,
        "beforeQuantity": entry.before_quantity,
        "afterQuantity": entry.after_quantity,
        "relatedBarcode": context.related_barcode,
        "barcodeOperation": context.barcode_operation,
        "processStepId": context.process_step_id,
        "processName": context.process_name,
        "processCode": context.process_code,
        "beforeStatus": entry.before_status,
        "afterStatus": entry.after_status,
        "beforeProgress": entry.before_progress,
        "afterProgress": entry.after_progress,
        "operatorId": context.operator_id,
        "operatorName": context.operator_name,
        "operateTime": at,
        "reason": entry.reason,
        "remark": context.remark,
        "ipAddress": context.ip_address,
        "userAgent": context.user_agent,
        "isAutomatic": context.is_automatic,
        "source": context.source,
        "createdAt": at,
        "updatedAt": at,
        OURS: _ours(entry),
    }


def _ours(entry: LogEntry) -> dict[str, Any]:
    change = entry.change
    ours: dict[str, Any] = {
        "seq": entry.seq,
        "epoch": entry.epoch,
        "requestedQuantity": change.quantity,
    }
    if change.request_id is not None:
        ours["requestId"] = change.request_id
        ours["requestKey"] = request_key(entry.work_order_id, change.request_id)
        ours["fingerprint"] = change.fingerprint
    if entry.watched is not None:
        ours["watched"] = entry.watched
    if entry.duplicate:
        ours["duplicate"] = True
    if change.context.originals:
        ours |= originals_document(change.context)
    return ours


def refusal_document(refusal: Refusal) -> dict[str, Any]:
    """Return a refusal as its document; `_id` is the job's id."""
    change, context = refusal.change, refusal.change.context
    return {
        "_id": change.job_id,
        "refused": refusal.code,
        "workOrderId": refusal.work_order_id,
        "changeType": change.type.value,
        "relatedBarcode": context.related_barcode,
        "processStepId": context.process_step_id,
        "refusedAt": refusal.refused_at,
        "detail": refusal.detail,
        OURS: {
            "epoch": refusal.epoch,
            "requestedQuantity": change.quantity,
            "requestId": change.request_id,
            "requestKey": request_key(refusal.work_order_id, change.request_id or ""),
            "fingerprint": change.fingerprint,
        },
    }


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """Return any outcome as the document that an outbox holds."""
    if isinstance(outcome, Refusal):
        return refusal_document(outcome)
    if isinstance(outcome, OperationEntry):
        return operation_document(outcome)
    return entry_document(outcome)


class UnreadableDocument(ValueError):
    """A document of ours that says too little; `args[0]` names the field at fault."""


def required(value: T | None, name: str) -> T:
    """Return what a reader made of a field; raises `UnreadableDocument` where it made nothing."""
    if value is None:
        raise UnreadableDocument(name)
    return value


def outcome_from(document: object) -> Outcome:
    """Read back what `outcome_document` made; ids may be ObjectIds.

    Raises:
        UnreadableDocument: it is not known what was done, to which order, or at which place.

    """
    stored = mapping_from(document)
    ours = mapping_from(stored.get(OURS))
    order_id = WorkOrderId(required(id_from(stored.get("workOrderId")), "workOrderId"))
    epoch = count_from(ours.get("epoch")) or 0
    if stored.get("operation"):
        asked = {**ours, "requestedQuantity": stored.get("quantity")}
        change = _outcome_change(stored, asked, operation_named(stored["operation"]))
        return operation_from(stored, change, order_id, epoch, _log_facts(stored))
    change = _outcome_change(stored, ours, change_type_from(stored.get("changeType")))
    if stored.get("refused"):
        return Refusal(
            order_id,
            epoch,
            change,
            order_time(stored.get("refusedAt")),
            text_from(stored["refused"]) or "DUPLICATE_OPERATION",
            number_from(stored.get("detail")) or 0,
        )
    numbers = {name: number_from(stored.get(name)) for name in ("beforeQuantity", "afterQuantity")}
    return LogEntry(
        work_order_id=order_id,
        seq=required(count_from(ours.get("seq")), f"{OURS}.seq"),
        epoch=epoch,
        change=change,
        facts=_log_facts(stored),
        applied_quantity=required(number_from(stored.get("changeQuantity")), "changeQuantity"),
        before_quantity=numbers["beforeQuantity"] or 0,
        after_quantity=numbers["afterQuantity"] or 0,
        before_status=text_from(stored.get("beforeStatus")),
        after_status=text_from(stored.get("afterStatus")),
        before_progress=number_from(stored.get("beforeProgress")) or 0,
        after_progress=number_from(stored.get("afterProgress")) or 0,
        operate_time=order_time(stored.get("operateTime")),
        watched=text_from(ours.get("watched")),
        duplicate=ours.get("duplicate") is True,
    )


def known_outcome(document: object) -> Outcome | None:
    """Return what `outcome_from` does, for a look only: None where it can't be read."""
    try:
        return outcome_from(document)
    except UnreadableDocument:
        return None


def _outcome_change(
    stored: Mapping[str, Any], ours: Mapping[str, Any], type_: ChangeType | Operation | None
) -> Change:
    if type_ is None:
        raise UnreadableDocument("changeType")
    request_id = text_from(ours.get("requestId"))
    quantity = number_from(ours.get("requestedQuantity"))
    if quantity is None:
        quantity = number_from(stored.get("changeQuantity"))
    return Change(
        job_id=JobId(required(id_from(stored.get("_id")), "_id")),
        type=type_,
        quantity=required(quantity, f"{OURS}.requestedQuantity"),
        context=context_from(stored, ours),
        request_id=None if request_id is None else RequestId(request_id),
        fingerprint=text_from(ours.get("fingerprint")) or "",
    )


def change_type_from(value: object) -> ChangeType | None:
    """Return which quantity a change moves; None for what is neither."""
    return _TYPES.get(value) if isinstance(value, str) else None


def is_same(stored: Outcome | None, mine: Outcome) -> bool:
    """Return whether what a store gave back for a job is this very outcome of it.

    Not plain equality: what is read back has its defaults spelled out and its times rounded.
    The same job decided again is another outcome, at another seq or as a refusal.
    """
    if isinstance(stored, (LogEntry, OperationEntry)) and type(stored) is type(mine):
        return (stored.seq, stored.epoch) == (mine.seq, mine.epoch)
    return isinstance(stored, Refusal) and isinstance(mine, Refusal)


def _log_facts(document: Mapping[str, Any]) -> OrderFacts:
    return OrderFacts(
        work_order_no=text_from(document.get("workOrderNo")),
        material_id=id_from(document.get("materialId")),
        material_code=text_from(document.get("materialCode")),
        material_name=text_from(document.get("materialName")),
        production_line_id=_id_or_text(document.get("productionLineId")),
        production_line_name=text_from(document.get("productionLineName")),
    )


def position_of(document: Mapping[str, Any]) -> LogPosition:
    """Place a log document, of this service or another, in its order's history."""
    seq = count_from(mapping_from(document.get(OURS)).get("seq")) or 0
    return LogPosition(seq, order_time(document.get("operateTime")), str(document["_id"]))


class OurCounts(NamedTuple):
    """What a commit left in an order's `planServer`."""

    epoch: int
    seq: int
    turn: int


def counts_of(ours: object) -> OurCounts | None:
    """Return the counts of an order's `planServer`; None where it is not what a commit left there.

    They may have become another type of number. What else may be there (null, after somebody
    saved the document in his own way; half a number) is replaced by the next commit.
    """
    found = mapping_from(ours)
    counts = [count_from(found.get(name)) for name in OurCounts._fields]
    return None if None in counts else OurCounts(*counts)  # type: ignore[arg-type]


def order_from(
    document: Mapping[str, Any], material: Mapping[str, Any] | None, log_seq: int
) -> StoredOrder:
    """Read an order as stored; `unreadable` names what keeps changes from being counted.

    `material` is its `k3_bd_materials` document, whose code and name come before the order's own;
    `log_seq` is the highest seq in its log: above the order's own after somebody replaced the
    document, or put an old copy of it back.
    """
    ours = document.get(OURS)
    counts = counts_of(ours)
    epoch, seq, revision = counts or OurCounts(0, 0, 0)
    outbox, unreadable = _outbox(ours) if counts else ((), {})
    return StoredOrder(
        id=WorkOrderId(str(document["_id"])),
        facts=_order_facts(document, material or {}),
        state=_state(document),
        seq=max(seq, log_seq),
        epoch=epoch,
        revision=revision,
        adopted=counts is not None,
        outbox=outbox,
        guard=_guard(document),
        stored_seq=seq if counts and seq < log_seq else None,
        unreadable=unreadable | _unreadable_quantities(document),
    )


def _outbox(ours: Any) -> tuple[tuple[Outcome, ...], dict[str, str]]:  # noqa: ANN401 -- as stored
    stored = ours.get("outbox")
    try:
        return tuple(map(outcome_from, stored or ())), {}
    except (UnreadableDocument, TypeError):
        # Acknowledged changes, which no commit may overwrite.
        return (), {OUTBOX: repr(stored)[:_SHOWN]}


def _unreadable_quantities(document: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: repr(value)[:_SHOWN]
        for name in ("inputQuantity", "outputQuantity", "scrapQuantity")
        if (value := document.get(name)) is not None and number_from(value) is None
    }


def _guard(document: Mapping[str, Any]) -> dict[str, Any]:
    guard = {
        name: document.get(name) for name in GUARDED if not _is_plain(name, document.get(name))
    }
    if not _knows_its_plan(document):
        guard[PLAN] = document.get(PLAN)
    ours = document.get(OURS)
    if counts_of(ours) is None:
        guard[OURS] = ours
    return guard


def _knows_its_plan(document: Mapping[str, Any]) -> bool:
    """Whether progress can be said: by a wrong scrap quantity it would be wrong."""
    scrap = document.get("scrapQuantity")
    return scrap is None or number_from(scrap) is not None


def _order_facts(document: Mapping[str, Any], material: Mapping[str, Any]) -> OrderFacts:
    return OrderFacts(
        work_order_no=text_from(document.get("workOrderNo")),
        material_id=id_from(document.get("materialId")),
        material_code=_first_text(material.get("FNumber"), document.get("materialNumber")),
        material_name=_first_text(material.get("FName"), document.get("materialName")),
        production_line_id=_id_or_text(document.get("productionLineId")),
        production_line_name=text_from(document.get("lineName")),
    )


def _first_text(*values: object) -> str | None:
    return next((text for value in values if (text := text_from(value))), None)


def _state(document: Mapping[str, Any]) -> OrderState:
    plan = document.get(PLAN) if _knows_its_plan(document) else None
    return OrderState(
        input_quantity=number_from(document.get("inputQuantity")) or 0,
        output_quantity=number_from(document.get("outputQuantity")) or 0,
        plan_production_quantity=number_from(plan),
        scrap_quantity=number_from(document.get("scrapQuantity")) or 0,
        status=text_from(document.get("status")),
        progress=number_from(document.get("progress")) or 0,
        plan_quantity=number_from(document.get(PLANNED)),
        scrapped=scrapped_in(document.get(SCRAPPED)),
    )


def _is_plain(name: str, value: object) -> bool:
    if name == "status":
        return isinstance(value, str)
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _id_or_text(value: object) -> str | None:
    return id_from(value) or text_from(value)
