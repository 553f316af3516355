"""Nodes that share the shards by their leases, and what befalls one of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.service.nodes import ServiceNode
from tests.shards.fleet import ShardFleet

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from contextlib import ExitStack
    from pathlib import Path

    from tests.proxy import Wire
    from tests.shards.scene import Scene

    Fault = Callable[["Scene[PlainFleet]"], Awaitable[None]]

SHARDS: Final = 4
NODES: Final = 2
TTL_S: Final = 3.0


class PlainFleet(ShardFleet):
    """Two nodes, each of which callers call, and a wire from each to Redis."""

    first_order = 0x6560A00000000000000F0000
    roam = False

    def __init__(self, folder: Path, ttl_s: float = TTL_S) -> None:
        super().__init__(folder, SHARDS, ttl_s)
        self._wires: list[Wire] = []

    def _start(self, undo: ExitStack) -> None:
        for number in range(NODES):
            wire = self.wires.to(self.redis.port)
            environment = {
                **self.settings(),
                "SHARDS": str(SHARDS),
                "NODE_ID": f"node-{number}",
                "REDIS_PORT": str(wire.port),
            }
            self._wires.append(wire)
            self.doors.append(ServiceNode(environment, self.folder / f"node-{number}"))
            undo.callback(self.doors[-1].close)
            self.doors[-1].start()

    def is_whole(self) -> bool:
        """Return whether each node owns its share, and says so."""
        shares = Counter(self.holders())
        fair = {f"node-{number}": SHARDS // NODES for number in range(NODES)}
        return shares == fair and all(node.answers("/health") for node in self.doors)

    def missing(self) -> list[str]:
        """Return nothing: all that nodes tell is in the books."""
        return []

    def owned_by(self, number: int) -> list[int]:
        """Return the shards whose lease a node holds."""
        return [n for n, each in enumerate(self.holders()) if each == f"node-{number}"]

    def wire_of(self, number: int) -> Wire:
        """Return a node's way to its leases."""
        return self._wires[number]


async def _killed(scene: Scene[PlainFleet]) -> None:
    """Kill a node, as its machine that is lost does: the other one takes its shards."""
    number = scene.next_of(NODES)
    node = scene.fleet.doors[number]
    with scene.strike(scene.fleet.owned_by(number)):
        await node.killed()
    await scene.recovers()
    await _joins(scene, node)


async def _frozen(scene: Scene[PlainFleet]) -> None:
    """Stop a node where it stands; when it goes on, others own what it takes for its own."""
    number = scene.next_of(NODES)
    node = scene.fleet.doors[number]
    with scene.strike(scene.fleet.owned_by(number)):
        node.pause()
    try:
        await scene.recovers()
    finally:
        node.resume()


async def _blinded(scene: Scene[PlainFleet]) -> None:
    """Keep a node from its leases, which it does not learn: the epoch keeps it from the orders."""
    number = scene.next_of(NODES)
    wire = scene.fleet.wire_of(number)
    with scene.strike(scene.fleet.owned_by(number)):
        wire.swallow()
    try:
        await scene.recovers()
    finally:
        wire.passes()


async def _stopped(scene: Scene[PlainFleet]) -> None:
    """Stop a node in good order: its shards are taken at once."""
    number = scene.next_of(NODES)
    node = scene.fleet.doors[number]
    with scene.strike(scene.fleet.owned_by(number)):
        await node.stopped()
    await scene.recovers()
    await _joins(scene, node)


async def _rolled(scene: Scene[PlainFleet]) -> None:
    """Restart one node after the other, as an upgrade does."""
    with scene.strike(range(SHARDS)):
        for node in scene.fleet.doors:
            await node.stopped()
            await node.started()
            await scene.fleet.whole()
    await scene.calms()


async def _joins(scene: Scene[PlainFleet], node: ServiceNode) -> None:
    """Start a node: shards that it is handed are those that are hit."""
    scene.fault = "node joins"
    before = scene.fleet.holders()
    with scene.strike([]):
        await node.started()
        await scene.fleet.whole()
    after = scene.fleet.holders()
    scene.blows[-1].owners |= {n: each for n, each in enumerate(before) if each != after[n]}
    await scene.calms()


FAULTS: Final[Mapping[str, Fault]] = {
    "node killed": _killed,
    "node frozen": _frozen,
    "lease blinded": _blinded,
    "node stopped": _stopped,
    "rolling restart": _rolled,
}
