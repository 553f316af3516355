"""The orders as one map cuts them: a node, or one that stands by, for each shard."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from actors.node.node import Node
from actors.node.status import Role
from actors.shards.jobs import ShardedJobs
from actors.shards.orders import ShardedOrders
from actors.shards.share import ShardPermit, Share, fair_share

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.domain.slots import Shard, ShardMap
    from actors.lease.port import Lease
    from actors.node.options import NodeOptions
    from actors.store.shards import ShardedStore
    from actors.telemetry.telemetry import Telemetry


_LOOKS_S: Final = 0.05


class Cut:
    """What a node has of the orders for as long as the map is the same."""

    def __init__(
        self,
        shards: ShardMap,
        store: ShardedStore,
        new_lease: Callable[[Shard], Lease],
        options: NodeOptions,
        telemetry: Telemetry,
    ) -> None:
        self.shards = shards
        self.share = Share(options.lease_ttl_s)
        self.parts: Sequence[Node] = [
            Node(
                store.part(shard),
                new_lease(shard),
                options,
                telemetry=telemetry,
                permit=ShardPermit(self.share, shard.index),
            )
            for shard in shards.all()
        ]
        regions = [part.region for part in self.parts]
        self.region = ShardedOrders(shards, regions, telemetry)
        self.jobs = ShardedJobs(shards, self.parts, store.inbox)
        self._first = 0
        self.replaced = asyncio.Event()
        """Set when another cut is in its place."""

    @property
    def started(self) -> bool:
        """Whether there is a status to tell."""
        return all(part.started for part in self.parts)

    def share_out(self, nodes: Sequence[str], me: str) -> None:
        """Note which nodes are there, by name, and the shards that nobody owns now."""
        count = self.shards.count
        self.share.fair = fair_share(count, nodes, me)
        before = nodes[: nodes.index(me)] if me in nodes else ()
        self._first = sum(fair_share(count, nodes, each) for each in before)
        self.share.note(self.free())

    def free(self) -> set[int]:
        """Return the shards that nobody owns now, as far as is known."""
        if not self.started:
            return set()
        status = [part.status() for part in self.parts]
        return {
            index
            for index, each in enumerate(status)
            if each.role is Role.STANDBY and each.lease_holder is None
        }

    async def start(self) -> None:
        """Take the share; raises `StartupError`."""
        # Nodes that start at the same time begin with different shards.
        parts = [*self.parts[self._first :], *self.parts[: self._first]]
        await asyncio.gather(*(part.start() for part in parts))

    def owned(self) -> list[Node]:
        """Return the shards that this node owns."""
        return [part for part in self.parts if part.status().role is Role.OWNER]

    async def give_up(self, timeout_s: float) -> None:
        """Finish what is queued, leave all shards to other nodes, and take none any more."""
        self.share.close()
        await asyncio.gather(*(part.hand_over(timeout_s) for part in self.parts))

    async def any_held(self) -> bool:
        """Return whether any node has the lease of a shard; raises `LeaseUnavailable`."""
        held = await asyncio.gather(*(part.lease.view() for part in self.parts))
        return any(each is not None for each in held)

    async def settled(self) -> None:
        """Return when no commit is under way any more; a shard's actor dies of one that hangs."""
        while any(part.settling for part in self.parts):  # noqa: ASYNC110 -- counted in many places
            await asyncio.sleep(_LOOKS_S)

    async def drain(self, timeout_s: float) -> bool:
        """Finish what is queued and release all leases, for good; whether all was finished."""
        self.share.close()
        return all(await asyncio.gather(*(part.drain(timeout_s) for part in self.parts)))

    async def close(self) -> None:
        """Close the clients of the leases. Idempotent."""
        for part in self.parts:
            await part.close()
