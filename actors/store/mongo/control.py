"""Writes beside the orders, fenced: what a later owner has read, an earlier one no longer changes.

A take-over marks with its epoch (`fence`) all that waits or has failed, and the document of pauses;
a write of a lower epoch matches none of it. After a write the highest epoch is read: a write that
came before the claim is seen by who claimed it, one that came after raises `Overtaken`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pymongo.errors import DuplicateKeyError

from actors.domain.job import JobState
from actors.errors import Overtaken
from actors.store.mongo.client import reading, sent, writing
from actors.store.mongo.reads import claimed_epoch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.domain.model import Epoch
    from actors.store.mongo.reads import Collections

CONTROL: Final = {"_id": "control"}
_CHANGEABLE: Final = {"state": {"$in": [JobState.WAITING.value, JobState.FAILED.value]}}


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
