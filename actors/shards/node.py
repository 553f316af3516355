"""A node that owns its share of the shards, beside others that own theirs."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from actors.domain.slots import Shard, ShardMap
from actors.errors import NotOwner, OutcomeUnknown, StoreUnavailable
from actors.node.node import Node
from actors.node.status import NodeStatus, OwnershipHistory, Role
from actors.shards.actors import ShardedActors
from actors.shards.jobs import ShardedJobs
from actors.shards.orders import ShardedOrders
from actors.shards.settle import settle_shards
from actors.shards.share import ShardPermit, Share, fair_share
from actors.shards.status import merged_history, merged_status
from actors.store.shards import Member
from actors.telemetry.samples import SAMPLED_EVERY_S, Gauges
from actors.telemetry.spans import NO_SPANS
from actors.telemetry.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.domain.model import WorkOrderId
    from actors.lease.port import Holder, Lease
    from actors.node.options import NodeOptions
    from actors.store.shards import ShardedStore
    from actors.telemetry.spans import Spans

_log = structlog.get_logger(__name__)

_LONGEST_BEAT_S: Final = 1.0


class ShardedNode:
    """Implements `actors.engine.Engine` by a `Node` per shard, each with a lease and an epoch.

    The nodes of a database know each other by what each writes there again and again. Every one
    takes its fair share of the shards, and gives up what is more once another is there.
    """

    roster = None

    def __init__(
        self,
        store: ShardedStore,
        new_lease: Callable[[Shard], Lease],
        count: int,
        options: NodeOptions,
        spans: Spans = NO_SPANS,
    ) -> None:
        self.store = store
        self.node_id = options.node_id
        self.telemetry = Telemetry(spans=spans)
        self._options, self._new_lease = options, new_lease
        self._me = Member(options.node_id, options.url)
        self._share = Share(options.lease_ttl_s)
        self._shards = ShardMap(count)
        self._parts = [
            Node(
                store.part(shard),
                new_lease(shard),
                options,
                telemetry=self.telemetry,
                permit=ShardPermit(self._share, shard.index),
            )
            for shard in self._shards.all()
        ]
        self.region = ShardedOrders(
            self._shards, [part.region for part in self._parts], self.telemetry
        )
        self.jobs = ShardedJobs(self._shards, self._parts, store.inbox)
        self._clock: asyncio.TimerHandle | None = None
        self._sharing: asyncio.Task[None] | None = None
        self._failed = asyncio.Event()

    @property
    def parts(self) -> Sequence[Node]:
        """The shards, each with an owner, a lease and an epoch of its own."""
        return self._parts

    def part_of(self, order_id: WorkOrderId) -> int:
        """Return the index of an order's shard."""
        return self._shards.of(order_id)

    # -- its life ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the store, agree on the map, and take a fair share of the shards.

        Raises:
            StartupError: store or lease can't be reached; or the orders are cut into another
                number of shards, and a node owns some.

        """
        await self.store.open()
        await settle_shards(self.store.shard_map, self._shards.count, self._new_lease)
        with suppress(StoreUnavailable, OutcomeUnknown):
            await self._meet()
        self._sample()
        await asyncio.gather(*(part.start() for part in self._parts))
        self._sharing = asyncio.get_running_loop().create_task(self._share_out())

    @property
    def started(self) -> bool:
        """Whether there is a status to tell."""
        return all(part.started for part in self._parts)

    async def wait_failed(self) -> None:
        """Return only when a shard's actor has died, or the map is another: stop then."""
        waits = [asyncio.ensure_future(part.wait_failed()) for part in self._parts]
        waits.append(asyncio.ensure_future(self._fails()))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    async def _fails(self) -> None:
        await self._failed.wait()

    async def drain(self, timeout_s: float) -> bool:
        """Finish what is queued, release all leases; `True` when all was finished in time."""
        if self._sharing is not None:
            self._sharing.cancel()
            await asyncio.wait({self._sharing})
        self._share.close()
        if self.started:
            # First, so that others take what is given up here at once.
            with suppress(StoreUnavailable, OutcomeUnknown, TimeoutError):
                async with asyncio.timeout(self._options.lease_ttl_s / 3):
                    await self.store.shard_map.leave(self._me)
        return all(await asyncio.gather(*(part.drain(timeout_s) for part in self._parts)))

    async def close(self) -> None:
        """Close the clients of store and leases. Idempotent."""
        if self._clock is not None:
            self._clock.cancel()
        for part in self._parts:
            await part.close()
        await self.store.close()

    def _sample(self) -> None:
        counts = self.region.statistics()
        gauges = None
        if counts.jobs is not None:
            waiting = counts.waiting + counts.delayed
            gauges = Gauges(waiting, counts.active, counts.live_actors, counts.paused)
        self.telemetry.samples.take(gauges)
        self._clock = asyncio.get_running_loop().call_later(SAMPLED_EVERY_S, self._sample)

    # -- its share ---------------------------------------------------------------------------

    async def _share_out(self) -> None:
        """Keep to the fair share until cancelled, and to pauses that other nodes were told of."""
        ttl_s = self._options.lease_ttl_s
        while True:
            await asyncio.sleep(min(ttl_s / 5, _LONGEST_BEAT_S))
            try:
                await self._meet()
                await self.region.heed_pause(self.store.paused)
                if (await self.store.shard_map.read()).count != self._shards.count:
                    _log.error("shards_moved_elsewhere", shards=self._shards.count)
                    self._failed.set()
                await self._give_up_excess()
            except (StoreUnavailable, OutcomeUnknown) as error:
                _log.warning("nodes_not_met", error=str(error))  # the share is as it was
            except Exception:  # noqa: BLE001 -- one bad look must not be the last
                _log.exception("nodes_not_met")

    async def _meet(self) -> None:
        """Say that this node is there, see who else is, and what nobody owns."""
        present = await self.store.shard_map.beat(self._me, self._options.lease_ttl_s)
        nodes = [member.node for member in present]
        self._share.fair = fair_share(self._shards.count, nodes, self.node_id)
        if self.started:
            self._share.note(
                {
                    index
                    for index, part in enumerate(self._parts)
                    if part.status().role is Role.STANDBY and part.status().lease_holder is None
                }
            )

    async def _give_up_excess(self) -> None:
        """Hand one shard over, where another node is there to take it."""
        owned = [part for part in self._parts if part.status().role is Role.OWNER]
        if self._share.over(len(owned)):
            # Not for longer than the others still count this node in.
            await owned[-1].hand_over(self._options.lease_ttl_s / 2)

    # -- what it says of itself --------------------------------------------------------------

    def status(self) -> NodeStatus:
        """Say which shards this node serves, and how its servers are; asks none."""
        return merged_status([part.status() for part in self._parts])

    def owner_elsewhere(self) -> Holder | None:
        """Return another node that owns a shard which this one does not; None when none does."""
        found = (part.owner_elsewhere() for part in self._parts)
        return next((each for each in found if each is not None), None)

    def ownership(self) -> OwnershipHistory:
        """Tell who owned the shards, as far as this node has seen it."""
        return merged_history([part.ownership() for part in self._parts])

    def inspector(self) -> ShardedActors:
        """Return the look at the live actors; raises `NotOwner` where there are none."""
        looks = {}
        for index, part in enumerate(self._parts):
            with suppress(NotOwner):
                looks[index] = part.inspector()
        if not looks:
            raise NotOwner("this node owns no shard")
        return ShardedActors(self._shards, looks)

    async def clean(self, grace_s: float) -> int:
        """Forget what finished more than `grace_s` seconds ago, in the shards owned here."""
        owned = [part for part in self._parts if part.region.jobs is not None]
        if not owned:
            raise NotOwner("this node owns no shard")
        return sum(await asyncio.gather(*(part.clean(grace_s) for part in owned)))

    async def clean_locks(self) -> int:
        """Clear leases without expiry that nobody lives behind; give how many were cleared."""
        return sum(await asyncio.gather(*(part.clean_locks() for part in self._parts)))
