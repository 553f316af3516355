"""The map of shards in MongoDB, beside the pauses, and a document per node that shares them."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from actors.store.mongo.client import reading, writing
from actors.store.mongo.control import CONTROL, claim_counter
from actors.store.mongo.reads import shards_in
from actors.store.shards import Member

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.domain.slots import ShardMap
    from actors.store.mongo.reads import Collections

_BY_SLOT: Final = [("slot", 1), ("state", 1), ("epoch", 1), ("n", 1)]
_NODE: Final = "node:"
_ALL_NODES: Final = {"$gte": _NODE, "$lt": "node;"}
_FORGOTTEN_AFTER: Final = timedelta(hours=1)


class MongoShardMap:
    """Implements `actors.store.shards.Members`."""

    def __init__(self, at: Collections) -> None:
        self._at = at

    async def read(self) -> ShardMap:
        """Return the map as it is stored."""
        with reading():
            return shards_in(await self._at.state.find_one(CONTROL))

    async def move(self, was: ShardMap, count: int) -> bool:
        """Cut the orders anew; `check` then tells each owner under the old map."""
        with writing():
            await self._at.inbox.create_index(_BY_SLOT)
            moved = await self._change(
                was, {"shards": {"count": count, "version": was.version + 1}}
            )
            if moved:
                # Behind it, and above every owner's: one of all orders asks for the epoch alone.
                epoch = await claim_counter(self._at, "", 0, "")
                await self._at.state.update_one(CONTROL, {"$max": {"fence": epoch}})
        return moved

    async def plan(self, was: ShardMap, count: int) -> bool:
        """Write down what is to come, in the map; `claim_epoch` heeds it."""
        with writing():
            return await self._change(was, {"shards.count": was.count, "shards.planned": count})

    async def _change(self, was: ShardMap, fields: dict[str, Any]) -> bool:
        """Set fields of the document of the map, if it is as it `was` still; it is made here."""
        same = CONTROL | {"shards.version": was.version or None}
        if was.planned is not None:
            same |= {"shards.planned": was.planned}
        with suppress(DuplicateKeyError):  # it is there, and has another version
            await self._at.state.update_one(same, {"$set": fields}, upsert=True)
            return True
        return False

    async def beat(self, me: Member, within_s: float) -> Sequence[Member]:
        """Write down this node with the server's time, and read the others."""
        with writing():
            mine: dict[str, Any] = await self._at.state.find_one_and_update(
                {"_id": f"{_NODE}{me.node}"},
                [
                    {
                        "$set": {
                            "url": {"$literal": me.url},
                            "follows": me.follows,
                            "seen": "$$NOW",
                        }
                    }
                ],
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        now = mine["seen"]
        with reading():
            found = await self._at.state.find({"_id": _ALL_NODES}).to_list(None)
        with writing():
            if any(now - each["seen"] > _FORGOTTEN_AFTER for each in found):
                await self._at.state.delete_many(
                    {"_id": _ALL_NODES, "seen": {"$lt": now - _FORGOTTEN_AFTER}}
                )
        present = (each for each in found if (now - each["seen"]).total_seconds() <= within_s)
        members = [
            Member(each["_id"][len(_NODE) :], str(each["url"]), each.get("follows") is True)
            for each in present
        ]
        return sorted(members, key=lambda member: member.node)

    async def leave(self, me: Member) -> None:
        """Delete this node's document."""
        with writing():
            await self._at.state.delete_one({"_id": f"{_NODE}{me.node}"})
