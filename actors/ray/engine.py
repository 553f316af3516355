"""All orders in shards behind links: what a front door's web is put in front of."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from actors.errors import ShardsFixed
from actors.node.status import NodeStatus, OwnershipHistory, Watched
from actors.ray.doors import Doors
from actors.ray.link import ShardLink
from actors.ray.merged import MergedActors, MergedJobs, MergedOrders, ShardPart, ask_all
from actors.ray.remote import operate
from actors.ray.totals import Adder
from actors.shards.settle import settle_shards
from actors.shards.status import merged_status
from actors.store.shards import Member
from actors.telemetry.samples import SAMPLED_EVERY_S, Gauges
from actors.telemetry.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.domain.model import WorkOrderId
    from actors.domain.slots import Shard, ShardMap
    from actors.lease.port import Holder, Lease
    from actors.ray.link import LinkOptions, ShardHandle
    from actors.store.shards import ShardedStore

_FIRST_S: Final = 30.0
"""How long the start waits for the shards: what is away by then is found later."""
_WATCHED_S: Final = 1.0
_ANSWERS_S: Final = 2.0


class Processes(Protocol):
    """Who keeps the shards' processes: see `actors.ray.keeper.Keeper`."""

    async def open(self) -> None:
        """Join the cluster; raises `StartupError`."""
        ...

    async def close(self) -> None:
        """Leave it."""
        ...

    def handles(self, shard: int) -> Sequence[ShardHandle]:
        """Return the processes that may serve a shard, as of now."""
        ...


class RayEngine:
    """A front door's engine. Implements `actors.engine.Engine`; owns nothing itself."""

    def __init__(
        self,
        node_id: str,
        url: str,
        store: ShardedStore,
        shards: ShardMap,
        processes: Processes,
        options: LinkOptions,
        new_lease: Callable[[Shard], Lease],
    ) -> None:
        self._new_lease = new_lease
        self.node_id, self._url = node_id, url
        self.store, self._shards, self._processes = store, shards, processes
        self.telemetry = Telemetry()
        self.roster = Doors(Member(node_id, url), lambda: store.shard_map)
        self._history = OwnershipHistory()
        self._noted: dict[int, tuple[str, int]] = {}
        """By shard: its owner and epoch that were noted last."""
        self._watched_store = Watched(store.name)
        self.parts = [
            ShardPart(self._link(shard.index, options), self._watched_store.view)
            for shard in shards.all()
        ]
        self.region = MergedOrders(shards, self.parts)
        self.jobs = MergedJobs(shards, self.parts, store)
        self._actors = MergedActors(shards, self.parts)
        self.started = False
        self._watching: asyncio.Task[None] | None = None

    def _link(self, shard: int, options: LinkOptions) -> ShardLink:
        return ShardLink(
            shard, lambda: self._processes.handles(shard), options, Adder(self.telemetry).note
        )

    def part_of(self, order_id: WorkOrderId) -> int:
        """Return the index of an order's shard."""
        return self._shards.of(order_id)

    def inspector(self) -> MergedActors:
        """Return the look at the live actors of all shards."""
        return self._actors

    # -- its life ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Join the cluster, and wait a while for the shards to be owned.

        Raises:
            StartupError: there is no cluster, or the orders are cut into another number of shards.

        """
        await self.store.open()
        await settle_shards(self.store.shard_map, self._shards.count, self._new_lease)
        await self._processes.open()
        for part in self.parts:
            part.link.open()
        self._watching = asyncio.create_task(self._watch())
        waits = [asyncio.ensure_future(part.link.served.wait()) for part in self.parts]
        _, late = await asyncio.wait(waits, timeout=_FIRST_S)
        for each in late:
            each.cancel()
        self.started = True

    async def wait_failed(self) -> None:
        """Never return: what fails here is found again, or is in other processes."""
        await asyncio.Event().wait()

    async def drain(self, timeout_s: float) -> bool:
        """Wait for what was sent; the shards go on."""
        return all(await asyncio.gather(*(part.link.drained(timeout_s) for part in self.parts)))

    async def close(self) -> None:
        """Leave the cluster, and close the store."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
            await self.roster.leave()
        await asyncio.gather(*(part.link.close() for part in self.parts))
        await self._processes.close()
        await self.store.close()

    @property
    def shards(self) -> ShardMap | None:
        """The map of shards, where there are several."""
        return self._shards if self._shards.count > 1 else None

    async def reshard(self, count: int) -> ShardMap:  # noqa: ARG002 -- the port's
        """Raise `ShardsFixed`: the processes are of a fixed number of shards."""
        raise ShardsFixed(self.node_id)

    # -- what it says of itself --------------------------------------------------------------

    def status(self) -> NodeStatus:
        """Say which shards are served, and how the servers are."""
        status = merged_status([part.status() for part in self.parts])
        return replace(status, node=self.node_id, url=self._url, store=self._watched_store.view())

    def owner_elsewhere(self) -> Holder | None:
        """Return None: the links reach whoever owns a shard."""
        return None

    def ownership(self) -> OwnershipHistory:
        """Tell which processes owned shards, as far as was seen here."""
        return self._history

    async def clean(self, grace_s: float) -> int:
        """Forget what finished more than `grace_s` seconds ago, in all shards."""
        return sum(await ask_all(operate(each.link, "clean", grace_s) for each in self.parts))

    async def clean_locks(self) -> int:
        """Clear the leases without expiry that nobody lives behind."""
        return sum(await ask_all(operate(each.link, "clean_locks") for each in self.parts))

    def _note_owner(self, shard: int, status: NodeStatus) -> None:
        """Note it once: the shards are looked at in turns."""
        seen = status.node, status.epoch
        if self._noted.get(shard) != seen:
            self._noted[shard] = seen
            self._history.note(status.node, status.url, status.epoch)

    async def _watch(self) -> None:
        """Look at the store and the other front doors, note who owns what, and take samples."""
        sampled_at = 0.0
        loop = asyncio.get_running_loop()
        while True:
            await self._watched_store.ask(self.store.ping, _ANSWERS_S)
            await self.roster.look()
            for shard, part in enumerate(self.parts):
                if part.link.news is not None:
                    self._note_owner(shard, part.status())
            if loop.time() - sampled_at >= SAMPLED_EVERY_S:
                sampled_at = loop.time()
                counts = self.region.statistics()
                waiting = counts.waiting + counts.delayed
                self.telemetry.samples.take(
                    Gauges(waiting, counts.active, counts.live_actors, counts.paused)
                )
            await asyncio.sleep(_WATCHED_S)
