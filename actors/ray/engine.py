"""All orders in shards behind links: what a front door's web is put in front of."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from actors.domain.slots import ShardMap
from actors.errors import LeaseUnavailable, OutcomeUnknown, StoreUnavailable
from actors.node.status import NodeStatus, OwnershipHistory, Watched
from actors.ray.doors import Doors
from actors.ray.link import UNANSWERED_S, ShardLink
from actors.ray.merged import MergedActors, MergedJobs, MergedOrders, ShardPart, ask_all
from actors.ray.remote import operate
from actors.ray.shard import MAKE_WAY
from actors.ray.totals import Adder
from actors.shards.settle import owners_under, plan_shards, settle_shards
from actors.shards.status import merged_status
from actors.store.shards import Member
from actors.telemetry.samples import SAMPLED_EVERY_S, Gauges
from actors.telemetry.telemetry import Telemetry
from actors.wire.payload import pack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.domain.model import WorkOrderId
    from actors.domain.slots import Shard
    from actors.lease.port import Holder, Lease
    from actors.ray.link import LinkOptions, ShardHandle
    from actors.store.shards import ShardedStore

_FIRST_S: Final = 30.0
"""How long the start waits for the shards: what is away by then is found later."""
_WATCHED_S: Final = 1.0
_LOOKS_S: Final = 0.1
"""While the map is about to be another."""
_ANSWERS_S: Final = 2.0

_log = structlog.get_logger(__name__)


class Processes(Protocol):
    """Who keeps the shards' processes: see `actors.ray.keeper.Keeper`."""

    async def open(self, shards: Sequence[Shard]) -> None:
        """Join the cluster, and keep processes for these shards; raises `StartupError`."""
        ...

    async def keep(self, shards: Sequence[Shard]) -> None:
        """Keep processes for these shards from now on, and none for others."""
        ...

    def ready(self) -> bool:
        """Return whether all of them have answered."""
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
        count: int | None,
        processes: Processes,
        options: LinkOptions,
        new_lease: Callable[[Shard], Lease],
    ) -> None:
        """Without a `count` there are as many shards as are stored, and a change is followed.

        With one, a change of the map ends it.
        """
        self._count, self._new_lease = count, new_lease
        self.node_id, self._url = node_id, url
        self.store, self._processes, self._options = store, processes, options
        self.telemetry = Telemetry()
        me = Member(node_id, url, follows=count is None)
        self.roster = Doors(me, lambda: store.shard_map)
        self._history = OwnershipHistory()
        self._noted: dict[int, tuple[str, int]] = {}
        """By shard: its owner and epoch that were noted last."""
        self._watched_store = Watched(store.name)
        self._cut_by(ShardMap(count or 1))
        self.started = False
        self._failed = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._retiring: set[asyncio.Task[None]] = set()

    def _cut_by(self, shards: ShardMap) -> None:
        """Have a link to each shard of this map."""
        self._shards = shards
        self.parts = [
            ShardPart(self._link(shard.index), self._watched_store.view) for shard in shards.all()
        ]
        self.region = MergedOrders(shards, self.parts)
        self.jobs = MergedJobs(shards, self.parts, self.store)
        self._actors = MergedActors(shards, self.parts)

    def _link(self, shard: int) -> ShardLink:
        counted = Adder(self.telemetry).note
        return ShardLink(shard, lambda: self._processes.handles(shard), self._options, counted)

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
        self._cut_by(await settle_shards(self.store.shard_map, self._count, self._new_lease))
        await self._processes.open(self._shards.all())
        for part in self.parts:
            part.link.open()
        self._watching = asyncio.create_task(self._watch())
        waits = [asyncio.ensure_future(part.link.served.wait()) for part in self.parts]
        _, late = await asyncio.wait(waits, timeout=_FIRST_S)
        for each in late:
            each.cancel()
        self.started = True

    async def wait_failed(self) -> None:
        """Return only when the map is another, and is not followed; all else is found again."""
        await self._failed.wait()

    async def drain(self, timeout_s: float) -> bool:
        """Wait for what was sent; the shards go on."""
        return all(await asyncio.gather(*(part.link.drained(timeout_s) for part in self.parts)))

    async def close(self) -> None:
        """Leave the cluster, and close the store."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
            await self.roster.leave()
        await asyncio.gather(*(part.link.close() for part in self.parts), *self._retiring)
        await self._processes.close()
        await self.store.close()

    @property
    def shards(self) -> ShardMap | None:
        """The map of shards, where there are or may be several."""
        return None if self._count == 1 else self._shards

    # -- another map -------------------------------------------------------------------------

    async def reshard(self, count: int) -> ShardMap:
        """Have all front doors and processes cut the orders into `count` shards.

        Raises:
            ShardsFixed: a front door has a number of its own, and would have to be stopped.

        """
        return await plan_shards(self.store.shard_map, count, self._fixed_one)

    async def _fixed_one(self, _stored: ShardMap) -> str | None:
        """Return a front door that would not follow."""
        if self._count is not None:
            return self.node_id
        return next((each.node for each in self.roster.others() if not each.follows), None)

    async def _look_at_map(self) -> None:
        try:
            await self._follow()
        except (StoreUnavailable, OutcomeUnknown, LeaseUnavailable) as error:
            _log.warning("map_not_followed", error=str(error))
        except Exception:  # noqa: BLE001 -- one bad look must not be the last
            _log.exception("map_not_followed")

    async def _follow(self) -> None:
        """Do as the map says: make way for one that is planned, and begin anew under that."""
        stored = await self.store.shard_map.read()
        if stored.version != self._shards.version:
            if self._count is not None:
                _log.error("shards_moved_elsewhere", shards=self._count)
                self._failed.set()
                return
            await self._begin_anew(stored)
        if self._count is not None or stored.planned is None:
            return
        self._shards = stored
        await self._processes.keep(ShardMap(max(stored.count, stored.planned)).all())
        if self._processes.ready():
            await self._make_way(stored)
        if await owners_under(stored, self._new_lease):
            return
        if await self.store.shard_map.move(stored, stored.planned):
            _log.warning("shards_moved", before=stored.count, shards=stored.planned)

    async def _make_way(self, stored: ShardMap) -> None:
        """Have the shards given up, now that all is there that is to take them."""
        handles = [each for part in self.parts for each in self._processes.handles(part.link.shard)]
        make_way = pack(MAKE_WAY, stored.version, stored.planned)
        with suppress(TimeoutError):
            async with asyncio.timeout(_ANSWERS_S):
                asked = (each.operate(make_way) for each in handles)
                await asyncio.gather(*asked, return_exceptions=True)

    async def _begin_anew(self, stored: ShardMap) -> None:
        """Reach the shards of another map; of those before, take what is answered still."""
        old = self.parts
        self._cut_by(stored)
        for part in self.parts:
            part.link.open()
        for part in old:
            task = asyncio.create_task(part.link.close("the orders are cut anew", UNANSWERED_S))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)
        await self._processes.keep(stored.all())
        _log.info("shards_followed", shards=stored.count, version=stored.version)

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
            await self._look_at_map()
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
                for part in self.parts:
                    part.sample_part()
            await asyncio.sleep(_WATCHED_S if self._shards.planned is None else _LOOKS_S)
