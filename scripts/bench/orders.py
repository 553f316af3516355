"""The orders the bench runs on, and the check of what they hold afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from bson import ObjectId
from pymongo import DESCENDING, IndexModel

from scripts.bench.calls import QUANTITY, STEPS, log_context, order_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pymongo.database import Database

ORDERS = "production_plan_work_orders"
LOGS = "work_order_quantity_logs"
MATERIALS = "k3_bd_materials"
_MATERIAL = ObjectId("be0c0000000000000000aaaa")
_LINE = ObjectId("be0c0000000000000000bbbb")
_SEEDED = "SEED"
"""The source of entries that were there before a run, which its check leaves out."""
_INSERTED_AT_ONCE = 10_000
_PLANNED = 10_000_000
"""So many that no run completes an order, which would change what a call costs."""


def _newest_first(*fields: str) -> IndexModel:
    return IndexModel([*((field, 1) for field in fields), ("operateTime", DESCENDING)])


_DUPLICATE_CHECK = ("workOrderId", "relatedBarcode", "processStepId", "changeType")
# What the main service has made on the shared log.
LOG_INDEXES = [
    *(
        _newest_first(*fields)
        for fields in (
            ("workOrderId",),
            ("relatedBarcode",),
            ("materialId",),
            (),
            ("changeType",),
        )
    ),
    IndexModel(
        _newest_first(*_DUPLICATE_CHECK).document["key"],
        name="idx_workorder_barcode_process_duplicate_check",
    ),
]


@dataclass(frozen=True, slots=True)
class Check:
    """What the store held after a run, beside what was acknowledged."""

    acknowledged: int
    unknown: int
    in_orders: int
    """Sum of both quantities over all orders."""
    log_entries: int
    orders_off: int
    """Orders whose two quantities are not the acknowledged ones."""
    logs_off: int
    """Orders whose quantities are not the sums of their log entries."""
    doubled: int
    """Log entries beyond the first of the same barcode; every call had a barcode of its own."""

    @property
    def exact(self) -> bool:
        """Return whether everything acknowledged, and nothing else, is there once.

        Calls without an answer may have been applied or not: they widen what is accepted.
        """
        if self.logs_off or self.doubled or self.log_entries != self.in_orders:
            return False
        if self.unknown:
            surplus = self.in_orders - self.acknowledged
            return 0 <= surplus <= self.unknown and self.orders_off <= self.unknown
        return self.orders_off == 0 and self.in_orders == self.acknowledged

    def __str__(self) -> str:
        """Say it in a line."""
        verdict = "exact" if self.exact else "WRONG"
        return (
            f"{verdict}: {self.acknowledged} acknowledged, {self.unknown} unknown, "
            f"{self.in_orders} in orders, {self.log_entries} log entries, "
            f"{self.orders_off} orders off, {self.logs_off} logs off, {self.doubled} doubled"
        )


def order_document(index: int) -> dict[str, Any]:
    """Return one order as the main service writes it."""
    now = datetime.now(UTC)
    return {
        "_id": ObjectId(order_id(index)),
        "workOrderNo": f"BENCH-{index:06d}",
        "materialId": _MATERIAL,
        "materialNumber": "01.02.003.0456",
        "materialName": "智能终端主板组件",
        "fSpecification": "ZD-200 V2.1",
        "productionLineId": _LINE,
        "lineName": "一号组装线",
        "status": "IN_PROGRESS",
        "businessType": "NORMAL",
        "planQuantity": _PLANNED,
        "planProductionQuantity": _PLANNED,
        "inputQuantity": 0,
        "outputQuantity": 0,
        "scrapQuantity": 0,
        "progress": 0,
        "planStartTime": now,
        "planEndTime": now,
        "actualStartTime": now,
        "actualEndTime": None,
        "saleOrderNo": "SO20261123001",
        "productionOrderNo": "MO20261123001",
        "originalWorkOrderId": None,
        "supplementQuantity": 0,
        "remark": "",
        "createBy": ObjectId("64b700000000000000000001"),
        "updateBy": ObjectId("64b700000000000000000001"),
        "createAt": now,
        "updateAt": now,
        "__v": 0,
    }


def seed_mongo(database: Database[dict[str, Any]], count: int) -> None:
    """Write `count` fresh orders, their material and the main service's indexes."""
    database[MATERIALS].insert_one(
        {"_id": _MATERIAL, "FNumber": "01.02.003.0456", "FName": "智能终端主板组件"}
    )
    database[ORDERS].create_index("workOrderNo", unique=True)
    database[ORDERS].insert_many([order_document(index) for index in range(count)])
    database[LOGS].create_indexes(LOG_INDEXES)


