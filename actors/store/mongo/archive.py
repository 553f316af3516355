"""Moving entries of orders that ended from the log to the archive of MongoDB, and back.

A batch is moved in steps, the same in both directions, with a rest before each but the first:

1. it is announced, with a number above all before: what carries that number doesn't count;
2. its entries are copied, each with the number, then the orders' turns are advanced, so that
   whoever decided without the copies finds his commit stale, and reads the order anew;
3. the copies count, the originals don't: that, and of which orders, is one write;
4. the originals are deleted, as far as their copies are there.

Each can be done twice, and late, by whomever: so none has to be the owner's. The server copies
only while the batch is at that step. What is copied once more has a higher number, and a deletion
that was meant for it before does not match it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from actors.domain.commit import OUTBOX
from actors.domain.model import Epoch, WorkOrderId
from actors.errors import StoreRejected
from actors.store.archive import ENDED, Moved
from actors.store.mongo.bson import revision_filter
from actors.store.mongo.client import all_of, reading, writing
from actors.store.mongo.places import MOVING, entries_of
from actors.store.mongo.reads import load
from actors.store.schema import ARCHIVE, BATCH, LOGS, NODE_STATE, OURS, RESTORED
from actors.store.values import order_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from actors.domain.commit import StoredOrder
    from actors.store.mongo.reads import Collections

REST_S: Final = 60.0
"""Longer than any read of log and archive takes; the driver's time-out ends each before."""
_SCANNED: Final = 5_000
"""Entries of the log, the oldest first, whose orders are looked at together."""
_ORDERS: Final = 500
_ENTRIES: Final = 20_000
"""What one batch has at most; a single order may have more entries."""
_AT_ONCE: Final = 1_000
_EVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
_STILL: Final = f"{OURS}Still"
"""A field for a moment, of an entry that is copied."""
_SINCE_VERSION: Final = (4, 4)
"""The first MongoDB that has `$unionWith`."""


