"""The service one would write first, with aiohttp and motor.

Find the order, `$inc` its quantity, insert the log entry; majority and journal on both writes.
Nothing ties the two writes together and nothing recognises a repeated call: that is what the
real service adds, and what its speed is compared without. Reads MONGODB_URI and MONGODB_DB.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import uvloop
from bson import ObjectId
from pymongo import ReturnDocument

from scripts.bench import baseline
from scripts.bench.baseline import COUNTED, Collections, Outcome
from scripts.bench.orders import log_entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scripts.bench.baseline import Apply


@asynccontextmanager
async def _working(collections: Collections) -> AsyncIterator[Apply]:
    async def apply(call: dict[str, Any]) -> Outcome:
        key = {"_id": ObjectId(call["workOrderId"])}
        before = await collections.orders.find_one(key)
        if before is None:
            return Outcome(404, "WORK_ORDER_NOT_FOUND", None)
        if await baseline.already_scanned(collections, call):
            return Outcome(409, "DUPLICATE_OPERATION", None)
        now, counted = datetime.now(UTC), COUNTED[call["type"]]
        after = await collections.orders.find_one_and_update(
            key,
            {
                "$inc": {counted: call["quantity"]},
                "$set": {"progress": baseline.progress(before), "updateAt": now},
            },
            return_document=ReturnDocument.AFTER,
        )
        quantities = after[counted] - call["quantity"], after[counted]
        entry = log_entry(before, call, quantities, now)
        await collections.logs.insert_one(entry)
        return baseline.updated(call, entry)

    yield apply


def main(argv: list[str]) -> int:
    """Serve until stopped."""
    uvloop.run(baseline.run(baseline.parse("plain_service", __doc__, argv), _working))
    return 0
