"""What only one owner may do at a time, of whichever shard: a document for it, with an end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from actors.errors import OutcomeUnknown, StoreRejected, StoreUnavailable
from actors.store.mongo.client import writing
from actors.store.port import EXCLUSIVE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.store.mongo.reads import Collections

Exclusive = Callable[[str], AbstractAsyncContextManager[None]]
_AGAIN_S: Final = 0.05
_KEY: Final = "exclusive:"


@asynccontextmanager
async def exclusive(at: Collections, name: str) -> AsyncIterator[None]:
    """Do `Store.exclusive`; nothing is written where all orders have one owner."""
    if at.shard.whole:
        yield
        return
    key, token = {"_id": f"{_KEY}{name}"}, ObjectId()
    in_doubt = False
    try:
        while not await _take(at, key, token):  # noqa: ASYNC110 -- it is another process's
            await asyncio.sleep(_AGAIN_S)
        yield
    except OutcomeUnknown:
        in_doubt = True
        raise
    finally:
        if not in_doubt:
            await _give_back(at, key, token)


async def _give_back(at: Collections, key: dict[str, Any], token: ObjectId) -> None:
    # What can't be given back ends by itself.
    with suppress(StoreUnavailable, OutcomeUnknown, StoreRejected), writing():
        await at.state.delete_one(key | {"by": token})


async def _take(at: Collections, key: dict[str, Any], token: ObjectId) -> bool:
    """Have it where nobody has; a try without an answer is found by the next one."""
    free = {"$lt": ["$until", "$$NOW"]}  # as is one that was never there
    until = {"$add": ["$$NOW", round(EXCLUSIVE_S * 1000)]}
    fields = {
        name: {"$cond": [{"$or": [free, {"$eq": ["$by", token]}]}, value, f"${name}"]}
        for name, value in (("by", token), ("until", until))
    }
    with suppress(OutcomeUnknown), writing(), suppress(DuplicateKeyError):
        found = await at.state.find_one_and_update(
            key, [{"$set": fields}], upsert=True, return_document=ReturnDocument.AFTER
        )
        return bool(found["by"] == token)
    return False
