"""What is kept for operators, in a MongoDB collection of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pymongo import ReplaceOne

from actors.store.mongo.client import reading, writing
from actors.store.records import Record
from actors.store.values import mapping_from, time_from

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from actors.store.mongo.reads import Collections

_NEWEST_FIRST: Final = [("at", -1), ("_id", -1)]


class MongoRecords:
    """Implements `actors.store.records.Records` in the collections that `at` gives, once open."""

    def __init__(self, at: Callable[[], Collections]) -> None:
        self._collections = at

    async def put(self, records: Sequence[Record]) -> None:
        """Replace or insert, all in one round trip."""
        operations = [
            ReplaceOne(
                {"_id": _id(each.kind, each.name)},
                {"kind": each.kind, "name": each.name, "at": each.at, "fields": {**each.fields}},
                upsert=True,
            )
            for each in records
        ]
        if operations:
            with writing():
                await self._all.bulk_write(operations, ordered=False)

    async def read(
        self, kind: str, *, limit: int, since: datetime | None = None, skip: int = 0
    ) -> list[Record]:
        """Read the newest; what is spoilt is left out."""
        condition: dict[str, Any] = {"kind": kind}
        if since is not None:
            condition["at"] = {"$gte": since}
        with reading():
            found = self._all.find(condition).sort(_NEWEST_FIRST).skip(skip).limit(limit)
            rows = await found.to_list(None)
        return [
            Record(kind, str(row.get("name")), at, mapping_from(row.get("fields")))
            for row in rows
            if (at := time_from(row.get("at"))) is not None
        ]

    async def count(self, kind: str) -> int:
        """Count them."""
        with reading():
            return int(await self._all.count_documents({"kind": kind}))

    async def remove(self, kind: str, name: str) -> None:
        """Delete one."""
        with writing():
            await self._all.delete_one({"_id": _id(kind, name)})

    async def trim(self, kind: str, before: datetime) -> None:
        """Delete the older ones."""
        with writing():
            await self._all.delete_many({"kind": kind, "at": {"$lt": before}})

    @property
    def _all(self) -> Any:  # noqa: ANN401 -- either driver's collection
        return self._collections().records


def _id(kind: str, name: str) -> str:
    return f"{kind}/{name}"
