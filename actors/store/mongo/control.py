"""Writes beside the orders, fenced: what a later owner has read, an earlier one no longer changes.

A take-over marks with its epoch (`fence`) all that waits or has failed, and the document of pauses;
a write of a lower epoch matches none of it. After a write the highest epoch is read: a write that
came before the claim is seen by who claimed it, one that came after raises `Overtaken`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from actors.domain.job import JobState
from actors.domain.model import Epoch
from actors.errors import Overtaken
from actors.store.mongo.client import reading, sent, writing
from actors.store.mongo.reads import claimed_epoch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.store.mongo.reads import Collections

CONTROL: Final = {"_id": "control"}
_CLUSTER: Final = {"_id": "cluster"}
_LARGEST_EPOCH: Final = 2**53
_CHANGEABLE: Final = {"state": {"$in": [JobState.WAITING.value, JobState.FAILED.value]}}


async def claim_epoch(at: Collections, node: str, above: int, url: str) -> Epoch:
    """Take the next epoch, by majority, and fence off the owners before."""
    # Whatever else than a whole number is there counts as none: `above` knows the orders'.
    bounds = [{"$gte": ["$epoch", 0]}, {"$lt": ["$epoch", _LARGEST_EPOCH]}]
    is_count = {"$and": [{"$isNumber": "$epoch"}, *bounds]}
    claimed = {"$toLong": {"$cond": [is_count, {"$floor": "$epoch"}, 0]}}
    following = {"$add": [{"$max": [claimed, above]}, 1]}
    # With its epoch: an earlier release leaves it as it is.
    known_at = {"epoch": following, "url": {"$literal": url}}
    with writing():
        state = await at.state.find_one_and_update(
            {"_id": "owner"},
            [{"$set": {"epoch": following, "node": {"$literal": node}, "at": known_at}}],
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        epoch = Epoch(claimed_epoch(state))
        await fence_off(at, epoch)
    return epoch


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
    await at.state.update_one(CONTROL, {"$max": {"fence": epoch}}, upsert=True)
    await at.inbox.update_many(_CHANGEABLE, {"$max": {"fence": epoch}})


def unfenced(epoch: Epoch) -> dict[str, Any]:
    """Return the condition of a document that no later owner has marked."""
    return {"fence": {"$not": {"$gt": epoch}}}


async def change_control(at: Collections, epoch: Epoch, change: Mapping[str, Any]) -> None:
    """Change the document of pauses; raises `Overtaken`, `OutcomeUnknown`, `StoreUnavailable`."""
    with writing(), suppress(DuplicateKeyError):  # it is there, and marked by a later owner
        await at.state.update_one(CONTROL | unfenced(epoch), change, upsert=True)
    await check(at, epoch)


async def check(at: Collections, epoch: Epoch) -> None:
    """Raise `Overtaken` where an epoch above `epoch` was claimed; to be called after a write."""
    with sent(), reading():
        state = await at.state.find_one({"_id": "owner"})
    seen = claimed_epoch(state)
    if seen > epoch:
        raise Overtaken(epoch, seen)
