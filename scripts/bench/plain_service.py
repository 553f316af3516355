"""Baseline A: the service one would write first, with aiohttp and motor.

Find the order, `$inc` its quantity, insert the log entry; majority and journal on both writes.
Nothing ties the two writes together and nothing recognises a repeated call: that is what the
real service adds, and what its speed is compared without.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import uvloop
from aiohttp import web
from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ReturnDocument, WriteConcern

from scripts.bench import serve
from scripts.bench.calls import PATH
from scripts.bench.orders import LOG_INDEXES, LOGS, ORDERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from motor.motor_asyncio import AsyncIOMotorCollection

_COUNTED = {"input": "inputQuantity", "output": "outputQuantity"}
_DURABLE = WriteConcern(w="majority", j=True)


@dataclass(frozen=True, slots=True)
class _Collections:
    orders: AsyncIOMotorCollection[dict[str, Any]]
    logs: AsyncIOMotorCollection[dict[str, Any]]


_COLLECTIONS = web.AppKey("collections", _Collections)


def _object_id(value: object) -> ObjectId | None:
    return ObjectId(value) if isinstance(value, str) else None


def _progress(order: dict[str, Any]) -> int:
    planned = order["planProductionQuantity"] + order["scrapQuantity"]
    return min(100, int(100 * order["outputQuantity"] // planned)) if planned > 0 else 0


def _log_entry(
    before: dict[str, Any], after: dict[str, Any], call: dict[str, Any], now: datetime
) -> dict[str, Any]:
    counted = _COUNTED[call["type"]]
    context = call["logContext"]
    return {
        "workOrderId": after["_id"],
        "workOrderNo": after["workOrderNo"],
        "materialId": after["materialId"],
        "materialCode": after["materialNumber"],
        "materialName": after["materialName"],
        "productionLineId": after["productionLineId"],
        "productionLineName": after["lineName"],
        "changeType": call["type"],
        "changeQuantity": call["quantity"],
        "beforeQuantity": after[counted] - call["quantity"],
        "afterQuantity": after[counted],
        "relatedBarcode": context.get("relatedBarcode"),
        "barcodeOperation": context.get("barcodeOperation", "OTHER"),
        "processStepId": _object_id(context.get("processStepId")),
        "processName": context.get("processName"),
        "processCode": context.get("processCode"),
        "beforeStatus": before["status"],
        "afterStatus": after["status"],
        "beforeProgress": before["progress"],
        "afterProgress": after["progress"],
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
        "requestId": call.get("requestId"),
        "jobId": str(ObjectId()),
        "__v": 0,
    }


async def _already_scanned(
    logs: AsyncIOMotorCollection[dict[str, Any]], order: ObjectId, call: dict[str, Any]
) -> bool:
    context = call["logContext"]
    if call["type"] != "input" or context.get("barcodeOperation") != "SCAN_PROCESS":
        return False
    earlier = await logs.find_one(
        {
            "workOrderId": order,
            "relatedBarcode": context.get("relatedBarcode"),
            "processStepId": _object_id(context.get("processStepId")),
            "changeType": "input",
            "changeQuantity": {"$gt": 0},
        },
        projection={"_id": 1},
    )
    return earlier is not None


def _envelope(status: int, code: str, data: dict[str, object] | None) -> web.Response:
    body = {"success": status == web.HTTPOk.status_code, "message": code, "data": data}
    return web.Response(
        body=orjson.dumps(body | {"code": code}), status=status, content_type="application/json"
    )


async def _update(request: web.Request) -> web.Response:
    call = await request.json(loads=orjson.loads)
    collections = request.app[_COLLECTIONS]
    key = ObjectId(call["workOrderId"])
    before = await collections.orders.find_one({"_id": key})
    if before is None:
        return _envelope(404, "WORK_ORDER_NOT_FOUND", None)
    if await _already_scanned(collections.logs, key, call):
        return _envelope(409, "DUPLICATE_OPERATION", None)
    now = datetime.now(UTC)
    counted = _COUNTED[call["type"]]
    after = await collections.orders.find_one_and_update(
        {"_id": key},
        {
            "$inc": {counted: call["quantity"]},
            "$set": {"progress": _progress(before), "updateAt": now},
        },
        return_document=ReturnDocument.AFTER,
    )
    entry = _log_entry(before, after, call, now)
    await collections.logs.insert_one(entry)
    data: dict[str, object] = {
        "success": True,
        "jobId": entry["jobId"],
        "workOrderId": call["workOrderId"],
        "type": call["type"],
        "quantity": call["quantity"],
        "beforeQuantity": entry["beforeQuantity"],
        "afterQuantity": entry["afterQuantity"],
    }
    return _envelope(200, "UPDATED", data)


async def _run(args: argparse.Namespace) -> None:
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(os.environ["MONGODB_URI"])
    database = client[os.environ["MONGODB_DB"]]
    logs = database.get_collection(LOGS, write_concern=_DURABLE)
    await logs.create_indexes(LOG_INDEXES)
    app = web.Application()
    app[_COLLECTIONS] = _Collections(database.get_collection(ORDERS, write_concern=_DURABLE), logs)
    app.router.add_post(PATH, _update)
    try:
        await serve.serve(app, args)
    finally:
        client.close()


def main(argv: Sequence[str]) -> int:
    """Serve MONGODB_URI's MONGODB_DB until stopped."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench plain_service",
        description=f"{__doc__} Reads MONGODB_URI and MONGODB_DB.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.add_arguments(parser)
    uvloop.run(_run(parser.parse_args(argv)))
    return 0
