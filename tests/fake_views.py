"""Orders and logs that are kept as records, shown as the stores on databases show documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.store.documents import entry_document, outcome_document
from actors.store.pages import within
from actors.store.port import Found, LogPage, Trait
from actors.store.schema import OURS
from actors.store.views import detail_row, id_range, log_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from actors.domain.commit import StoredOrder
    from actors.domain.model import LogEntry, WorkOrderId
    from actors.store.port import LogQuery


def document_of(order: StoredOrder) -> dict[str, Any]:
    """Return an order as a document; with `planServer` where it carries our state."""
    facts, state = order.facts, order.state
    document: dict[str, Any] = {
        "_id": order.id,
        "workOrderNo": facts.work_order_no,
        "materialId": facts.material_id,
        "materialNumber": facts.material_code,
        "materialName": facts.material_name,
        "productionLineId": facts.production_line_id,
        "lineName": facts.production_line_name,
        "inputQuantity": state.input_quantity,
        "outputQuantity": state.output_quantity,
        "planProductionQuantity": state.plan_production_quantity,
        "scrapQuantity": state.scrap_quantity,
        "status": state.status,
        "progress": state.progress,
        "planQuantity": state.plan_quantity,
        "scrapProductBarcodeList": [{"barcode": each} for each in state.scrapped],
    }
    if order.adopted:
        outbox = [outcome_document(each) for each in order.outbox]
        ours = {"seq": order.seq, "epoch": order.epoch, "turn": order.revision, "outbox": outbox}
        document[OURS] = ours
    return document


def page_of(entries: Iterable[LogEntry], query: LogQuery) -> LogPage:
    """Filter an order's entries, and return one page of them, newest first."""
    fit = [
        each
        for each in entries
        if query.change_type in (None, each.change.type)
        and (query.since is None or each.operate_time >= query.since)
        and (query.until is None or each.operate_time <= query.until)
    ]
    fit.sort(key=lambda each: (each.operate_time, each.seq), reverse=True)
    first = (query.page - 1) * query.page_size
    page = map(entry_document, fit[first : first + query.page_size])
    return LogPage(len(fit), tuple(map(log_row, within(page, query.max_bytes))))


def found_by_text(
    orders: Mapping[WorkOrderId, StoredOrder], text: str, limit: int
) -> list[Mapping[str, Any]]:
    """Return orders whose id or number begins so; the newest where nothing is asked for."""
    if not text:
        newest = sorted(orders, reverse=True)[:limit]
        return [detail_row(document_of(orders[each])) for each in newest]
    low, high = id_range(text) or ("", "")
    fit = [each for each in sorted(orders) if low <= each <= high]
    numbers = {str(each.facts.work_order_no): each.id for each in orders.values()}
    starts = (text, text.upper())
    fit += [id_ for number, id_ in sorted(numbers.items()) if number.startswith(starts)]
    return [detail_row(document_of(orders[each])) for each in fit[:limit]]


def found_by_trait(
    orders: Mapping[WorkOrderId, StoredOrder],
    logs: Mapping[WorkOrderId, Sequence[LogEntry]],
    trait: Trait,
    text: str,
    limit: int,
) -> Found:
    """Return orders by a part of their number, or by what their entries have."""
    found = [each for each in orders.values() if _has(each, logs[each.id], trait, text)]
    if trait is Trait.PART:
        found.sort(key=lambda each: str(each.facts.work_order_no))
    else:
        found.sort(key=lambda each: max(e.operate_time for e in logs[each.id]), reverse=True)
    rows = tuple(detail_row(document_of(each)) for each in found[:limit])
    return Found(rows, trait in (Trait.PART, Trait.BARCODE))


def _has(order: StoredOrder, entries: Sequence[LogEntry], trait: Trait, text: str) -> bool:
    if trait is Trait.PART:
        number = order.facts.work_order_no or ""
        return text in number or text.upper() in number
    for change in (each.change for each in entries):
        context = change.context
        match trait:
            case Trait.BARCODE:
                named: tuple[str | None, ...] = (context.related_barcode,)
            case Trait.KEY:
                named = (change.request_id,)
            case _:
                named = (context.operator_id, context.operator_name)
        if text in named:
            return True
    return False
