"""Nodes on a store and a lease in memory, and what befalls them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from actors.errors import WorkOrderError
from actors.node.node import Node, NodeOptions
from actors.node.term import TermOptions
from actors.orders.supervisor import Limits
from tests.fake_lease import LeaseServer, MemoryLease
from tests.fakes import MemoryStore
from tests.unit.actors.owner import ORDER, OTHER

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.domain.messages import UpdateQuantity
    from actors.lease import Holder
    from actors.node.actor import NodeActor
    from actors.node.status import Role
    from tests.unit.actors.owner import Answer

TTL_S = 6.0


@dataclass
class HeldLease(MemoryLease):
    """A lease whose answers take their time."""

    renews: bool | None = None
    """What a renewal is answered, whatever is kept."""
    renewing_s: float = 0.0
    answers_releases: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.answers_releases.set()

    async def renew(self, holder: Holder) -> bool:
        await asyncio.sleep(self.renewing_s)
        return await super().renew(holder) if self.renews is None else self.renews

    async def release(self, holder: Holder) -> bool:
        released = await super().release(holder)
        await self.answers_releases.wait()
        return released


@dataclass
class AppContext:
    """A store, a lease's server, and the nodes that share them."""

    store: MemoryStore = field(default_factory=MemoryStore)
    server: LeaseServer = field(default_factory=lambda: LeaseServer(TTL_S))

    def __post_init__(self) -> None:
        for order_id in (ORDER, OTHER):
            self.store.put(order_id)

    def node(self, name: str = "a", **options: Any) -> Node:  # noqa: ANN401 -- of NodeOptions
        term = TermOptions(Limits())
        return Node(
            self.store,
            HeldLease(self.server),
            NodeOptions(name, f"http://{name}", TTL_S, term, **options),
        )

    async def started(self, name: str = "a", **options: Any) -> Node:  # noqa: ANN401 -- the same
        node = self.node(name, **options)
        await node.start()
        return node


async def answer(node: Node, message: UpdateQuantity) -> Answer:
    try:
        return await node.region.update(message)
    except WorkOrderError as error:
        return error


async def until(condition: Callable[[], object], within_s: float = 60.0) -> None:
    """Return once `condition` holds, in (virtual) seconds."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 -- what is looked at has no event
            await asyncio.sleep(0.01)


async def until_role(node: Node, role: Role, within_s: float = 60.0) -> None:
    """Return once the node has this role, in (virtual) seconds."""
    await until(lambda: node.status().role is role, within_s)


def lease_of(node: Node) -> HeldLease:
    assert isinstance(node.lease, HeldLease)
    return node.lease


def actor_of(node: Node) -> NodeActor:
    actor = node._actor  # noqa: SLF001 -- what befalls it has no other door
    assert actor is not None
    return actor


def die(node: Node) -> None:
    """Have the node do nothing for its lease any more, as a frozen process does."""
    actor_of(node).actor_stopped.set()
