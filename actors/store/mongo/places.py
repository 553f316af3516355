"""Where an entry counts, in the log or in the archive, while it is moved: in one of them always.

One document says which orders' entries are on their way, from where, and whether all of them were
copied. Readers ask for it first: until all are copied the copies don't count, then the originals
don't. Between each change of it and what follows lies more time than any read takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from actors.store.mongo.client import cursor_of
from actors.store.schema import ARCHIVE, BATCH, LOGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bson import ObjectId

    from actors.store.mongo.reads import Collections

    Stages = Sequence[dict[str, Any]]

MOVING: Final = {"_id": "archive"}
"""The document; there is none before anything was ever moved."""


@dataclass(frozen=True, slots=True)
class Places:
    """The conditions of the entries that count: in the log, and in the archive if there is one."""

    log: Mapping[str, Any]
    archive: Mapping[str, Any] | None = None

    def both(self, stages: Stages) -> list[dict[str, Any]]:
        """Return a pipeline on the log that does `stages` with what counts in each place."""
        both = [*stages[:1], {"$match": self.log}, *stages[1:]] if self.log else [*stages]
        return [*both, *self.archived(stages)]

    def archived(self, stages: Stages) -> list[dict[str, Any]]:
        """Return the stage that adds the archive's; the first of `stages` is a `$match`."""
        if self.archive is None:
            return []
        rest = [*stages[:1], {"$match": self.archive}, *stages[1:]]
        return [{"$unionWith": {"coll": ARCHIVE, "pipeline": rest}}]

    def of(self, at: Collections, condition: Mapping[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
        """Return each collection with the condition of what counts there."""
        found = [(at.logs, {"$and": [condition, self.log]} if self.log else dict(condition))]
        if self.archive is not None:
            found.append((at.archive, {"$and": [condition, self.archive]}))
        return found


@dataclass(frozen=True, slots=True)
class Both:
    """Log and archive, read as one."""

    at: Collections
    places: Places

    async def count_documents(self, condition: Mapping[str, Any]) -> int:
        """Count what fits."""
        found = self.places.of(self.at, condition)
        return sum([await log.count_documents(such) for log, such in found])

    async def find(
        self, condition: Mapping[str, Any], order: Mapping[str, int], skip: int, limit: int
    ) -> Any:  # noqa: ANN401 -- either driver's
        """Return a cursor of what fits, in this order."""
        both = self.places.both([{"$match": condition}])
        page: Stages = [{"$sort": order}, {"$skip": skip}, {"$limit": limit}]
        return await cursor_of(self.at.logs, [*both, *page], allowDiskUse=True)


def entries_of(orders: Sequence[ObjectId], before: Any) -> dict[str, Any]:  # noqa: ANN401 -- a datetime as stored
    """Return the condition of the entries that are moved together."""
    return {"workOrderId": {"$in": list(orders)}, "operateTime": {"$lt": before}}


async def places(at: Collections) -> Places:
    """Read where entries count just now; to be asked before each read of both."""
    state = await at.state.find_one(MOVING)
    if state is None:
        return Places({})
    ignored: list[dict[str, Any]] = [{}, {}]  # in the source, and where it is copied to
    if not (state["orders"] or state["left"]):
        return Places({}, {})
    if not state["copied"]:
        ignored[1] = _none_of({BATCH: state["batch"]})
    else:
        ignored[0] = _none_of(entries_of(state["orders"], state["before"]))
        if state["left"]:
            left = {BATCH: state["batch"], "workOrderId": {"$in": state["left"]}}
            ignored[1] = _none_of(left)
    return Places(*(ignored if state["source"] == LOGS else reversed(ignored)))


def _none_of(condition: Mapping[str, Any]) -> dict[str, Any]:
    return {"$nor": [condition]}
