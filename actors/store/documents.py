"""Orders and log entries as documents under the shared schema's field names.

Ids are hex text here; the MongoDB store turns the fields of `LOG_ID_FIELDS` into ObjectIds
and back. What is ours lives under one key, `planServer`, so that it meets no field of others.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from actors.domain.commit import StoredOrder
from actors.domain.evidence import Outcome, Refusal
from actors.domain.model import (
    Change,
    ChangeType,
    JobId,
    LogContext,
    LogEntry,
    LogPosition,
    Number,
    OrderFacts,
    OrderState,
    WorkOrderId,
)
from actors.domain.rules import normalize
from actors.store.schema import GUARDED, OURS

if TYPE_CHECKING:
    from collections.abc import Mapping


_CONTEXT: Final = {
    "relatedBarcode": "related_barcode",
    "barcodeOperation": "barcode_operation",
    "processStepId": "process_step_id",
    "processName": "process_name",
    "processCode": "process_code",
    "operatorId": "operator_id",
    "operatorName": "operator_name",
    "reason": "reason",
    "remark": "remark",
    "ipAddress": "ip_address",
    "userAgent": "user_agent",
    "isAutomatic": "is_automatic",
    "source": "source",
}
_NO_CONTEXT: Final = LogContext()
_INT64: Final = 2**63
EPOCH_START: Final = datetime(1970, 1, 1, tzinfo=UTC)


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
        "changeType": change.type.value,
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
    return ours


def request_key(order_id: WorkOrderId, request_id: str) -> str:
    """Join order and key into the one text that is unique in the log."""
    return f"{order_id}:{request_id}"


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
    return entry_document(outcome)


def outcome_from(document: Mapping[str, Any]) -> Outcome:
    """Read back what `outcome_document` made; ids may be ObjectIds."""
    ours = document[OURS]
    change = Change(
        job_id=JobId(str(document["_id"])),
        type=ChangeType(document["changeType"]),
        quantity=ours["requestedQuantity"],
        context=context_from(document),
        request_id=ours.get("requestId"),
        fingerprint=ours.get("fingerprint", ""),
    )
    order_id = WorkOrderId(str(document["workOrderId"]))
    if document.get("refused"):
        return Refusal(
            order_id,
            ours["epoch"],
            change,
            document["refusedAt"],
            document["refused"],
            document["detail"],
        )
    return LogEntry(
        work_order_id=order_id,
        seq=ours["seq"],
        epoch=ours["epoch"],
        change=change,
        facts=_log_facts(document),
        applied_quantity=document["changeQuantity"],
        before_quantity=document["beforeQuantity"],
        after_quantity=document["afterQuantity"],
        before_status=document["beforeStatus"],
        after_status=document["afterStatus"],
        before_progress=document["beforeProgress"],
        after_progress=document["afterProgress"],
        operate_time=document["operateTime"],
    )


def is_same(stored: Outcome | None, mine: Outcome) -> bool:
    """Return whether what a store gave back for a job is this very outcome of it.

    Not plain equality: what is read back has its defaults spelled out and its times rounded.
    The same job decided again is another outcome, at another seq or as a refusal.
    """
    if isinstance(stored, LogEntry) and isinstance(mine, LogEntry):
        return (stored.seq, stored.epoch) == (mine.seq, mine.epoch)
    return isinstance(stored, Refusal) and isinstance(mine, Refusal)


def context_from(document: Mapping[str, Any]) -> LogContext:
    """Read what a caller said of a change, under the log's field names."""
    return LogContext(
        related_barcode=document.get("relatedBarcode"),
        barcode_operation=document.get("barcodeOperation", "OTHER"),
        process_step_id=_text(document.get("processStepId")),
        process_name=document.get("processName"),
        process_code=document.get("processCode"),
        operator_id=document.get("operatorId", "SYSTEM"),
        operator_name=document.get("operatorName"),
        reason=document.get("reason"),
        remark=document.get("remark"),
        ip_address=document.get("ipAddress"),
        user_agent=document.get("userAgent"),
        is_automatic=document.get("isAutomatic", True),
        source=document.get("source", "SYSTEM"),
    )


