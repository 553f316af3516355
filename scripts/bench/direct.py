"""Make the service's writes directly in batches, without HTTP and actors: the nearer limit.

The same compare-and-set of each order with its outbox, the same entries in the log behind it, by
majority and journal, on the same indexes. A few writers, each with orders of its own, make one
commit after the other; together they have as many updates under way as the service would have from
so many connections. Nothing is read, validated or answered. Reads MONGODB_URI and MONGODB_DB.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import bson
import uvloop
from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import AsyncMongoClient, UpdateOne, WriteConcern

from actors.store.mongo.store import MongoStore
from actors.store.schema import GUARDED
from scripts.bench import load
from scripts.bench.baseline import COUNTED, progress
from scripts.bench.calls import QUANTITY, STEPS, log_context, order_id, picker
from scripts.bench.orders import LOGS, ORDERS, log_entry, order_document
from scripts.bench.tally import Tally, result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pymongo.asynchronous.collection import AsyncCollection

_EPOCH: Final = 1
_LOGGED_TOGETHER: Final = 500
_LOGGERS: Final = 2


@dataclass(slots=True)
class _Order:
    index: int
    document: dict[str, Any]
    seq: int = 0
    turn: int = 0
    outbox: dict[int, RawBSONDocument] = field(default_factory=dict)
    """Entries that the log is not known to hold, by seq."""


class _Direct:
    """One run: its orders, what they write, what came of it."""

    def __init__(self, database: Any, args: argparse.Namespace) -> None:  # noqa: ANN401  pymongo's
        durable = WriteConcern(w="majority", j=True)
        self._at: AsyncCollection[Any] = database.get_collection(ORDERS, write_concern=durable)
        self._logs: AsyncCollection[Any] = database.get_collection(LOGS, write_concern=durable)
        self._spread, self._run = args.spread, args.run_id or f"{time.time_ns():x}"
        count = min(args.in_flight, args.orders)
        self._batch = max(1, args.connections // count)
        self._shares = [range(first, args.orders, count) for first in range(count)]
        self.tally = Tally([[0, 0] for _ in range(args.orders)])
        self._from = time.perf_counter() + args.warmup
        self._until = self._from + args.seconds
        self._number = 0
        self._queue: asyncio.Queue[tuple[_Order, int]] = asyncio.Queue(2 * _LOGGED_TOGETHER)

    async def run(self) -> None:
        """Write until the time is over or all is written, then until the log holds it."""
        async with asyncio.TaskGroup() as group:
            loggers = [group.create_task(self._log()) for _ in range(_LOGGERS)]
            writers = [group.create_task(self._write(share)) for share in self._shares]
            await asyncio.wait(writers)
            ended = min(self._until, time.perf_counter())
            self.tally.measured_s = max(0.0, ended - self._from)
            await self._queue.join()
            for logger in loggers:
                logger.cancel()

    async def _write(self, share: Sequence[int]) -> None:
        orders = [_Order(index, order_document(index)) for index in share]
        source = random.Random(share[0])  # noqa: S311  spreads load, guards nothing
        pick = picker(self._spread, len(orders), source)
        while time.perf_counter() < self._until:
            began = time.perf_counter()
            picked = self._picked(pick, orders)
            if not picked:
                return
            written = [(order, seq) for order, count in picked for seq in _seqs(order, count)]
            commits = [self._commit(order, count) for order, count in picked]
            done = await self._at.bulk_write(commits, ordered=False)
            if done.matched_count != len(commits):
                raise RuntimeError("somebody else writes to these orders")
            self._count(written, began)
            for each in written:
                await self._queue.put(each)

    def _picked(
        self, pick: Callable[[], int | None], orders: Sequence[_Order]
    ) -> list[tuple[_Order, int]]:
        counts: dict[int, int] = {}
        for _ in range(self._batch):
            at = pick()
            if at is None:
                break
            counts[at] = counts.get(at, 0) + 1
        return [(orders[at], count) for at, count in counts.items()]

    def _commit(self, order: _Order, count: int) -> UpdateOne:
        """Decide `count` changes of an order; return their compare-and-set."""
        document = order.document
        expected = {name: document[name] for name in GUARDED} | _expected(order)
        now = datetime.now(UTC)
        changed: dict[str, Any] = {"updateAt": now}
        for _ in range(count):
            order.seq += 1
            order.outbox[order.seq] = self._entry(order, now)
            counted = COUNTED[_type(order.seq)]
            changed[counted] = document[counted] = document[counted] + QUANTITY
        percent = progress(document)
        if percent != document["progress"]:
            changed["progress"] = document["progress"] = percent
        order.turn += 1
        ours = {"epoch": _EPOCH, "seq": order.seq, "turn": order.turn, "dirty": True}
        outbox = list(order.outbox.values())
        return UpdateOne(expected, {"$set": {**changed, "planServer": {**ours, "outbox": outbox}}})

    def _entry(self, order: _Order, now: datetime) -> RawBSONDocument:
        self._number += 1
        context = log_context(order.seq % STEPS, f"SN{self._run}{self._number:010d}", scan=False)
        type_ = _type(order.seq)
        call = {"type": type_, "quantity": QUANTITY, "logContext": context}
        before = order.document[COUNTED[type_]]
        entry = log_entry(order.document, call, (before, before + QUANTITY), now)
        ours = {"seq": order.seq, "epoch": _EPOCH, "requestedQuantity": QUANTITY}
        return RawBSONDocument(bson.encode({**entry, "planServer": ours}))

    def _count(self, written: Sequence[tuple[_Order, int]], began: float) -> None:
        now, tally = time.perf_counter(), self.tally
        tally.sent += 1
        tally.acknowledged += len(written)
        for order, seq in written:
            tally.by_order[order.index][_type(seq) == "output"] += QUANTITY
        if self._from <= now < self._until:
            tally.measured += len(written)
            tally.latencies_s.extend([now - began] * len(written))

    async def _log(self) -> None:
        while True:
            some = [await self._queue.get()]
            while len(some) < _LOGGED_TOGETHER and not self._queue.empty():
                some.append(self._queue.get_nowait())
            await self._logs.insert_many([each.outbox[seq] for each, seq in some], ordered=False)
            for order, seq in some:
                del order.outbox[seq]
                self._queue.task_done()


def _seqs(order: _Order, count: int) -> range:
    return range(order.seq + 1, order.seq + count + 1)


def _type(seq: int) -> str:
    return "output" if seq % 2 else "input"


def _expected(order: _Order) -> dict[str, Any]:
    key = ObjectId(order_id(order.index))
    if not order.turn:
        return {"_id": key, "planServer": {"$eq": None}}
    return {
        "_id": key,
        "planServer.epoch": {"$not": {"$gt": _EPOCH}},
        "planServer.seq": order.seq,
        "planServer.turn": order.turn,
    }


async def _run(args: argparse.Namespace) -> dict[str, Any]:
    uri, database = os.environ["MONGODB_URI"], os.environ["MONGODB_DB"]
    store = MongoStore(uri, database, driver="pymongo")
    await store.open()  # makes the service's indexes
    await store.close()
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        await client.aconnect()
        cpu_from, direct = time.process_time(), _Direct(client[database], args)
        await direct.run()
    return result(direct.tally, args, load.shape_of(args), cpu_from=cpu_from)


def main(argv: Sequence[str]) -> int:
    """Write, and write the result; 1 when nothing was written."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench direct",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    load.add_arguments(parser)
    parser.add_argument("--in-flight", type=int, default=3, help="writers at most (default 3)")
    args = parser.parse_args(argv)
    if load.shape_of(args) != load.shape_of(parser.parse_args(["--spread", args.spread])):
        parser.error("of the calls' shape only --spread can be made directly")
    return load.write(uvloop.run(_run(args)), args.out)
