"""Nodes on one store and one lease, all of which must drain in the end."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from actors.errors import WorkOrderError
from actors.lease import Holder
from actors.node.node import Node, NodeOptions
from actors.node.status import Role
from actors.node.term import TermOptions
from actors.orders.supervisor import Limits
from tests.fake_lease import LeaseServer, MemoryLease
from tests.fakes import MemoryStore
from tests.unit.actors.owner import ORDER, OTHER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from actors.domain.messages import Queued, Updated, UpdateQuantity

TTL_S = 6.0
SOMEBODY = Holder("b", "http://b", "token of b", 9)


@dataclass
class Plant:
    """A store and a lease's server, and the nodes that were started on them."""

    store: MemoryStore = field(default_factory=MemoryStore)
    lease: LeaseServer = field(default_factory=lambda: LeaseServer(TTL_S))
    nodes: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store.put(ORDER)
        self.store.put(OTHER)

    async def start(self, name: str = "a", **options: Any) -> Node:  # noqa: ANN401 of NodeOptions
        made = NodeOptions(name, f"http://{name}", TTL_S, TermOptions(Limits()))
        node = Node(self.store, MemoryLease(self.lease), replace(made, **options))
        self.nodes.append(node)
        await node.start()
        return node


@asynccontextmanager
async def a_plant() -> AsyncIterator[Plant]:
    """Afterwards every node must drain, and leave nothing behind."""
    plant = Plant()
    yield plant
    plant.lease.reachable, plant.lease.loses_answers = True, False
    for node in plant.nodes:
        await node.drain(5)
        await node.close()
    await asyncio.sleep(60)
    assert plant.lease.held() is None
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def ask(node: Node, message: UpdateQuantity) -> Updated | Queued | WorkOrderError:
    try:
        return await node.region.update(message)
    except WorkOrderError as error:
        return error


async def until(condition: Callable[[], object], within: float = 60) -> float:
    """Return how many seconds it takes until `condition` holds."""
    began = time.monotonic()
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 looks at what has no event
            await asyncio.sleep(0.01)
    return time.monotonic() - began


def role(node: Node) -> Role:
    return node.status().role


def is_owner(node: Node) -> bool:
    return role(node) is Role.OWNER