class MongoArchive:
    """Implements `actors.store.archive.Archive`; `rest` waits between the steps of a batch."""

    def __init__(self, collections: Callable[[], Collections]) -> None:
        self._collections = collections
        self._seen: datetime | None = None
        """Up to when this pass through the log has come."""
        self._left: set[Any] = set()
        """Orders that it leaves where they are."""

    async def rest(self) -> None:
        """Wait until all reads that began before are over."""
        await asyncio.sleep(REST_S)

    async def old(self, before: datetime) -> Moved:
        """Look through the log."""
        found = Moved()
        async for _, _, count in self._ended(before, None):
            found += Moved(1, count)
        return found

    async def move(self, before: datetime) -> Moved | None:
        """Finish the batch that is under way, or announce one and do all its steps."""
        at = self._collections()
        if at.shard.index:  # the owner of the first shard does it for all
            return None
        await self._check_version()
        if await self._state() is None:
            orders = await self._next(before)
            if not orders:
                self._left.clear()
                return None
            await self._announce(LOGS, orders, before)
        return await self._finish()

    async def kept(self, order_ids: Sequence[WorkOrderId] | None = None) -> Moved:
        """Count the orders, then add up their entries."""
        by_order = {"$group": {"_id": "$workOrderId", "entries": {"$sum": 1}}}
        all_orders = {"$group": {"_id": None, "n": {"$sum": 1}, "entries": {"$sum": "$entries"}}}
        with reading():
            found = await all_of(
                self._collections().archive, [{"$match": _named(order_ids)}, by_order, all_orders]
            )
        return Moved(found[0]["n"], found[0]["entries"]) if found else Moved()

    async def restore(self, order_ids: Sequence[WorkOrderId] | None = None) -> Moved | None:
        """Finish the batch that is under way, or announce one and do all its steps."""
        if await self._state() is None:
            some: list[dict[str, Any]] = [
                {"$match": _named(order_ids)},
                {"$limit": _ENTRIES},
                {"$group": {"_id": "$workOrderId"}},
                {"$limit": _ORDERS},
            ]
            with reading():
                found = await all_of(self._collections().archive, some)
            if not found:
                return None
            await self._announce(ARCHIVE, [each["_id"] for each in found], _EVER)
        return await self._finish()

    # -- what is to be moved -----------------------------------------------------------------

    async def _next(self, before: datetime) -> list[ObjectId]:
        """Collect a batch, on from where the last one ended; none when the log is done with."""
        batch: list[ObjectId] = []
        entries = 0
        async for at, order_id, count in self._ended(before, self._seen):
            self._seen = at
            if batch and (len(batch) == _ORDERS or entries + count > _ENTRIES):
                return batch
            batch.append(order_id)
            entries += count
        self._seen = None
        return batch

    async def _ended(
        self, before: datetime, since: datetime | None
    ) -> AsyncIterator[tuple[datetime, ObjectId, int]]:
        """Find orders to move, by the oldest entries first, with the time and number of these."""
        at, known = self._collections(), set(self._left)
        time = {"$lt": before} | ({"$gte": since} if since else {})
        found = at.logs.find({"operateTime": time}, {"workOrderId": 1, "operateTime": 1})
        async for some in _in_parts(found.sort("operateTime", 1), _SCANNED):
            first: dict[Any, datetime] = {}
            for each in some:
                if (order_id := each.get("workOrderId")) not in known:
                    first.setdefault(order_id, each["operateTime"])
            known |= first.keys()
            condition = {
                "_id": {"$in": list(first)},
                "status": {"$in": sorted(ENDED)},
                f"{OURS}.{OUTBOX}": {"$in": [None, []]},
            }
            with reading():
                ended = await at.orders.find(condition, {"_id": 1}).to_list(None)
            ids = {each["_id"] for each in ended}
            for order_id, when in first.items():
                if order_id in ids and (count := await self._old_entries(order_id, before)):
                    yield when, order_id, count

    async def _old_entries(self, order_id: ObjectId, before: datetime) -> int:
        """Return how many entries an order has in the log; 0 where they are not to be moved."""
        log, mine = self._collections().logs, {"workOrderId": order_id}
        group = {"_id": None, "entries": {"$sum": 1}, "restored": {"$max": f"${RESTORED}"}}
        with reading():
            newest = await log.find(mine).sort("operateTime", -1).limit(1).to_list(1)
            if not newest or order_time(newest[0].get("operateTime")) >= before:
                return 0
            found = await all_of(log, [{"$match": mine}, {"$group": group}])
        if not found or order_time(found[0]["restored"]) >= before:  # another mover has them
            return 0
        return int(found[0]["entries"])

    # -- the steps of a batch ----------------------------------------------------------------

    async def _check_version(self) -> None:
        with reading():
            told = await self._collections().state.database.command("buildInfo")
        if tuple(told["versionArray"][:2]) < _SINCE_VERSION:
            raise StoreRejected("entries are archived on MongoDB 4.4 or newer only")

    async def _state(self) -> dict[str, Any] | None:
        """Return the batch that is under way."""
        with reading():
            state: dict[str, Any] | None = await self._collections().state.find_one(MOVING)
        return state if state and (state["orders"] or state["left"]) else None

    async def _announce(self, source: str, orders: Sequence[ObjectId], before: datetime) -> None:
        """Begin a batch, unless another one has begun meanwhile."""
        nothing: dict[str, Any] = MOVING | {
            "orders": {"$in": [None, []]},
            "left": {"$in": [None, []]},
        }
        batch = {"source": source, "orders": orders, "before": before, "copied": False, "left": []}
        with writing(), suppress(DuplicateKeyError):
            await self._collections().state.update_one(
                nothing, {"$set": batch, "$inc": {"batch": 1}}, upsert=True
            )

    async def _finish(self) -> Moved:
        """Do what is left of the batch that is under way; it may be another process's."""
        state, refused = await self._state(), list[StoreRejected]()
        if state is not None and not state["copied"]:
            await self.rest()
            refused = await self._copy(state)
            await self._advance_turns(state)
            await self._change(state, {"$set": {"copied": True}})
            state = await self._state()
        if state is None or not state["copied"]:  # a later one: whoever began it goes on with it
            return Moved()
        await self.rest()
        entries = await self._delete_originals(state)
        await self._delete_left(state)
        await self._change(state, {"$set": {"orders": [], "left": []}}, copied=True)
        if refused:
            raise refused[0]
        return Moved(len(state["orders"]), entries)

    async def _change(
        self, state: Mapping[str, Any], change: Mapping[str, Any], *, copied: bool = False
    ) -> None:
        """Change the batch, if it is still this one and has come so far."""
        same = MOVING | {"batch": state["batch"], "copied": copied}
        with writing():
            await self._collections().state.update_one(same, change)

    async def _copy(self, state: Mapping[str, Any]) -> list[StoreRejected]:
        """Copy entries as they are, within the server; those that came back say when.

        Leave out the orders of which the database refuses some, and say why it does.
        """
        source, copies = _ways(self._collections(), state)
        marks: dict[str, Any] = {BATCH: state["batch"]}
        if source.name == ARCHIVE:
            marks[RESTORED] = datetime.now(UTC)
        steps = [{"$set": marks}, {"$merge": {"into": copies.name, "whenMatched": "replace"}}]
        refused = []
        for order_id in state["orders"]:
            still = _if_still_copied(state, order_id)
            try:
                async for ids in _ids(source, entries_of([order_id], state["before"])):
                    with writing():
                        await all_of(source, [{"$match": {"_id": {"$in": ids}}}, *still, *steps])
            except StoreRejected as error:
                refused.append(StoreRejected(f"entries of work order {order_id}: {error}"))
                await self._leave(state, [order_id])
        return refused

    async def _delete_originals(self, state: Mapping[str, Any]) -> int:
        """Delete what has its copy; return how many entries have one."""
        source, copies = _ways(self._collections(), state)
        count, batch = 0, state["batch"]
        copied = entries_of(state["orders"], state["before"]) | {BATCH: batch}
        async for ids in _ids(copies, copied):
            count += len(ids)
            with writing():
                await source.delete_many({"_id": {"$in": ids}, BATCH: {"$not": {"$gte": batch}}})
        return count

    async def _delete_left(self, state: Mapping[str, Any]) -> None:
        """Delete the copies of orders that stay where they are."""
        _, copies = _ways(self._collections(), state)
        if state["left"]:
            mine = {"workOrderId": {"$in": state["left"]}, BATCH: state["batch"]}
            with writing():
                await copies.delete_many(mine)

    async def _advance_turns(self, state: Mapping[str, Any]) -> None:
        """Let no decision count that was made without the copies.

        Leave out who is at work, but when entries come back: there, whoever else commits meanwhile
        has advanced the turn as well.
        """
        left, back = [], state["source"] == ARCHIVE
        ids = [WorkOrderId(str(each)) for each in state["orders"]]
        for order_id, order in zip(ids, await load(self._collections(), ids), strict=True):
            advanced = order is not None and await self._advance_turn(order, back=back)
            if not (advanced or back):
                left.append(ObjectId(order_id))
        if left:
            await self._leave(state, left)

    async def _leave(self, state: Mapping[str, Any], left: Sequence[ObjectId]) -> None:
        """Leave orders of the batch where they are, unless their copies count already."""
        left_out = {"$pull": {"orders": {"$in": left}}, "$push": {"left": {"$each": left}}}
        await self._change(state, left_out)
        self._left |= set(left)

    async def _advance_turn(self, order: StoredOrder, *, back: bool) -> bool:
        if OUTBOX in order.unreadable or (order.outbox and not back):
            return False
        turn: dict[str, Any] = {f"{OURS}.turn": order.revision + 1}
        if not order.adopted:
            turn = {OURS: {"epoch": 0, "seq": order.seq, "turn": order.revision + 1, "outbox": []}}
        still = revision_filter(Epoch(order.epoch), order)
        if not back:
            still["status"] = {"$in": sorted(ENDED)}
        with writing():
            result = await self._collections().orders.update_one(still, {"$set": turn})
        return bool(result.matched_count)


