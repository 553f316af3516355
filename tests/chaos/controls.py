"""Negative controls: one safeguard taken out of the node's own process, on real servers.

Each must turn the checker red; one that stays green would show that the suite is blind.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pymongo.write_concern import WriteConcern

from actors.commit.committer import Committer
from actors.orders import supervisor
from actors.store.mongo.bson import as_object_id
from tests.hasty import Hasty

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.domain.commit import ChangeSet, StoredOrder
    from actors.domain.evidence import Evidence, EvidenceQuery
    from actors.domain.model import Epoch
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
