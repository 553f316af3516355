"""What the services that ours is compared with have in common: routes, replies, how they stop."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from aiohttp import web
from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import DESCENDING, WriteConcern

from scripts.bench import serve
from scripts.bench.calls import BATCH_PATH, DETAIL_PATH, LOGS_PATH, PATH
from scripts.bench.orders import LOG_INDEXES, LOGS, ORDERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from motor.motor_asyncio import AsyncIOMotorCollection

COUNTED = {"input": "inputQuantity", "output": "outputQuantity"}
_DURABLE = WriteConcern(w="majority", j=True)
_PAGE = 20


@dataclass(frozen=True, slots=True)
class Collections:
    """Orders and their log, written by majority and journal."""

    orders: AsyncIOMotorCollection[dict[str, Any]]
    logs: AsyncIOMotorCollection[dict[str, Any]]


class Outcome(NamedTuple):
    """What a call is answered with."""

    status: int
    code: str
    data: dict[str, Any] | None


if TYPE_CHECKING:
    Apply = Callable[[dict[str, Any]], Awaitable[Outcome]]
    """Applies one update, given as the call has it."""


def progress(order: Mapping[str, Any]) -> int:
    """Return how much of its plan an order has put out, in percent."""
    planned = order["planProductionQuantity"] + order["scrapQuantity"]
    return min(100, int(100 * order["outputQuantity"] // planned)) if planned > 0 else 0


def updated(call: Mapping[str, Any], entry: Mapping[str, Any]) -> Outcome:
    """Return the outcome of an update that left `entry` in the log."""
    data = {
        "success": True,
        "jobId": str(entry["_id"]),
        "workOrderId": call["workOrderId"],
        "type": call["type"],
        "quantity": call["quantity"],
        "beforeQuantity": entry["beforeQuantity"],
        "afterQuantity": entry["afterQuantity"],
    }
    return Outcome(200, "UPDATED", data)


async def already_scanned(collections: Collections, call: Mapping[str, Any]) -> bool:
    """Return whether the call is a first-step scan whose barcode the log has at that step."""
    context = call["logContext"]
    if call["type"] != "input" or context.get("barcodeOperation") != "SCAN_PROCESS":
        return False
    earlier = await collections.logs.find_one(
        {
            "workOrderId": ObjectId(call["workOrderId"]),
            "relatedBarcode": context.get("relatedBarcode"),
            "processStepId": ObjectId(context.get("processStepId")),
            "changeType": "input",
            "changeQuantity": {"$gt": 0},
        },
        projection={"_id": 1},
    )
    return earlier is not None


def application(collections: Collections, apply: Apply) -> web.Application:
    """Build an application that applies single updates and batches, and shows orders and logs."""

    async def update(request: web.Request) -> web.Response:
        return _reply(await apply(await request.json(loads=orjson.loads)))

    async def batch(request: web.Request) -> web.Response:
        calls = (await request.json(loads=orjson.loads))["updates"]
        outcomes = [await apply(call) for call in calls]
        results = [{"success": each.data is not None, **each._asdict()} for each in outcomes]
        return _reply(Outcome(200, "UPDATED", {"results": results}))

    async def detail(request: web.Request) -> web.Response:
        order = await collections.orders.find_one({"_id": ObjectId(request.match_info["id"])})
        return _reply(Outcome(200, "OK", order))

    async def logs(request: web.Request) -> web.Response:
        of_order = {"workOrderId": ObjectId(request.match_info["id"])}
        rows = collections.logs.find(of_order).sort("operateTime", DESCENDING).limit(_PAGE)
        total = await collections.logs.count_documents(of_order)
        return _reply(Outcome(200, "OK", {"logs": await rows.to_list(None), "total": total}))

    app = web.Application()
    app.router.add_post(PATH, update)
    app.router.add_post(BATCH_PATH, batch)
    app.router.add_get(DETAIL_PATH + "{id}", detail)
    app.router.add_get(LOGS_PATH + "{id}", logs)
    return app


def _reply(outcome: Outcome) -> web.Response:
    status, code, data = outcome
    body = {"success": data is not None, "message": code, "data": data, "code": code}
    return web.Response(
        body=orjson.dumps(body, default=str), status=status, content_type="application/json"
    )


async def run(
    args: argparse.Namespace, working: Callable[[Collections], AbstractAsyncContextManager[Apply]]
) -> None:
    """Serve MONGODB_URI's MONGODB_DB until stopped; what `working` gives applies updates."""
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(os.environ["MONGODB_URI"])
    database = client[os.environ["MONGODB_DB"]]
    logs = database.get_collection(LOGS, write_concern=_DURABLE)
    await logs.create_indexes(LOG_INDEXES)
    collections = Collections(database.get_collection(ORDERS, write_concern=_DURABLE), logs)
    try:
        async with working(collections) as apply:
            await serve.serve(application(collections, apply), args)
    finally:
        client.close()


def parse(command: str, description: str | None, argv: list[str]) -> argparse.Namespace:
    """Read the options that every such service has."""
    parser = argparse.ArgumentParser(
        prog=f"python -m scripts.bench {command}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.add_arguments(parser)
    return parser.parse_args(argv)
