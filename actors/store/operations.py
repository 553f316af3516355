"""Operations as documents of a log of their own, and what they leave in the order's document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.domain.model import Operation, OperationEntry
from actors.store.contexts import originals_document, request_key
from actors.store.schema import OURS
from actors.store.values import count_from, mapping_from, number_from, order_time, text_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from actors.domain.evidence import Outcome
    from actors.domain.model import Change, OrderFacts, WorkOrderId


def operation_document(entry: OperationEntry) -> dict[str, Any]:
    """Return an operation's entry as its document; `_id` is the job's id."""
    change, facts, context = entry.change, entry.facts, entry.change.context
    ours: dict[str, Any] = {"seq": entry.seq, "epoch": entry.epoch}
    if change.request_id is not None:
        ours["requestId"] = change.request_id
        ours["requestKey"] = request_key(entry.work_order_id, change.request_id)
        ours["fingerprint"] = change.fingerprint
    return {
        "_id": change.job_id,
        "operation": change.type.value,
        "workOrderId": entry.work_order_id,
        "workOrderNo": facts.work_order_no,
        "materialId": facts.material_id,
        "materialCode": facts.material_code,
        "materialName": facts.material_name,
        "productionLineId": facts.production_line_id,
        "productionLineName": facts.production_line_name,
        "quantity": change.quantity,
        "beforeQuantity": entry.before_quantity,
        "afterQuantity": entry.after_quantity,
        "beforeStatus": entry.before_status,
        "afterStatus": entry.after_status,
        "beforeProgress": entry.before_progress,
        "afterProgress": entry.after_progress,
        "relatedBarcode": context.related_barcode,
        "operatorId": context.operator_id,
        "operatorName": context.operator_name,
        "reason": context.reason,
        "remark": context.remark,
        "source": context.source,
        "operatedAt": entry.operated_at,
        OURS: ours | originals_document(context),
    }


def operation_from(
    stored: Mapping[str, Any],
    change: Change,
    order_id: WorkOrderId,
    epoch: int,
    facts: OrderFacts,
) -> OperationEntry:
    """Read back what `operation_document` made."""
    return OperationEntry(
        work_order_id=order_id,
        seq=count_from(mapping_from(stored.get(OURS)).get("seq")) or 0,
        epoch=epoch,
        change=change,
        facts=facts,
        before_quantity=number_from(stored.get("beforeQuantity")) or 0,
        after_quantity=number_from(stored.get("afterQuantity")) or 0,
        before_status=text_from(stored.get("beforeStatus")),
        after_status=text_from(stored.get("afterStatus")),
        before_progress=number_from(stored.get("beforeProgress")) or 0,
        after_progress=number_from(stored.get("afterProgress")) or 0,
        operated_at=order_time(stored.get("operatedAt")),
    )


def operation_named(value: object) -> Operation | None:
    """Return the operation of that name; None for what is none."""
    return next((each for each in Operation if each.value == value), None)


def scrapped_in(stored: object) -> tuple[str, ...]:
    """Return the barcodes of an order's `scrapProductBarcodeList`."""
    found = stored if isinstance(stored, list) else ()
    return tuple(
        barcode for each in found if (barcode := text_from(mapping_from(each).get("barcode")))
    )


def scrap_records(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """Return what scrap adds to the order's `scrapProductBarcodeList`."""
    return [
        {
            "barcode": each.change.context.related_barcode,
            "status": "SCRAPPED",
            "scrapTime": each.operated_at,
        }
        for each in outcomes
        if isinstance(each, OperationEntry) and each.change.type is Operation.SCRAP
    ]