def context_document(context: LogContext) -> dict[str, Any]:
    """Return what the caller said, defaults left out."""
    return {
        name: value
        for name, field in _CONTEXT.items()
        if (value := getattr(context, field)) != getattr(_NO_CONTEXT, field)
    }


def _log_facts(document: Mapping[str, Any]) -> OrderFacts:
    return OrderFacts(
        work_order_no=document.get("workOrderNo"),
        material_id=_text(document.get("materialId")),
        material_code=document.get("materialCode"),
        material_name=document.get("materialName"),
        production_line_id=_text(document.get("productionLineId")),
        production_line_name=document.get("productionLineName"),
    )


def needs_material(document: Mapping[str, Any]) -> bool:
    """Return whether an order has to borrow its code or its name from its material."""
    if document.get("materialId") is None:
        return False
    return not (document.get("materialNumber") and document.get("materialName"))


def position_of(document: Mapping[str, Any]) -> LogPosition:
    """Place a log document, of this service or older, in its order's history."""
    seq = document.get(OURS, {}).get("seq", 0)
    return LogPosition(seq, document.get("operateTime") or EPOCH_START, str(document["_id"]))


def is_ours(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Return whether an order's `planServer` is what a commit left there, if only as floats.

    What else may be there (null, after somebody saved the document in his own way) is replaced
    by the next commit.
    """
    return isinstance(value, dict) and all(
        isinstance(each, int) or (isinstance(each, float) and each.is_integer())
        for each in (value.get("epoch"), value.get("seq"), value.get("turn"))
    )


def order_from(
    document: Mapping[str, Any], material: Mapping[str, Any] | None, log_seq: int
) -> StoredOrder:
    """Read an order as stored.

    `material` is its `k3_bd_materials` document where the order itself lacks code or name;
    `log_seq` is the highest seq in its log: above the order's own after somebody replaced the
    document, or put an old copy of it back.
    """
    ours = document.get(OURS)
    mine: Mapping[str, Any] = ours if is_ours(ours) else {}
    return StoredOrder(
        id=WorkOrderId(str(document["_id"])),
        facts=_order_facts(document, material or {}),
        state=_state(document),
        seq=max(int(mine.get("seq", 0)), log_seq),
        epoch=int(mine.get("epoch", 0)),
        revision=int(mine.get("turn", 0)),
        adopted=is_ours(ours),
        outbox=tuple(outcome_from(each) for each in mine.get("outbox") or ()),
        guard=_guard(document),
        stored_seq=mine["seq"] if mine and mine["seq"] < log_seq else None,
    )


def _guard(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: document.get(name) for name in GUARDED if not _is_plain(name, document.get(name))}


def _order_facts(document: Mapping[str, Any], material: Mapping[str, Any]) -> OrderFacts:
    return OrderFacts(
        work_order_no=_text(document.get("workOrderNo")),
        material_id=_text(document.get("materialId")),
        material_code=_text(document.get("materialNumber") or material.get("FNumber")),
        material_name=_text(document.get("materialName") or material.get("FName")),
        production_line_id=_text(document.get("productionLineId")),
        production_line_name=_text(document.get("lineName")),
    )


def _state(document: Mapping[str, Any]) -> OrderState:
    return OrderState(
        input_quantity=number_from(document.get("inputQuantity")) or 0,
        output_quantity=number_from(document.get("outputQuantity")) or 0,
        plan_production_quantity=number_from(document.get("planProductionQuantity")),
        scrap_quantity=number_from(document.get("scrapQuantity")) or 0,
        status=_text(document.get("status")),
        progress=number_from(document.get("progress")) or 0,
    )


def _is_plain(name: str, value: object) -> bool:
    if name == "status":
        return isinstance(value, str)
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def number_from(value: object) -> Number | None:
    """Read a quantity leniently: other writers may have left text, decimals or nothing."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = value if isinstance(value, int | float) else float(str(value))
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    # A whole double beyond 64 bits stays one: as an int BSON could not hold it.
    return normalize(number) if abs(number) < _INT64 else number


def _text(value: object) -> str | None:
    return None if value is None else str(value)
