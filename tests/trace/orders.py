"""The line's orders as they lie in the database in the morning, and yesterday's log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MIDNIGHT: Final = datetime(2026, 11, 23, tzinfo=UTC)
FIRST_STEP: Final = "6560a00000000000000000a1"
SECOND_STEP: Final = "6560a00000000000000000a2"
LAST_STEP: Final = "6560a00000000000000000a9"
LARGEST: Final = 2**53 - 1
UNKNOWN: Final = "6560a0000000000000fffff0"
"""An order that nobody has."""

ORDERS: Final = 40
BY_WEIGHT: Final = 36
"""Counted in kilograms: its quantities have decimals."""
FULL: Final = 39
"""Holds the largest quantity there is: each further input is refused."""
_YESTERDAY: Final = 12
"""Products scanned in yesterday, by the service that this one replaces."""
_OLD: Final = (0, 7, 14)
"""Orders with a log from yesterday."""


@dataclass(frozen=True, slots=True)
class Start:
    """What lies in the database before the first call; ids are hex text."""

    orders: tuple[Mapping[str, Any], ...]
    old_logs: tuple[Mapping[str, Any], ...] = ()
    materials: tuple[Mapping[str, Any], ...] = ()


def order_id(index: int) -> str:
    return _id(0xA00000 + index)


def yesterdays_barcode(index: int, number: int) -> str:
    return f"SN22-{index:02d}-{number:03d}"


def old_orders() -> tuple[int, ...]:
    """Return the orders that have a log from yesterday."""
    return _OLD


def morning() -> Start:
    """Return the line's forty orders: new ones, old ones, odd ones."""
    return Start(
        orders=tuple(_order(index) for index in range(ORDERS)),
        old_logs=tuple(_old_log(index, number) for index in _OLD for number in range(_YESTERDAY)),
        materials=({"_id": _material(5), "FNumber": "1.02.005", "FName": "外壳"},),
    )


def _order(index: int) -> dict[str, Any]:
    order: dict[str, Any] = {
        "_id": order_id(index),
        "workOrderNo": f"WO-20261123-{index:03d}",
        "materialId": _material(index),
        "materialNumber": f"1.02.{index:03d}",
        "materialName": f"主控板 {index}",
        "productionLineId": "6560a00000000000000000b1",
        "lineName": "SMT一线",
        "status": "IN_PROGRESS",
        "businessType": "NORMAL",
        "planQuantity": 50,
        # From far too few, so that orders are completed and reopened, to more than a day's work.
        "planProductionQuantity": 10 + 5 * (index % 20),
        "inputQuantity": 0,
        "outputQuantity": 0,
        "scrapQuantity": index % 4,
        "progress": 0,
        "createBy": "planner",
        "createAt": MIDNIGHT,
        "updateAt": MIDNIGHT,
        # The main service's own; nobody but it may touch them.
        "customerCode": f"C{index}",
        "routing": {"steps": [FIRST_STEP, SECOND_STEP, LAST_STEP], "revision": index},
    }
    for name, value in _oddities(index).items():
        if value is None:
            del order[name]
        else:
            order[name] = value
    return order


def _oddities(index: int) -> dict[str, Any]:
    """Say how an order differs; None means that an old document lacks the field."""
    if index in _OLD:
        return {"inputQuantity": _YESTERDAY}
    odd: dict[int, dict[str, Any]] = {
        3: {"planProductionQuantity": 0, "scrapQuantity": 0},
        4: {"planProductionQuantity": None},
        5: {"materialNumber": None, "materialName": None},
        6: {"inputQuantity": None, "outputQuantity": None, "progress": None},
        8: {"status": "COMPLETED", "outputQuantity": 60, "progress": 100},
        9: {"status": "CANCELLED"},
        10: {"status": "PENDING"},
        BY_WEIGHT: {"inputQuantity": 0.5, "planProductionQuantity": 12.5},
        FULL: {"inputQuantity": LARGEST},
    }
    return odd.get(index, {})


def _old_log(index: int, number: int) -> dict[str, Any]:
    at = MIDNIGHT - timedelta(hours=6) + timedelta(seconds=number)
    return {
        "_id": _id(0xB0000000 + index * 0x1000 + number),
        "workOrderId": order_id(index),
        "workOrderNo": f"WO-20261123-{index:03d}",
        "changeType": "input",
        "changeQuantity": 1,
        "beforeQuantity": number,
        "afterQuantity": number + 1,
        "relatedBarcode": yesterdays_barcode(index, number),
        "barcodeOperation": "SCAN_PROCESS",
        "processStepId": FIRST_STEP,
        "operatorId": "SYSTEM",
        "operateTime": at,
        "reason": "投入数量增加",
        "isAutomatic": True,
        "source": "DEVICE",
        "createdAt": at,
        "updatedAt": at,
    }


def _material(index: int) -> str:
    return _id(0xC00000 + index)


def _id(number: int) -> str:
    return f"6560a0{number:018x}"
