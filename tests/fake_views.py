"""Orders and logs that are kept as records, shown as the stores on databases show documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.store.documents import entry_document, outcome_document
from actors.store.pages import within
from actors.store.port import LogPage
from actors.store.schema import OURS
from actors.store.views import log_row

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.domain.commit import StoredOrder
    from actors.domain.model import LogEntry
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
