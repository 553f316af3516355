"""The node: store, lease, region and the actor that decides whether it is the owner."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pykka import ActorDeadError

from actors.errors import LeaseSpoilt, NotOwner, ShardsFixed
from actors.node.actor import NodeActor
from actors.node.messages import Drain, HandOver, Tick
from actors.node.options import Always, NodeOptions
from actors.node.status import NodeStatus, OwnershipHistory, PartCounts
from actors.operators.inspector import ActorInspector
from actors.operators.job_admin import JobAdmin
from actors.orders.region import Region
from actors.telemetry.pace import Pace
from actors.telemetry.part_samples import PartSamples
from actors.telemetry.samples import SAMPLED_EVERY_S, Gauges
from actors.telemetry.spans import NO_SPANS
from actors.telemetry.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from actors.domain.model import Epoch, WorkOrderId
    from actors.domain.slots import ShardMap
    from actors.lease.port import Holder, Lease
    from actors.node.options import Permit
    from actors.store.port import Store
    from actors.telemetry.part_samples import PartSample
    from actors.telemetry.spans import Spans

__all__ = ["Node", "NodeOptions"]


class Node:
    """The handle on the node's actor for those who put the service together and ask it things."""

    shards: None = None
    """All orders have one owner."""
    roster: None = None
    """An owner keeps what all look at."""

    def __init__(
        self,
        store: Store,
        lease: Lease,
        options: NodeOptions,
        spans: Spans = NO_SPANS,
        *,
        telemetry: Telemetry | None = None,
        permit: Permit | None = None,
        opened: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """With `telemetry`, it is shared, and sampled by whoever shares it.

        `opened` is called at the start, once the store is open; it may raise `StartupError`.
        """
        self.store = store
        self.lease = lease
        self.node_id = options.node_id
        self.telemetry = telemetry or Telemetry(spans=spans)
        self._samples = telemetry is None
        self._permit = permit or Always()
        self._opened = opened
        self.region = Region(self.telemetry, self._remember_pause, store)
        self.jobs = JobAdmin(store.inbox, lambda: self.region.jobs, self.telemetry.tally)
        self._options = options
        self._pace, self._past = Pace(), PartSamples()
        self._actor: NodeActor | None = None
        self._clock: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Open store and lease, then try to become the owner; returns when that is settled.

        Raises:
            StartupError: a server can't be reached, or is not as it must be.

        """
        await self.store.open()
        if self._opened is not None:
            await self._opened()
        await self.lease.open()
        self._actor = NodeActor(self.store, self.lease, self.region, self._options, self._permit)
        if self._samples:
            self.sample()
        await self._actor.actor_ref.ask(Tick(), block=False)

    def sample(self) -> None:
        """Take a sample of the telemetry, now and each `SAMPLED_EVERY_S` until `close`."""
        region = self.region
        gauges = None
        if region.jobs is not None:
            counts = region.statistics()
            waiting = counts.waiting + counts.delayed
            gauges = Gauges(waiting, counts.active, counts.live_actors, counts.paused)
        self.telemetry.samples.take(gauges)
        self.sample_part()
        self._clock = asyncio.get_running_loop().call_later(SAMPLED_EVERY_S, self.sample)

    def sample_part(self) -> None:
        """Note what is counted of these orders, for their rate and their past; for who samples."""
        self._pace.note(self.region.done)
        counts = self.counts()
        if counts is not None:
            self._past.take(counts.per_s, counts.waiting, counts.unlogged)

    def past(self, since: float) -> Sequence[PartSample]:
        """Return what was counted from `since` (seconds since 1970) on, while they were owned."""
        return self._past.since(since)

    def counts(self) -> PartCounts | None:
        """Return what is counted of these orders; None where this node does not own them."""
        term, found = self._actor.term if self._actor else None, self.region.statistics()
        if term is None or found.jobs is None:
            return None
        return PartCounts(
            found.waiting,
            found.active,
            found.delayed,
            found.live_actors,
            found.jobs,
            len(term.committer.ledger),
            self._pace.per_s,
        )

    async def drain(self, timeout_s: float) -> bool:
        """Finish what is queued, release the lease; `True` when all was finished in time."""
        actor = self._actor
        if actor is None:
            return True
        try:
            finished: bool = await actor.actor_ref.ask(Drain(timeout_s), block=False)
        except ActorDeadError:
            # Drained before, or it has died: then nobody but us looks after its term.
            return await actor.drain(timeout_s)
        return finished

    async def hand_over(self, timeout_s: float) -> bool:
        """Leave what this node owns to another one; `True` when all was finished in time."""
        if self._actor is None:
            return True
        finished: bool = await self._actor.actor_ref.ask(HandOver(timeout_s), block=False)
        return finished

    @property
    def settling(self) -> bool:
        """Whether commits of terms that ended here are under way still."""
        return self._actor is not None and self._actor.settling

    async def reshard(self, count: int) -> ShardMap:  # noqa: ARG002 -- the port's
        """Raise `ShardsFixed`: this node owns all orders, or none."""
        raise ShardsFixed(self.node_id)

    async def close(self) -> None:
        """Close the clients of store and lease. Idempotent."""
        if self._clock is not None:
            self._clock.cancel()
        await self.lease.close()
        await self.store.close()

    async def wait_failed(self) -> None:
        """Return only when the node's actor has died: the process must stop then."""
        if self._actor is not None:
            await self._actor.died.wait()

    @property
    def started(self) -> bool:
        """Whether there is a status to tell."""
        return self._actor is not None

    def status(self) -> NodeStatus:
        """Say who owns what, and whether updates can be served now; asks no server."""
        if self._actor is None:
            raise RuntimeError("the node is not started")
        return self._actor.status()

    def owner_elsewhere(self) -> Holder | None:
        """Return the other node that owns the actors, as the lease last said; None when none does.

        None as well while this node owns them, takes over or drains.
        """
        return self._actor.owner_elsewhere() if self._actor else None

    def confirms(self, holder: Holder) -> bool:
        """Return whether the store too names `holder`, its address and its epoch as the owner's."""
        return self._actor is not None and self._actor.confirms(holder)

    def inspector(self) -> ActorInspector:
        """Return the look at the live actors; raises `NotOwner` where there are none."""
        term = self._actor.term if self._actor else None
        if term is None:
            raise NotOwner("this node does not own the actors")
        return ActorInspector(term.directory, term.committer, self.telemetry)

    def ownership(self) -> OwnershipHistory:
        """Tell who owned the actors, as far as this node has seen it."""
        return self._actor.ownership if self._actor else OwnershipHistory()

    @property
    def parts(self) -> tuple[Node]:
        """All orders have one owner here."""
        return (self,)

    def part_of(self, order_id: WorkOrderId) -> int:  # noqa: ARG002 -- the port's
        """Return the index of the part that an order belongs to."""
        return 0

    async def clean(self, grace_s: float) -> int:
        """Forget what finished more than `grace_s` seconds ago; give the number of jobs."""
        forgotten = await self.jobs.clean(grace_s)
        self.region.clean(grace_s)
        return forgotten

    async def clean_locks(self) -> int:
        """Clear a lease without expiry that nobody lives behind; give how many were cleared.

        Raises:
            LeaseSpoilt: something is left in the lease's place that is none.

        """
        cleared = await self.lease.clear_stuck()
        left = await self.lease.view()
        if left is not None and left.fault is not None:
            raise LeaseSpoilt(left.fault)
        return cleared

    async def _remember_pause(self, epoch: Epoch, paused: bool) -> None:  # noqa: FBT001 -- a callback
        await self.store.set_paused(epoch, paused=paused)
