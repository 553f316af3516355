"""Orders and log entries as readers see them, whichever store they come from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from actors.store.documents import order_from
from actors.store.schema import BATCH, OURS, RESTORED
from actors.store.values import count_from, is_far_time, mapping_from, number_from, shown, time_from

if TYPE_CHECKING:
    from collections.abc import Mapping

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


_HIDDEN: Final = frozenset({OURS, BATCH, RESTORED})


def log_row(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a log document as `log_page` shows it: ids as text, and of what is ours the `seq`.

    Fields that an older document lacks have the shared schema's defaults, else ``None``; what
    else its writer put there stays.
    """
    seq = count_from(mapping_from(document.get(OURS)).get("seq"))
    as_stored = {name: shown(value) for name, value in document.items() if name not in _HIDDEN}
    return {**_LOG_DEFAULTS, **as_stored, "seq": seq}


def operation_row(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return an operation's document as `operations` shows it: ids as text, of ours the `seq`."""
    seq = count_from(mapping_from(document.get(OURS)).get("seq"))
    return {name: shown(value) for name, value in document.items() if name != OURS} | {"seq": seq}


def detail_row(
    document: Mapping[str, Any], material: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return an order as `detail` shows it; `material` as for `order_from`.

    What the order lacks is "" or 0, as callers know it, but for its times.
    """
    order = order_from({**document, OURS: None}, material, 0)
    return {
        "id": order.id,
        "workOrderNo": order.facts.work_order_no or "",
        "materialCode": order.facts.material_code or "",
        "materialName": order.facts.material_name or "",
        "status": order.state.status or "",
        "planQuantity": number_from(document.get("planQuantity")) or 0,
        "planProductionQuantity": order.state.plan_production_quantity or 0,
        "inputQuantity": order.state.input_quantity,
        "outputQuantity": order.state.output_quantity,
        "scrapQuantity": order.state.scrap_quantity,
        "progress": order.state.progress,
        "productionLineName": order.facts.production_line_name or "",
        "createAt": _time(document.get("createAt")),
        "updateAt": _time(document.get("updateAt")),
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


def _time(value: object) -> object:
    """Return a time, also one that no calendar of ours has; nothing that is no time."""
    found = time_from(value)
    return shown(value) if found is None and is_far_time(value) else found