def log_entry(
    order: Mapping[str, Any], call: Mapping[str, Any], quantities: tuple[int, int], now: datetime
) -> dict[str, Any]:
    """Return the log's entry of a change that `call` asked for and that was applied at `now`.

    `order` is as it was before, `quantities` are what is counted, before and after.
    """
    context = call["logContext"]
    step = context.get("processStepId")
    return {
        "_id": ObjectId(),
        "workOrderId": order["_id"],
        "workOrderNo": order["workOrderNo"],
        "materialId": order["materialId"],
        "materialCode": order["materialNumber"],
        "materialName": order["materialName"],
        "productionLineId": str(order["productionLineId"]),
        "productionLineName": order["lineName"],
        "changeType": call["type"],
        "changeQuantity": call["quantity"],
        "beforeQuantity": quantities[0],
        "afterQuantity": quantities[1],
        "relatedBarcode": context.get("relatedBarcode"),
        "barcodeOperation": context.get("barcodeOperation", "OTHER"),
        "processStepId": ObjectId(step) if step else None,
        "processName": context.get("processName"),
        "processCode": context.get("processCode"),
        "beforeStatus": order["status"],
        "afterStatus": order["status"],
        "beforeProgress": order["progress"],
        "afterProgress": order["progress"],
        "operatorId": context.get("operatorId", "SYSTEM"),
        "operatorName": context.get("operatorName"),
        "operateTime": now,
        "reason": context.get("reason"),
        "remark": context.get("remark"),
        "ipAddress": context.get("ipAddress"),
        "userAgent": context.get("userAgent"),
        "isAutomatic": context.get("isAutomatic", True),
        "source": context.get("source", "SYSTEM"),
        "createdAt": now,
        "updatedAt": now,
    }


def seed_log(database: Database[dict[str, Any]], orders: Sequence[int], entries: int) -> None:
    """Give each of the orders (numbers) `entries` entries, as this service wrote them.

    Of those orders that there are, the document counts them as its own; its quantities stay.
    """
    call = {"type": "input", "quantity": QUANTITY}
    start = datetime.now(UTC) - timedelta(days=1)
    waiting: list[dict[str, Any]] = []
    for index in orders:
        order = order_document(index)
        for seq in range(1, entries + 1):
            context = log_context(seq % STEPS, f"SEED{index}-{seq}", scan=True)
            made = call | {"logContext": context | {"source": _SEEDED}}
            now = start + timedelta(milliseconds=seq)
            entry = log_entry(order, made, (seq - 1, seq), now)
            waiting.append(entry | {"planServer": {"seq": seq, "epoch": 0, "requestedQuantity": 1}})
            if len(waiting) == _INSERTED_AT_ONCE:
                database[LOGS].insert_many(waiting, ordered=False)
                waiting = []
    if waiting:
        database[LOGS].insert_many(waiting, ordered=False)
    ours = {"epoch": 0, "seq": entries, "turn": entries, "outbox": []}
    ids = [ObjectId(order_id(index)) for index in orders]
    database[ORDERS].update_many({"_id": {"$in": ids}}, {"$set": {"planServer": ours}})


def check_mongo(
    database: Database[dict[str, Any]],
    acknowledged: Sequence[Sequence[int]],
    unknown: int,
) -> Check:
    """Compare the orders, and what a run added to their log, with what was answered.

    The log is the collection alone: call this once the service has stopped, when it must have
    relayed every entry.
    """
    quantities = {
        order["_id"]: [order["inputQuantity"], order["outputQuantity"]]
        for order in database[ORDERS].find({}, {"inputQuantity": 1, "outputQuantity": 1})
    }
    logged = {order: [0, 0] for order in quantities}
    entries = 0
    by_order_and_type = {
        "_id": {"order": "$workOrderId", "type": "$changeType"},
        "sum": {"$sum": "$changeQuantity"},
        "count": {"$sum": 1},
    }
    added = {"$match": {"source": {"$ne": _SEEDED}}}
    for group in database[LOGS].aggregate([added, {"$group": by_order_and_type}]):
        key = group["_id"]
        logged.setdefault(key["order"], [0, 0])[key["type"] == "output"] += group["sum"]
        entries += group["count"]
    barcodes = database[LOGS].aggregate(
        [added, {"$group": {"_id": "$relatedBarcode"}}, {"$count": "n"}]
    )
    different = sum(group["n"] for group in barcodes)
    expected = {
        ObjectId(order_id(at)): [count * QUANTITY for count in counts]
        for at, counts in enumerate(acknowledged)
    }
    return Check(
        acknowledged=sum(map(sum, acknowledged)),
        unknown=unknown,
        in_orders=sum(map(sum, quantities.values())),
        log_entries=entries,
        orders_off=sum(held != expected.get(order, [0, 0]) for order, held in quantities.items()),
        logs_off=sum(held != quantities.get(order) for order, held in logged.items()),
        doubled=entries - different,
    )
