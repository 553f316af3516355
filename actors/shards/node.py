"""A node that owns its share of the shards, beside others that own theirs."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from actors.domain.slots import ShardMap
from actors.errors import (
    LeaseUnavailable,
    NotOwner,
    OutcomeUnknown,
    StoreUnavailable,
)
from actors.node.status import OwnershipHistory
from actors.shards.actors import ShardedActors
from actors.shards.cut import Cut
from actors.shards.settle import owners_under, plan_shards, settle_shards
from actors.shards.status import merged_history, merged_status
from actors.store.shards import Member
from actors.telemetry.samples import SAMPLED_EVERY_S, Gauges
from actors.telemetry.spans import NO_SPANS
from actors.telemetry.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.domain.model import WorkOrderId
    from actors.domain.slots import Shard
    from actors.lease.port import Holder, Lease
    from actors.node.node import Node
    from actors.node.options import NodeOptions
    from actors.node.status import NodeStatus
    from actors.shards.jobs import ShardedJobs
    from actors.shards.orders import ShardedOrders
    from actors.store.shards import ShardedStore
    from actors.telemetry.spans import Spans

_log = structlog.get_logger(__name__)

_LONGEST_BEAT_S: Final = 1.0
_SOON_S: Final = 0.25
_LOOKS_S: Final = 0.1
"""While others give up what they own under a map that is to be another."""


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
        count: int | None,
        options: NodeOptions,
        spans: Spans = NO_SPANS,
    ) -> None:
        """Without a `count` there are as many shards as are stored, and the node follows a change.

        With one, a change of the map ends it.
        """
        self.store = store
        self.node_id = options.node_id
        self.telemetry = Telemetry(spans=spans)
        self._options, self._new_lease = options, new_lease
        self._count = count
        self._me = Member(options.node_id, options.url, follows=count is None)
        self.shards = ShardMap(count or 1)
        """As it was read last."""
        self._cut = self._cut_by(self.shards)
        self._past = OwnershipHistory()
        """Under the maps before this one."""
        self._next: Cut | None = None
        """What takes its place, while that is started."""
        self._clock: asyncio.TimerHandle | None = None
        self._sharing: asyncio.Task[None] | None = None
        self._failed = asyncio.Event()

    def _cut_by(self, shards: ShardMap) -> Cut:
        return Cut(shards, self.store, self._new_lease, self._options, self.telemetry)

    @property
    def region(self) -> ShardedOrders:
        """The orders' actors, those of the shards owned here."""
        return self._cut.region

    @property
    def jobs(self) -> ShardedJobs:
        """Waiting work."""
        return self._cut.jobs

    @property
    def parts(self) -> Sequence[Node]:
        """The shards, each with an owner, a lease and an epoch of its own."""
        return self._cut.parts

    def part_of(self, order_id: WorkOrderId) -> int:
        """Return the index of an order's shard."""
        return self._cut.shards.of(order_id)

    # -- its life ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the store, agree on the map, and take a fair share of the shards.

        Raises:
            StartupError: store or lease can't be reached; or the orders are cut into another
                number of shards, and a node owns some.

        """
        await self.store.open()
        self.shards = await settle_shards(self.store.shard_map, self._count, self._new_lease)
        self._cut = self._cut_by(self.shards)
        if self._cut.shards.planned is None:
            with suppress(StoreUnavailable, OutcomeUnknown):
                await self._meet(self._cut)
        self._sample()
        await self._cut.start()
        self._sharing = asyncio.get_running_loop().create_task(self._share_out())

    @property
    def started(self) -> bool:
        """Whether there is a status to tell."""
        return self._cut.started

    async def wait_failed(self) -> None:
        """Return only when a shard's actor has died, or the map is another: stop then."""
        while True:
            cut = self._cut
            waits = [asyncio.ensure_future(part.wait_failed()) for part in cut.parts]
            waits += [asyncio.ensure_future(_set(each)) for each in (self._failed, cut.replaced)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in waits:
                    each.cancel()
            if self._failed.is_set() or cut is self._cut:
                return

    async def drain(self, timeout_s: float) -> bool:
        """Finish what is queued, release all leases; `True` when all was finished in time."""
        if self._sharing is not None:
            self._sharing.cancel()
            await asyncio.wait({self._sharing})
        self._cut.share.close()
        if self.started:
            # First, so that others take what is given up here at once.
            with suppress(StoreUnavailable, OutcomeUnknown, TimeoutError):
                async with asyncio.timeout(self._options.lease_ttl_s / 3):
                    await self.store.shard_map.leave(self._me)
        return all(await asyncio.gather(*(cut.drain(timeout_s) for cut in self._cuts())))

    async def close(self) -> None:
        """Close the clients of store and leases. Idempotent."""
        if self._clock is not None:
            self._clock.cancel()
        for cut in self._cuts():
            await cut.close()
        await self.store.close()

    def _cuts(self) -> list[Cut]:
        return [cut for cut in (self._next, self._cut) if cut is not None]

    def _sample(self) -> None:
        counts = self.region.statistics()
        gauges = None
        if counts.jobs is not None:
            waiting = counts.waiting + counts.delayed
            gauges = Gauges(waiting, counts.active, counts.live_actors, counts.paused)
        self.telemetry.samples.take(gauges)
        for part in self.parts:
            part.sample_part()
        self._clock = asyncio.get_running_loop().call_later(SAMPLED_EVERY_S, self._sample)

    # -- its share ---------------------------------------------------------------------------

    async def _share_out(self) -> None:
        """Keep to the map, to the fair share and to pauses told to other nodes, until cancelled."""
        while True:
            await self._until_due()
            try:
                await self._follow(await self._read_map())
                await self._meet(self._cut)
                await self.region.heed_pause(self.store.paused)
                await self._give_up_excess()
            except (StoreUnavailable, OutcomeUnknown, LeaseUnavailable) as error:
                _log.warning("nodes_not_met", error=str(error))  # the share is as it was
            except Exception:  # noqa: BLE001 -- one bad look must not be the last
                _log.exception("nodes_not_met")

    async def _until_due(self) -> None:
        """Wait until the nodes are to be met again: sooner while a shard has no owner."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while (waited_s := loop.time() - began) < self._beat_s:
            if waited_s >= _SOON_S and self._cut.free():
                return
            await asyncio.sleep(min(_LOOKS_S, self._beat_s - waited_s))

    async def _meet(self, cut: Cut) -> None:
        """Say that this node is there, see who else is, and what nobody owns.

        One that is gone is seen to be so by the time when its leases have run out, not after it.
        """
        within_s = self._options.lease_ttl_s - self._beat_s
        present = await self.store.shard_map.beat(self._me, within_s)
        cut.share_out([member.node for member in present], self.node_id)

    async def _give_up_excess(self) -> None:
        """Hand one shard over, where another node is there to take it."""
        owned = self._cut.owned()
        if self._cut.share.over(len(owned)):
            await owned[-1].hand_over(self._leaves_within_s)

    @property
    def _beat_s(self) -> float:
        return min(self._options.lease_ttl_s / 5, _LONGEST_BEAT_S)

    @property
    def _leaves_within_s(self) -> float:
        """Not for longer than the others still count this node in."""
        return self._options.lease_ttl_s / 2

    # -- another map -------------------------------------------------------------------------

    async def reshard(self, count: int) -> ShardMap:
        """Have all nodes cut the orders into `count` shards; return the map that is left.

        Each gives up its shards under the old map first, and takes its share under the new one.

        Raises:
            ShardsFixed: a node has a number of its own, and would have to be stopped.

        """
        return await plan_shards(self.store.shard_map, count, self._fixed_one)

    async def _fixed_one(self, stored: ShardMap) -> str | None:
        """Return a node that would not follow: by what it says, or as it owns and says nothing."""
        present = await self.store.shard_map.beat(self._me, self._options.lease_ttl_s)
        fixed = {member.node for member in present if not member.follows}
        following = {member.node for member in present} - fixed
        owners = await owners_under(stored, self._new_lease)
        return min(fixed | (owners - following), default=None)

    async def _follow(self, stored: ShardMap) -> None:
        """Do as the map says: give way where another is planned, and begin anew under that."""
        if self._count is not None:
            if stored != self._cut.shards:
                _log.error("shards_moved_elsewhere", shards=self._count)
                self._failed.set()
            return
        while True:
            if stored.version != self._cut.shards.version:
                await self._begin_anew(stored)
            if stored.planned is None:
                return
            await self._cut.give_up(self._leaves_within_s)
            if await self._cut.any_held():
                await asyncio.sleep(_LOOKS_S)
                await self.store.shard_map.beat(self._me, self._options.lease_ttl_s)
            elif await self.store.shard_map.move(stored, stored.planned):
                _log.warning("shards_moved", before=stored.count, shards=stored.planned)
            stored = await self._read_map()

    async def _read_map(self) -> ShardMap:
        self.shards = await self.store.shard_map.read()
        return self.shards

    async def _begin_anew(self, stored: ShardMap) -> None:
        """Put another cut in the place of this one, which serves no more."""
        old = self._cut
        await old.give_up(self._leaves_within_s)
        await old.settled()
        self._next = new = self._cut_by(stored)
        try:
            if stored.planned is None:
                await self._meet(new)
            await new.start()
        except Exception:
            await new.drain(0)
            await new.close()
            self._next = None
            raise
        self._past = self.ownership()
        self._cut, self._next = new, None
        old.replaced.set()
        await old.drain(0)
        await old.close()
        _log.info("shards_followed", shards=stored.count, version=stored.version)

    # -- what it says of itself --------------------------------------------------------------

    def status(self) -> NodeStatus:
        """Say which shards this node serves, and how its servers are; asks none."""
        return merged_status([part.status() for part in self.parts])

    def owner_elsewhere(self) -> Holder | None:
        """Return another node that owns a shard which this one does not; None when none does."""
        found = (part.owner_elsewhere() for part in self.parts)
        return next((each for each in found if each is not None), None)

    def ownership(self) -> OwnershipHistory:
        """Tell who owned the shards, as far as this node has seen it."""
        return merged_history([self._past, *(part.ownership() for part in self.parts)])

    def inspector(self) -> ShardedActors:
        """Return the look at the live actors; raises `NotOwner` where there are none."""
        looks = {}
        for index, part in enumerate(self.parts):
            with suppress(NotOwner):
                looks[index] = part.inspector()
        if not looks:
            raise NotOwner("this node owns no shard")
        return ShardedActors(self._cut.shards, looks)

    async def clean(self, grace_s: float) -> int:
        """Forget what finished more than `grace_s` seconds ago, in the shards owned here."""
        owned = [part for part in self.parts if part.region.jobs is not None]
        if not owned:
            raise NotOwner("this node owns no shard")
        return sum(await asyncio.gather(*(part.clean(grace_s) for part in owned)))

    async def clean_locks(self) -> int:
        """Clear leases without expiry that nobody lives behind; give how many were cleared."""
        return sum(await asyncio.gather(*(part.clean_locks() for part in self.parts)))


async def _set(event: asyncio.Event) -> None:
    await event.wait()
