"""Writes beside the orders, fenced: what a later owner has read, an earlier one no longer changes.

A take-over marks with its epoch (`fence`) all that waits or has failed, and the document of pauses;
a write of a lower epoch matches none of it. After a write the highest epoch is read: a write that
came before the claim is seen by who claimed it, one that came after raises `Overtaken`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError

from actors.domain.job import JobState
from actors.domain.model import Epoch
from actors.domain.slots import slot_of
from actors.errors import Overtaken, StoreRejected
from actors.store.mongo.client import reading, sent, writing
from actors.store.mongo.reads import claimed_epoch, shards_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.domain.slots import Shard
    from actors.store.mongo.reads import Collections

COUNT: Final = {"_id": "owner"}
CONTROL: Final = {"_id": "control"}
_CLUSTER: Final = {"_id": "cluster"}
_LARGEST_EPOCH: Final = 2**53
_AT_ONCE: Final = 1_000
_CHANGEABLE: Final = {"state": {"$in": [JobState.WAITING.value, JobState.FAILED.value]}}


async def claim_epoch(at: Collections, node: str, above: int, url: str) -> Epoch:
    """Take the next epoch, by majority, and fence off the owners before."""
    await _check_map(at)
    with writing():
        epoch = await claim_counter(at, node, above, url)
        # Where the map is the same still, whoever owns under a later one has a higher epoch; else
        # what is marked with this one could be theirs already.
        await _check_map(at)
        if not at.shard.whole:
            await _note_owner(at, epoch, node, url)
            await note_slots(at)
        await fence_off(at, epoch)
    return epoch


async def claim_counter(at: Collections, node: str, above: int, url: str) -> Epoch:
    """Take the next epoch of all; the caller turns the driver's errors.

    One count for all shards: the epoch of an order never falls, whichever shard it comes to.
    """
    # Whatever else than a whole number is there counts as none: `above` knows the orders'.
    bounds = [{"$gte": ["$epoch", 0]}, {"$lt": ["$epoch", _LARGEST_EPOCH]}]
    is_count = {"$and": [{"$isNumber": "$epoch"}, *bounds]}
    claimed = {"$toLong": {"$cond": [is_count, {"$floor": "$epoch"}, 0]}}
    following = {"$add": [{"$max": [claimed, above]}, 1]}
    # With its epoch: an earlier release leaves it as it is.
    known_at = {"epoch": following, "url": {"$literal": url}}
    state = await at.state.find_one_and_update(
        COUNT,
        [{"$set": {"epoch": following, "node": {"$literal": node}, "at": known_at}}],
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    return Epoch(claimed_epoch(state))


async def _note_owner(at: Collections, epoch: Epoch, node: str, url: str) -> None:
    """Say who owns the shard, unless a later owner has said so already."""
    is_later = {"$lt": [{"$ifNull": ["$epoch", 0]}, epoch]}
    said = {"epoch": epoch, "node": node, "at": {"epoch": epoch, "url": url}}
    fields = {
        name: {"$cond": [is_later, {"$literal": value}, f"${name}"]} for name, value in said.items()
    }
    await at.state.update_one(at.owner, [{"$set": fields}], upsert=True)


async def _check_map(at: Collections) -> None:
    """Raise `StoreRejected` where the orders are cut in another way by now, or are to be."""
    with reading():
        stored = shards_in(await at.state.find_one(CONTROL))
    if not stored.includes(at.shard):
        raise StoreRejected(
            f"the orders are cut into {stored.count} shards, by version {stored.version} of the map"
        )
    if stored.planned is not None:
        raise StoreRejected(f"the orders are being cut into {stored.planned} shards")


async def note_slots(at: Collections) -> None:
    """Give jobs a slot that were accepted while the orders were in one shard."""
    while some := await at.inbox.find({"slot": None}, {"workOrderId": 1}).to_list(_AT_ONCE):
        await at.inbox.bulk_write(
            [
                UpdateOne(
                    {"_id": each["_id"], "slot": None},
                    {"$set": {"slot": slot_of(str(each.get("workOrderId")))}},
                )
                for each in some
            ],
            ordered=False,
        )


async def cluster_secret(at: Collections, fresh: str) -> str:
    """Return the secret that all nodes of this database share; keep `fresh` where there is none."""
    with reading():
        found = await at.state.find_one(_CLUSTER)
    kept = (found or {}).get("secret")
    if isinstance(kept, str) and kept:
        return kept
    is_secret = {"$and": [{"$eq": [{"$type": "$secret"}, "string"]}, {"$ne": ["$secret", ""]}]}
    chosen = {"$cond": [is_secret, "$secret", {"$literal": fresh}]}
    with writing():
        state = await at.state.find_one_and_update(
            _CLUSTER,
            [{"$set": {"secret": chosen}}],
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
    return str(state["secret"])


async def fence_off(at: Collections, epoch: Epoch) -> None:
    """Mark what earlier owners must not change any more; the caller turns the driver's errors."""
    await at.state.update_one(CONTROL, {"$max": {at.fence: epoch}}, upsert=True)
    await at.inbox.update_many(_CHANGEABLE | at.slots, {"$max": {"fence": epoch}})


def unfenced(epoch: Epoch, fence: str = "fence") -> dict[str, Any]:
    """Return the condition of a document that no later owner has marked."""
    return {fence: {"$not": {"$gt": epoch}}}


async def change_control(at: Collections, epoch: Epoch, change: Mapping[str, Any]) -> None:
    """Change the document of pauses; raises `Overtaken`, `OutcomeUnknown`, `StoreUnavailable`."""
    mine = CONTROL | unfenced(epoch, at.fence) | _same_map(at.shard)
    changed = False
    with writing(), suppress(DuplicateKeyError):  # there, and a later owner's or another map's
        await at.state.update_one(mine, change, upsert=True)
        changed = True
    await check(at, epoch)
    if not changed:  # and nobody has claimed an epoch under that map yet
        raise Overtaken(epoch, epoch + 1)


def _same_map(shard: Shard) -> dict[str, Any]:
    """Return the condition of the document of the map that a shard is one of it still."""
    if shard.whole:
        return {"shards.count": {"$in": [1, None]}}
    version = {"shards.version": shard.version} if shard.version else {}
    return {"shards.count": shard.count} | version


async def check(at: Collections, epoch: Epoch) -> None:
    """Raise `Overtaken` where an epoch above `epoch` was claimed; to be called after a write."""
    with sent(), reading():
        if at.shard.whole:
            seen = claimed_epoch(await at.state.find_one(COUNT))
        else:
            seen = await _epoch_of_shard(at)
    if seen > epoch:
        raise Overtaken(epoch, seen)


async def _epoch_of_shard(at: Collections) -> int:
    """Return the highest epoch of the shard; where the map is another by now, one above all."""
    ids = {"$in": [each["_id"] for each in (COUNT, CONTROL, at.owner)]}
    found = {each["_id"]: each for each in await at.state.find({"_id": ids}).to_list(None)}
    if shards_in(found.get(CONTROL["_id"])).includes(at.shard):
        return claimed_epoch(found.get(at.owner["_id"]))
    return claimed_epoch(found.get(COUNT["_id"])) + 1
