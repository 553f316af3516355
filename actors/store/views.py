"""Orders and log entries as readers see them, whichever store they come from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from actors.store.documents import number_from, order_from
from actors.store.schema import OURS

_ID_LENGTH: Final = 24
# Fewer digits are the beginning of an order's number more often than of an id.
_START_OF_ID: Final = re.compile(r"[0-9a-fA-F]{8,24}", re.ASCII)
_AFTER_ALL: Final = "\U0010ffff"
"""Sorts behind whatever a number has."""
_LOG_DEFAULTS: Final[Mapping[str, Any]] = dict.fromkeys(
    (
        "workOrderNo",
        "materialId",
        "materialCode",
        "materialName",
        "productionLineId",
        "productionLineName",
        "changeType",
        "changeQuantity",
        "beforeQuantity",
        "afterQuantity",
        "relatedBarcode",
        "processStepId",
        "processName",
        "processCode",
        "beforeStatus",
        "afterStatus",
        "beforeProgress",
        "afterProgress",
        "operatorName",
        "operateTime",
        "reason",
        "remark",
        "ipAddress",
        "userAgent",
        "createdAt",
        "updatedAt",
    )
) | {
    "barcodeOperation": "OTHER",
    "operatorId": "SYSTEM",
    "isAutomatic": True,
    "source": "SYSTEM",
}


def log_row(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a log document as `log_page` shows it: ids as text, and of what is ours the `seq`.

    Fields that an older document lacks have the shared schema's defaults, else ``None``; what
    else its writer put there stays.
    """
    ours = document.get(OURS)
    mine = ours if isinstance(ours, Mapping) else {}
    shown = {name: _plain(value) for name, value in document.items() if name != OURS}
    return {**_LOG_DEFAULTS, **shown, "seq": mine.get("seq")}


def detail_row(
    document: Mapping[str, Any], material: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return an order as `detail` shows it; `material` as for `order_from`."""
    order = order_from({**document, OURS: None}, material, 0)
    return {
        "id": order.id,
        "workOrderNo": order.facts.work_order_no,
        "materialCode": order.facts.material_code,
        "materialName": order.facts.material_name,
        "status": order.state.status,
        "planQuantity": number_from(document.get("planQuantity")),
        "planProductionQuantity": order.state.plan_production_quantity,
        "inputQuantity": order.state.input_quantity,
        "outputQuantity": order.state.output_quantity,
        "scrapQuantity": order.state.scrap_quantity,
        "progress": order.state.progress,
        "productionLineName": order.facts.production_line_name,
        "createAt": time_from(document.get("createAt")),
        "updateAt": time_from(document.get("updateAt")),
    }


def id_range(text: str) -> tuple[str, str] | None:
    """Return the lowest and the highest id that begins with `text`; None where it can't be one."""
    if not _START_OF_ID.fullmatch(text):
        return None
    start = text.lower()
    return start.ljust(_ID_LENGTH, "0"), start.ljust(_ID_LENGTH, "f")


def number_ranges(text: str) -> list[tuple[str, str]]:
    """Return from where to where, this left out, the numbers are that begin with `text`."""
    return [(each, each + _AFTER_ALL) for each in dict.fromkeys((text, text.upper()))]


def time_from(value: object) -> datetime | None:
    """Read a time leniently: stored as a time or as ISO text; stores keep UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def _plain(value: object) -> object:
    """Turn what only a driver knows (ObjectId, Decimal128) into text, at any depth."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime):
        return time_from(value)
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value)
