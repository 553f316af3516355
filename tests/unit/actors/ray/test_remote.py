"""A node in memory behind a link: the port's calls arrive, and their answers come back."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from actors.domain.messages import Updated
from actors.domain.slots import ShardMap
from actors.errors import (
    JobNotFound,
    NotOwner,
    RequestIdConflict,
    WorkOrderError,
    WorkOrderNotFound,
)
from actors.operators.rows import ActorQuery
from actors.ray.link import LinkOptions, ShardLink
from actors.ray.operations import OPERATIONS
from actors.ray.remote import RemoteActors, RemoteJobs, RemoteOrders, operate, status_of
from actors.ray.shard import ShardServer
from actors.wire.forms import form_of
from actors.wire.payload import pack, read_answer, unpack
from tests.unit.actors.nodes import AppContext
from tests.unit.actors.owner import ORDER, OTHER, order_number, update
from tests.unit.actors.ray.shards import status
from tests.unit.actors.shards.cluster import MemoryMembers
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.node.node import Node
    from actors.store.port import Store


@dataclass
class Remote:
    """A shard of all orders, and the port to it."""

    node: Node
    server: ShardServer
    link: ShardLink

    def __post_init__(self) -> None:
        self.orders = RemoteOrders(self.link)
        self.jobs = RemoteJobs(self.link)
        self.actors = RemoteActors(self.link)


class WholeStore:
    """A store whose orders are in one shard."""

    def __init__(self, store: Store) -> None:
        self.open, self.close = store.open, store.close
        self.shard_map = MemoryMembers(ShardMap())
        self.part = lambda _shard: store


@asynccontextmanager
async def remote() -> AsyncIterator[Remote]:
    node = AppContext().node()
    store: Any = WholeStore(node.store)
    server = ShardServer(store, 0, lambda _shard, _permit: node, 5.0)
    await server.start()
    link = ShardLink(0, lambda: [server], LinkOptions())
    link.open()
    try:
        await link.served.wait()
        yield Remote(node, server, link)
    finally:
        await link.close()
        await server.close(1.0)


@in_virtual_time
async def test_updates_are_applied_and_refused_as_they_are_in_one_process() -> None:
    async with remote() as at:
        done = await at.orders.update(update(3, key="k"))
        assert isinstance(done, Updated)
        assert done.after_quantity == 3
        again = await at.orders.update(update(3, key="k"))
        assert isinstance(again, Updated)
        assert again.replayed
        with pytest.raises(RequestIdConflict, match="another payload"):
            await at.orders.update(update(4, key="k"))
        with pytest.raises(WorkOrderNotFound):
            await at.orders.update(update(order_id=order_number(404)))


@in_virtual_time
async def test_a_batch_keeps_the_order_of_one_orders_changes() -> None:
    async with remote() as at:
        orders = [ORDER, OTHER, ORDER, order_number(404), ORDER]
        answers = await at.orders.update_many([update(order_id=each) for each in orders])
        assert [each.seq for each in answers if isinstance(each, Updated)] == [1, 1, 2, 3]
        assert isinstance(answers[3], WorkOrderNotFound)


@in_virtual_time
async def test_operators_see_and_change_what_they_do_in_one_process() -> None:
    async with remote() as at:
        await at.orders.update(update(3))
        assert (await at.orders.held(5))[0] == 1
        assert (await at.actors.page(ActorQuery()))[1][0].work_order_id == ORDER
        assert (await at.actors.summary()).states["idle"] == 1
        assert await at.actors.has(ORDER)
        assert not await at.actors.has(OTHER)
        assert await at.actors.numbers([ORDER, OTHER]) == {ORDER: f"WO-{ORDER}"}
        assert await at.actors.one(OTHER) is None
        view = await at.actors.one(ORDER)
        assert view is not None
        assert view.actor.seq == 1
        assert [each.seq for each in await at.actors.latest(ORDER)] == [1]
        assert (await at.actors.hot(3)).busiest[0].work_order_id == ORDER
        assert at.actors.unlogged >= 0

        await at.orders.pause_order(ORDER)
        queued = await at.orders.update(update(1, wait=False))
        assert at.orders.is_paused(ORDER)
        assert at.orders.statistics().waiting == 1
        job_id = queued.change.job_id
        assert (await at.jobs.find(job_id))[1] == "waiting"
        total, jobs = await at.jobs.page("waiting", None, 1, 10)
        assert (total, jobs[0][0].id) == (1, job_id)
        assert await at.jobs.remove(job_id) == "waiting"
        with pytest.raises(JobNotFound, match=job_id):
            await at.jobs.find(job_id)
        with pytest.raises(WorkOrderError):
            await at.jobs.retry(job_id)
        assert await at.jobs.retry_failed(None, None) == 0
        await at.orders.resume_order(ORDER)
        await at.orders.pause()
        assert at.node.status().paused
        await at.orders.resume()
        assert not at.node.status().paused
        assert await operate(at.link, "clean", 0.0) >= 0
        assert await operate(at.link, "clean_locks") == 0


@in_virtual_time
async def test_a_shard_that_drains_says_so_and_is_left() -> None:
    async with remote() as at:
        store = status().store
        assert status_of(at.link, store).serving
        assert await operate(at.link, "drain", 1.0)
        await asyncio.sleep(1.5)
        assert not at.link.served.is_set()
        assert status_of(at.link, store).reason == "no process serves shard 0"
        with pytest.raises(NotOwner):
            await at.orders.held(1)
        assert at.orders.statistics().waiting == 0


@in_virtual_time
async def test_an_operation_of_another_release_or_a_broken_one_is_answered_with_an_error() -> None:
    async with remote() as at:
        for payload in (pack("forecast"), pack("held"), pack("held", ["x"])):
            failure, *_ = unpack(await at.server.operate(payload))
            assert isinstance(read_answer(failure), WorkOrderError)


def test_all_that_operations_take_and_answer_has_a_form() -> None:
    for operation in OPERATIONS.values():
        for kind in (*operation.takes, operation.answers):
            form_of(kind)
