"""Negative controls: one safeguard taken out of the node's own process, or of a mover's.

Each must turn the checker red; one that stays green would show that the suite is blind.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pymongo.write_concern import WriteConcern

from actors.commit.committer import Committer
from actors.orders import supervisor
from actors.store.mongo.bson import as_object_id
from actors.store.mongo.places import entries_of
from actors.store.schema import ARCHIVE, LOGS
from tests.chaos.movers import NappingArchive
from tests.hasty import Hasty

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from actors.domain.commit import ChangeSet, StoredOrder
    from actors.domain.evidence import Evidence, EvidenceQuery
    from actors.domain.model import Epoch
    from actors.errors import StoreRejected
    from actors.store.mongo.store import MongoStore

CONTROL_VARIABLE: Final = "CHAOS_CONTROL"


def take_out(control: str, store: type[MongoStore]) -> None:
    """Take that safeguard out of this process."""
    CONTROLS[control](store)


def _no_fence(store: type[MongoStore]) -> None:
    def any_state(_epoch: Epoch, before: StoredOrder) -> dict[str, Any]:
        return {"_id": as_object_id(before.id)}

    setattr(store, "_filter", staticmethod(any_state))  # noqa: B010 -- mypy minds the assignment


def _no_keys(store: type[MongoStore]) -> None:
    ask = store.evidence

    async def forgetful(self: MongoStore, queries: Sequence[EvidenceQuery]) -> list[Evidence]:
        return [replace(each, by_request={}) for each in await ask(self, queries)]

    setattr(store, "evidence", forgetful)  # noqa: B010 -- mypy minds the assignment


def _early_reply(_store: type[MongoStore]) -> None:
    setattr(supervisor, "WorkOrderActor", Hasty)  # noqa: B010 -- mypy minds the assignment


def _one_acknowledges(store: type[MongoStore]) -> None:
    open_it = store.open

    async def open_with_w1(self: MongoStore) -> None:
        await open_it(self)
        orders = self._at.orders.with_options(write_concern=WriteConcern(w=1))
        self._at = replace(self._at, orders=orders)

    setattr(store, "open", open_with_w1)  # noqa: B010 -- mypy minds the assignment


def _outbox_replaced(_store: type[MongoStore]) -> None:
    def carries_nothing(_: Committer, change: ChangeSet) -> ChangeSet:
        return change

    setattr(Committer, "_with_carried", carries_nothing)  # noqa: B010 -- mypy minds the assignment


CONTROLS: Final[dict[str, Callable[[type[MongoStore]], None]]] = {
    "fence": _no_fence,
    "key": _no_keys,
    "early reply": _early_reply,
    "w:1": _one_acknowledges,
    "outbox": _outbox_replaced,
}


class _LeavesOriginals(NappingArchive):
    async def _delete_originals(self, state: Mapping[str, Any]) -> int:
        del state
        return 0


class _CopiesNothing(NappingArchive):
    async def _copy(self, state: Mapping[str, Any]) -> list[StoreRejected]:
        del state
        return []

    async def _delete_originals(self, state: Mapping[str, Any]) -> int:
        at = self._collections()
        source = {LOGS: at.logs, ARCHIVE: at.archive}[state["source"]]
        await source.delete_many(entries_of(state["orders"], state["before"]))
        return 0


MOVERS: Final[dict[str, type[NappingArchive]]] = {
    "an entry stays in both places": _LeavesOriginals,
    "an entry is in neither place": _CopiesNothing,
}
