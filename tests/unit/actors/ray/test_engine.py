"""A front door before four shards in memory, each with a spare: one answer of them all."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from actors.domain.messages import Queued, Updated
from actors.domain.model import JobId, Operation
from actors.errors import (
    JobNotFound,
    JobStateConflict,
    NotOwner,
    OutcomeUnknown,
    StartupError,
    StillWaiting,
)
from actors.node.node import Node
from actors.node.options import NodeOptions
from actors.node.term import TermOptions
from actors.operators.rows import ActorQuery
from actors.orders.supervisor import Limits
from actors.ray.engine import RayEngine
from actors.ray.link import LinkOptions
from actors.ray.remote import RemoteOrders
from actors.ray.shard import ShardServer
from actors.store.shards import Member
from tests.unit.actors.orders.test_order_operations import ask
from tests.unit.actors.owner import update
from tests.unit.actors.shards.cluster import (
    ORDERS,
    SHARDS,
    TTL_S,
    Cluster,
    ShardedMemory,
    order_in,
)
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from actors.domain.slots import Shard
    from actors.node.options import Permit
    from actors.ray.link import ShardHandle


class Store(ShardedMemory):
    """What a front door asks the store itself."""

    name = "memory"

    async def ping(self) -> None: ...


@dataclass
class Processes:
    """Two servers of each shard, in this process; those in `gone` do not answer."""

    cluster: Cluster
    servers: dict[str, ShardServer] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    starting: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    slow: bool = False
    """Whether some have not answered yet."""
    kept: list[int] = field(default_factory=list)
    """How many shards there were to be processes for, again and again."""

    async def open(self, shards: Sequence[Shard]) -> None:
        await self.keep(shards)
        await asyncio.gather(*self.starting.values())

    async def keep(self, shards: Sequence[Shard]) -> None:
        self.kept.append(len(shards))
        wanted = [f"{shard.index}{letter}" for shard in shards for letter in "ab"]
        for name in self.servers.keys() - {*wanted} - self.gone:
            await self._end(name)
        for name in wanted:
            if name not in self.servers and name not in self.gone:
                server = self.servers[name] = self._server(name)
                self.starting[name] = asyncio.create_task(server.start())

    def _server(self, name: str) -> ShardServer:
        options = NodeOptions(name, "", TTL_S, TermOptions(Limits()))

        def new_node(shard: Shard, permit: Permit) -> Node:
            store = self.cluster.store.part(shard)
            return Node(store, self.cluster.new_lease(shard), options, permit=permit)

        store: Any = self.cluster.store
        return ShardServer(store, int(name[:-1]), new_node, TTL_S)

    def ready(self) -> bool:
        return not self.slow and all(each.done() for each in self.starting.values())

    async def _end(self, name: str) -> None:
        await self.starting[name]
        await self.servers.pop(name).close(1.0)

    async def close(self) -> None:
        for name in self.servers.keys() - self.gone:
            await self._end(name)

    def handles(self, shard: int) -> list[ShardHandle]:
        return [
            server
            for name, server in self.servers.items()
            if name[:-1] == str(shard) and name not in self.gone and self.starting[name].done()
        ]

    def shared(self) -> Processes:
        """Return the same for another front door, which finds them running and leaves them so."""
        return _Shared(self.cluster, self.servers, self.gone, self.starting)

    async def end(self, name: str) -> None:
        """End a process in good order: the spare has the lease at once."""
        self.gone.add(name)
        await self.servers[name].close(1.0)


class _Shared(Processes):
    async def keep(self, shards: Sequence[Shard]) -> None: ...

    async def close(self) -> None: ...


@dataclass
class Door:
    """A front door, and what is behind it."""

    engine: RayEngine
    processes: Processes


def door(
    count: int | None = SHARDS.count, name: str = "door", processes: Processes | None = None
) -> Door:
    processes = processes or Processes(Cluster(store=Store()))
    cluster = processes.cluster
    store: Any = cluster.store
    options = LinkOptions()
    url = f"http://{name}"
    engine = RayEngine(name, url, store, count, processes, options, cluster.new_lease)
    return Door(engine, processes)


@asynccontextmanager
async def an_open_door(count: int | None = SHARDS.count) -> AsyncIterator[Door]:
    """Afterwards it must leave nothing behind."""
    at = door(count)
    await at.engine.start()
    try:
        yield at
    finally:
        assert await at.engine.drain(1.0)
        await at.engine.close()
        await asyncio.sleep(60)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@in_virtual_time
async def test_updates_go_to_their_orders_shards_and_batches_come_back_as_they_were() -> None:
    async with an_open_door() as at:
        status = at.engine.status()
        assert (status.node, status.serving, len(status.shards)) == ("door", True, 4)
        for shard in range(4):
            done = await at.engine.region.update(update(order_id=order_in(shard)))
            assert isinstance(done, Updated)
            assert at.engine.part_of(order_in(shard)) == shard
        orders = [*ORDERS, *ORDERS]
        answers = await at.engine.region.update_many([update(order_id=each) for each in orders])
        assert [each.work_order_id for each in answers if isinstance(each, Updated)] == orders
        await asyncio.sleep(2)  # it looks each second
        counts = at.engine.region.statistics()
        assert (counts.completed, counts.live_actors, counts.jobs) == (84, 40, 0)
        await asyncio.sleep(10)
        again = await at.engine.region.update_many([update(order_id=order_in(1))] * 50)
        assert len(again) == 50
        await asyncio.sleep(6)
        told = [part.counts() for part in at.engine.parts]
        rates = [each.per_s for each in told if each is not None and each.per_s is not None]
        assert [rate > 0 for rate in rates] == [False, True, False, False]
        past = [part.past(0) for part in at.engine.parts]
        assert [len(rows) for rows in past] == [3] * 4
        assert [rows[-1].per_s for rows in past] == rates
        assert at.engine.owner_elsewhere() is None
        assert len(at.engine.ownership().seen) == 4


@in_virtual_time
async def test_a_process_takes_no_operation_on_an_order_of_another_shard() -> None:
    async with an_open_door() as at:
        # As from a front door that has not heard yet that the orders are cut anew.
        astray = RemoteOrders(at.engine.parts[1].link)
        start = replace(ask(Operation.START), work_order_id=order_in(0))
        for calls in (astray.operate(start), astray.pause_order(order_in(0))):
            with pytest.raises(NotOwner, match="another shard"):
                await calls
        assert not at.engine.region.is_paused(order_in(0))


@in_virtual_time
async def test_operators_are_told_of_all_shards() -> None:
    async with an_open_door() as at:
        await at.engine.region.update_many([update(order_id=each) for each in ORDERS])
        look = at.engine.inspector()
        assert (await look.summary()).states["idle"] == 40
        total, rows = await look.page(ActorQuery(page=2, page_size=15))
        assert (total, len(rows)) == (40, 15)
        assert len((await look.hot(5)).busiest) == 5
        assert await look.has(order_in(3))
        assert await look.numbers(ORDERS) == {each: f"WO-{each}" for each in ORDERS}
        view = await look.one(order_in(3))
        assert view is not None
        assert [each.seq for each in await look.latest(order_in(3))] == [1]
        assert look.unlogged >= 0
        held, locks = await at.engine.region.held(10)
        assert (held, len(locks)) == (40, 10)
        assert await at.engine.clean(0.0) == 0
        assert await at.engine.clean_locks() == 0


@in_virtual_time
async def test_pauses_are_of_all_shards_and_jobs_are_found_by_their_orders() -> None:
    async with an_open_door() as at:
        region, jobs = at.engine.region, at.engine.jobs
        await region.pause()
        assert region.statistics().paused
        kept = await region.update_many([update(order_id=order_in(n)) for n in range(4)])
        ids = [each.change.job_id for each in kept if isinstance(each, Queued)]
        assert region.statistics().waiting == 4
        total, page = await jobs.page("waiting", None, 1, 3)
        assert (total, [job.id for job, _ in page]) == (4, ids[:3])
        assert (await jobs.page("waiting", order_in(2), 1, 9))[0] == 1
        assert ((await jobs.counts()).waiting, (await jobs.counts(order_in(2))).waiting) == (4, 1)
        assert (await jobs.find(ids[2]))[1] == "waiting"
        assert await jobs.remove(ids[2]) == "waiting"
        with pytest.raises(JobNotFound):
            await jobs.find(ids[2])
        with pytest.raises(JobStateConflict):
            await jobs.retry(ids[1])
        await region.resume()
        await asyncio.sleep(1)
        assert (await jobs.find(ids[1]))[1] == "completed"
        with pytest.raises(JobStateConflict):
            await jobs.remove(ids[1])
        with pytest.raises(JobNotFound):
            await jobs.retry(JobId("f" * 24))
        assert await jobs.retry_failed(None, None) == 0
        assert await jobs.retry_failed(order_in(1), None) == 0
        assert await jobs.discard_failed(None, None) == 0
        assert (await jobs.counts()).completed == 3

        await region.pause_order(order_in(1))
        assert region.is_paused(order_in(1))
        assert not region.is_paused(order_in(2))
        await region.resume_order(order_in(1))
        assert not region.is_paused(order_in(1))


@in_virtual_time
async def test_a_spare_takes_over_and_a_shard_that_is_away_is_said_and_holds_up_no_other() -> None:
    async with an_open_door() as at:
        engine = at.engine
        await at.processes.end("1a")
        with pytest.raises(NotOwner):
            await engine.region.update(update(order_id=order_in(1)))
        # That is how the link has found out.
        assert isinstance(await engine.region.update(update(order_id=order_in(1))), Updated)
        assert engine.parts[1].status().node == "1b"

        await at.processes.end("1b")
        answers = await engine.region.update_many(
            [update(order_id=order_in(shard), within=5) for shard in range(4)]
        )
        kinds = [type(each) for each in answers]
        assert kinds[:1] + kinds[2:] == [Updated] * 3
        assert kinds[1] in (StillWaiting, OutcomeUnknown, NotOwner)
        status = engine.status()
        assert [each.serving for each in status.shards] == [True, False, True, True]
        assert status.shards[1].reason == "no process serves shard 1"
        assert (await engine.inspector().page(ActorQuery()))[0] == 3
        assert (await engine.region.held(10))[0] == 3
        with pytest.raises(NotOwner, match="shard 1 is away"):
            await engine.region.pause()
        with pytest.raises(NotOwner, match="shard 1 is away"):
            await engine.inspector().one(order_in(1))

        for shard in (0, 2, 3):
            for letter in "ab":
                await at.processes.end(f"{shard}{letter}")
        await asyncio.sleep(2)
        assert not engine.status().serving
        with pytest.raises(NotOwner, match="no shard is served"):
            await engine.inspector().summary()


@in_virtual_time
async def test_a_front_door_with_another_number_of_shards_does_not_start() -> None:
    async with an_open_door() as at:
        other = door(2)
        other.processes.cluster.store = at.processes.cluster.store
        other.engine.store = at.engine.store
        other.processes.cluster.leases = at.processes.cluster.leases
        with pytest.raises(StartupError, match="SHARDS is 2, and the orders are cut into 4"):
            await other.engine.start()


@in_virtual_time
async def test_a_front_door_counts_what_the_shards_do_from_when_it_is_there() -> None:
    async with an_open_door() as at:
        await at.engine.region.update_many([update(order_id=each) for each in ORDERS])
        await asyncio.sleep(2)
        late = door(name="late", processes=at.processes.shared()).engine
        await late.start()
        await asyncio.sleep(2)
        assert isinstance(await late.region.update(update(order_id=order_in(1))), Updated)
        await asyncio.sleep(2)
        for engine, updates in ((at.engine, 41), (late, 1)):
            counted = engine.telemetry
            assert counted.outcomes == {("applied", "UPDATED"): updates}
            assert (counted.commits.entries, counted.end_to_end.count) == (updates, updates)
            assert sum(counted.end_to_end.counts) == updates
        # Of those that another process has applied since.
        await at.processes.end("1a")
        await asyncio.sleep(2)
        await late.region.update(update(order_id=order_in(1)))
        await asyncio.sleep(2)
        assert late.telemetry.outcomes == {("applied", "UPDATED"): 2}
        await late.close()


@in_virtual_time
async def test_one_front_door_keeps_what_all_look_at_and_the_next_one_when_it_is_gone() -> None:
    async with an_open_door() as at:
        await asyncio.sleep(2)
        assert (at.engine.roster.term, at.engine.roster.others()) == (1, [])
        first = door(name="a-door", processes=at.processes.shared()).engine
        await first.start()
        await asyncio.sleep(2)
        assert (at.engine.roster.term, first.roster.term) == (0, 1)
        assert at.engine.roster.others() == [Member("a-door", "http://a-door")]
        assert first.roster.others() == [Member("door", "http://door")]
        await first.close()
        await asyncio.sleep(2)
        assert (at.engine.roster.term, at.engine.roster.others()) == (2, [])

        at.processes.cluster.store.shard_map.reachable = False
        await asyncio.sleep(2)
        assert at.engine.roster.term == 2, "the store is away for a moment"
        await asyncio.sleep(5)
        assert at.engine.roster.term == 0, "others may see what this one does not"
        at.processes.cluster.store.shard_map.reachable = True
