"""The design that this service replaces, written anew with aiohttp, motor and Redis.

A call becomes a job in a list in Redis. One worker takes the jobs, one at a time: takes the
order's lock (30 s), reads the order, changes it here, writes it back, inserts the log entry, gives
the lock back, removes the job. A call is answered when its job is done, so that what is counted is
work done. Nothing ties the two writes together. Reads MONGODB_URI, MONGODB_DB and REDIS_URL.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson
import uvloop
from bson import ObjectId
from redis.asyncio import Redis

from scripts.bench import baseline
from scripts.bench.baseline import COUNTED, Collections, Outcome
from scripts.bench.orders import log_entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scripts.bench.baseline import Apply

_WAITING: Final = "bench:wait"
_ACTIVE: Final = "bench:active"
_LOCK_MS: Final = 30_000
_LOCK_RETRY_S: Final = 0.1
_RELEASE: Final = """
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end
return 0
"""


class _Queue:
    """The list of jobs, its one worker, and the calls that wait for them."""

    def __init__(self, redis: Any, collections: Collections) -> None:  # noqa: ANN401 -- its types say too little
        self._redis, self._collections = redis, collections
        self._release = redis.register_script(_RELEASE)
        self._waiting: dict[str, asyncio.Future[Outcome]] = {}

    async def apply(self, call: dict[str, Any]) -> Outcome:
        """Put a job into the list; return its outcome when it is done."""
        job_id = str(ObjectId())
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[job_id] = done
        async with self._redis.pipeline() as pipe:
            pipe.hset(_job(job_id), mapping={"data": orjson.dumps(call), "state": "waiting"})
            pipe.lpush(_WAITING, job_id)
            await pipe.execute()
        return await done

    async def work(self) -> None:
        """Do one job after the other."""
        while True:
            job_id = await self._redis.blmove(_WAITING, _ACTIVE, 0, "RIGHT", "LEFT")
            data = await self._redis.hget(_job(job_id), "data")
            outcome = await self._locked(orjson.loads(data))
            async with self._redis.pipeline() as pipe:
                pipe.lrem(_ACTIVE, 1, job_id)
                pipe.delete(_job(job_id))
                await pipe.execute()
            self._waiting.pop(job_id).set_result(outcome)

    async def _locked(self, call: dict[str, Any]) -> Outcome:
        lock, token = f"bench:lock:{call['workOrderId']}", secrets.token_hex(8)
        while not await self._redis.set(lock, token, nx=True, px=_LOCK_MS):  # noqa: ASYNC110 -- so it was
            await asyncio.sleep(_LOCK_RETRY_S)
        try:
            return await self._apply(call)
        finally:
            await self._release(keys=[lock], args=[token])

    async def _apply(self, call: dict[str, Any]) -> Outcome:
        collections = self._collections
        key = {"_id": ObjectId(call["workOrderId"])}
        order = await collections.orders.find_one(key)
        if order is None:
            return Outcome(404, "WORK_ORDER_NOT_FOUND", None)
        if await baseline.already_scanned(collections, call):
            return Outcome(409, "DUPLICATE_OPERATION", None)
        now, counted = datetime.now(UTC), COUNTED[call["type"]]
        quantities = order[counted], order[counted] + call["quantity"]
        changed = {counted: quantities[1], "updateAt": now}
        changed["progress"] = baseline.progress({**order, **changed})
        await collections.orders.update_one(key, {"$set": changed})
        entry = log_entry(order, call, quantities, now)
        await collections.logs.insert_one(entry)
        return baseline.updated(call, entry)


def _job(job_id: str) -> str:
    return f"bench:job:{job_id}"


@asynccontextmanager
async def _working(collections: Collections) -> AsyncIterator[Apply]:
    url = os.environ["REDIS_URL"]
    # A connection for each call under way: the client allows 100.
    async with Redis.from_url(url, decode_responses=True, max_connections=10_000) as redis:
        await redis.delete(_WAITING, _ACTIVE)
        queue = _Queue(redis, collections)
        worker = asyncio.create_task(queue.work())
        try:
            yield queue.apply
        finally:
            worker.cancel()


def main(argv: list[str]) -> int:
    """Serve until stopped."""
    uvloop.run(baseline.run(baseline.parse("replaced_service", __doc__, argv), _working))
    return 0
