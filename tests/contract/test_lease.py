"""What every lease promises: on a real Redis, on real files, and on both of our fakes.

The real ones also as a node has them: kept for a holder that is late, in a thread of their own.
"""

from __future__ import annotations

import asyncio
import uuid
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from actors.errors import LeaseUnavailable
from actors.lease import Holder, Lease
from actors.lease.file import FileLease
from actors.lease.kept import KeptLease
from actors.lease.redis import RedisLease
from actors.lease.thread import ThreadLease
from tests.contract.fakes import new_lease_server
from tests.fake_lease import LeaseServer as MemoryServer
from tests.fake_lease import MemoryLease
from tests.sim.lease import SimLease
from tests.sim.loop import Process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.servers import RedisServer

# Long: a busy machine must neither let a lease expire in a test nor use up a call's fifth of it.
TTL_S = 30.0


def a_holder(node: str = "a") -> Holder:
    return Holder(node=node, url=f"http://127.0.0.1/{node}", token=uuid.uuid4().hex)


@pytest.fixture(
    params=["redis", "file", "memory", "simulation", "redis-in-thread", "file-in-thread"]
)
def new_lease(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Lease]:
    """Return what makes one more node's way to the same lease."""
    if request.param == "memory":
        memory = MemoryServer(TTL_S)
        return lambda: MemoryLease(memory)
    if request.param == "simulation":
        simulated = new_lease_server(TTL_S)
        return lambda: SimLease(simulated, Process("node", simulated.loop))
    in_thread = request.param.endswith("-in-thread")
    if request.param.startswith("redis"):
        redis_server: RedisServer = request.getfixturevalue("redis_server")
        key_prefix: str = request.getfixturevalue("key_prefix")
        return lambda: as_nodes_have_it(
            RedisLease(redis_server.uri, ttl_s=TTL_S, key_prefix=key_prefix), in_thread=in_thread
        )
    return lambda: as_nodes_have_it(FileLease(tmp_path / "data", ttl_s=TTL_S), in_thread=in_thread)


def as_nodes_have_it(lease: Lease, *, in_thread: bool) -> Lease:
    return ThreadLease(KeptLease(lease, ttl_s=TTL_S)) if in_thread else lease


@pytest.fixture
async def leases(new_lease: Callable[[], Lease]) -> AsyncIterator[list[Lease]]:
    """Open the same lease for twenty nodes."""
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(20):
            lease = new_lease()
            stack.push_async_callback(lease.close)
            await lease.open()
            opened.append(lease)
        yield opened


async def test_a_free_lease_is_taken_once(leases: list[Lease]) -> None:
    first, second = a_holder("a"), a_holder("b")

    assert await leases[0].acquire(first)
    assert not await leases[1].acquire(second)
    assert not await leases[0].acquire(second)


async def test_of_twenty_that_try_at_once_one_gets_it(leases: list[Lease]) -> None:
    holders = [a_holder(f"node-{number}") for number in range(20)]

    taken = await asyncio.gather(
        *(lease.acquire(holder) for lease, holder in zip(leases, holders, strict=True))
    )

    assert taken.count(True) == 1
    view = await leases[0].view()
    assert view is not None
    assert view.holder == holders[taken.index(True)]


async def test_of_twenty_that_try_at_once_on_one_connection_one_gets_it(
    leases: list[Lease],
) -> None:
    taken = await asyncio.gather(*(leases[0].acquire(a_holder()) for _ in range(20)))

    assert taken.count(True) == 1


async def test_acquiring_again_with_the_same_token_finds_it_taken_by_itself(
    leases: list[Lease],
) -> None:
    holder = a_holder()
    await leases[0].acquire(holder)

    assert await leases[0].acquire(holder)


async def test_renewing_stores_the_holders_new_epoch(leases: list[Lease]) -> None:
    holder = a_holder()
    await leases[0].acquire(holder)
    with_epoch = replace(holder, epoch=7)

    assert await leases[0].renew(with_epoch)

    for lease in leases[:2]:
        view = await lease.view()
        assert view is not None
        assert view.holder == with_epoch


async def test_another_token_can_neither_renew_nor_release(leases: list[Lease]) -> None:
    holder, other = a_holder("a"), a_holder("b")
    await leases[0].acquire(holder)

    for lease in leases[:2]:
        assert not await lease.renew(other)
        assert not await lease.release(other)

    view = await leases[1].view()
    assert view is not None
    assert view.holder == holder


async def test_a_released_lease_is_free_for_the_next(leases: list[Lease]) -> None:
    first, second = a_holder("a"), a_holder("b")
    await leases[0].acquire(first)

    assert await leases[0].release(first)

    assert await leases[1].view() is None
    assert await leases[1].acquire(second)
    assert not await leases[0].release(first)
    view = await leases[0].view()
    assert view is not None
    assert view.holder == second


async def test_nobody_is_seen_before_anybody_took_it(leases: list[Lease]) -> None:
    assert await leases[0].view() is None


async def test_a_lease_that_is_held_in_good_order_is_not_stuck(leases: list[Lease]) -> None:
    holder = a_holder()
    await leases[0].acquire(holder)

    assert await leases[1].clear_stuck() == 0

    assert await leases[0].renew(holder)


async def test_a_lease_is_no_use_before_open_and_after_close(
    new_lease: Callable[[], Lease],
) -> None:
    lease = new_lease()
    with pytest.raises(LeaseUnavailable):
        await lease.view()

    await lease.open()
    await lease.close()
    await lease.close()

    with pytest.raises(LeaseUnavailable):
        await lease.acquire(a_holder())


async def test_a_closed_lease_can_be_opened_again(new_lease: Callable[[], Lease]) -> None:
    lease, holder = new_lease(), a_holder()
    await lease.open()
    await lease.close()

    await lease.open()

    assert await lease.acquire(holder)
    await lease.release(holder)
    await lease.close()
