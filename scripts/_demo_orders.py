"""Twenty orders to try the service with, as a factory for control units might have them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

_PRODUCTS: Final = (
    ("1.01.001", "温控器主板", "SMT一线"),
    ("1.01.002", "变频器控制板", "SMT一线"),
    ("1.01.003", "电源适配板 24V", "SMT二线"),
    ("1.02.011", "液晶显示模组 7寸", "模组组装线"),
    ("1.02.012", "触摸屏总成", "模组组装线"),
    ("1.03.021", "伺服驱动器 750W", "总装一线"),
    ("1.03.022", "步进电机驱动器", "总装一线"),
    ("1.04.031", "铝合金外壳 喷砂", "机加工线"),
    ("1.04.032", "散热底座", "机加工线"),
    ("1.05.041", "线束总成 12芯", "线束车间"),
)
_PLANS: Final = (500, 1200, 800, 300, 260, 150, 400, 2000, 1600, 1000)
_PENDING_EACH: Final = 4


def demo_orders() -> list[dict[str, Any]]:
    """Return the orders, planned around the moment of the call."""
    today = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return [_order(number, today) for number in range(1, 21)]


def _order(number: int, today: datetime) -> dict[str, Any]:
    kind = (number - 1) % len(_PRODUCTS)
    code, name, line = _PRODUCTS[kind]
    second = number > len(_PRODUCTS)
    plan = max(100, _PLANS[kind] // 2) if second else _PLANS[kind]
    return {
        "_id": f"{number:024x}",
        "workOrderNo": f"DEMO-{number:04d}",
        "materialId": f"{0xA0 + kind:024x}",
        "materialNumber": code,
        "materialName": name,
        "productionLineId": f"{0xB0 + _line_number(line):024x}",
        "lineName": line,
        "status": "PENDING" if number % _PENDING_EACH == 0 else "IN_PROGRESS",
        "businessType": "REWORK" if second and kind == 0 else "NORMAL",
        "planQuantity": plan,
        "planProductionQuantity": plan,
        "inputQuantity": 0,
        "outputQuantity": 0,
        "scrapQuantity": 0,
        "progress": 0,
        "planStartTime": today - timedelta(days=1),
        "planEndTime": today + timedelta(days=number % 7 + 1),
        "remark": "演示工单",
        "createBy": "demo",
        "updateBy": "demo",
        "createAt": today,
        "updateAt": today,
    }


def _line_number(line: str) -> int:
    lines = list(dict.fromkeys(each for _, _, each in _PRODUCTS))
    return lines.index(line)