def _named(order_ids: Sequence[WorkOrderId] | None) -> dict[str, Any]:
    """Return the condition of the entries of these orders; none for all orders."""
    if order_ids is None:
        return {}
    return {"workOrderId": {"$in": [ObjectId(each) for each in order_ids]}}


def _ways(at: Collections, state: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the collections that a batch is moved from and to."""
    return (at.logs, at.archive) if state["source"] == LOGS else (at.archive, at.logs)


def _if_still_copied(state: Mapping[str, Any], order_id: ObjectId) -> list[dict[str, Any]]:
    """Return the stages that let nothing through once the batch's copies of an order count.

    Or once they never will. The server looks as it copies: whoever sent that may have slept before.
    """
    same = MOVING | {"batch": state["batch"], "copied": False, "orders": order_id}
    look = {"from": NODE_STATE, "pipeline": [{"$match": same}], "as": _STILL}
    return [{"$lookup": look}, {"$match": {_STILL: {"$ne": []}}}, {"$unset": _STILL}]


async def _ids(
    collection: Any,  # noqa: ANN401 -- either driver's
    condition: Mapping[str, Any],
) -> AsyncIterator[list[Any]]:
    """Read ids, so many at a time."""
    async for some in _in_parts(collection.find(condition, {"_id": 1}), _AT_ONCE):
        yield [each["_id"] for each in some]


async def _in_parts(
    cursor: Any,  # noqa: ANN401 -- the same
    limit: int,
) -> AsyncIterator[list[dict[str, Any]]]:
    try:
        while True:
            with reading():
                found = await cursor.to_list(limit)
            if not found:
                return
            yield found
    finally:
        await cursor.close()
