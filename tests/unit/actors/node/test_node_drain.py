"""The node at its end: drained, or its own actor dead."""

from __future__ import annotations

import asyncio
import time

import pytest
import structlog

from actors.domain.messages import Queued, Updated
from actors.errors import LeaseSpoilt, NotOwner
from actors.node import actor
from actors.node.status import Role
from tests.unit.actors.owner import ORDER, turns, update
from tests.unit.actors.plant import TTL_S, a_plant, ask, is_owner, role, until
from tests.virtual_time import in_virtual_time

# -- draining --------------------------------------------------------------------------------


@in_virtual_time
async def test_a_drain_finishes_what_is_queued_refuses_what_is_new_and_keeps_the_lease() -> None:
    async with a_plant() as plant:
        node = await plant.start()
        async with plant.store.holding("commit") as sent:
            queued = [asyncio.create_task(ask(node, update(1, within=100))) for _ in range(200)]
            await sent.wait()
            draining = asyncio.create_task(node.drain(60))
            await turns()
            assert role(node) is Role.DRAINING
            assert isinstance(await ask(node, update(7)), NotOwner)
            await asyncio.sleep(TTL_S * 3)
            assert plant.lease.held() is not None, "nobody else may begin meanwhile"
        assert await draining
        assert plant.lease.held() is None
        assert all(isinstance(each, Updated) for each in await asyncio.gather(*queued))
        assert await plant.store.dirty(10) == []
        assert role(node) is Role.STOPPED
        assert await node.drain(5), "a second time does no harm"
        assert not node.status().serving
    assert plant.store.quantity(ORDER) == 200


@in_virtual_time
async def test_a_drain_takes_no_longer_than_it_may() -> None:
    async with a_plant() as plant:
        node = await plant.start()
        async with plant.store.holding("commit") as sent:
            asked = asyncio.create_task(ask(node, update(1, within=100)))
            await sent.wait()
            began = time.monotonic()
            assert not await node.drain(3)
            assert time.monotonic() - began == pytest.approx(3, abs=0.1)
            assert plant.lease.held() is None
        assert isinstance(await asked, Updated)


@in_virtual_time
async def test_a_standby_drains_without_ado_and_lets_the_lease_alone() -> None:
    async with a_plant() as plant:
        await plant.start("a")
        standby = await plant.start("b")
        assert await standby.drain(5)
        assert role(standby) is Role.STOPPED
        assert plant.lease.holder is not None
        assert plant.lease.holder.node == "a"
        await asyncio.sleep(100)
        assert role(standby) is Role.STOPPED


@in_virtual_time
async def test_a_paused_node_drains_at_once_and_leaves_what_waits_to_the_next_one() -> None:
    async with a_plant() as plant:
        node = await plant.start("a")
        await node.region.pause()
        assert isinstance(await ask(node, update(1)), Queued)
        assert not await node.drain(20)
        assert plant.store.written(ORDER) == []

        successor = await plant.start("b")
        await successor.region.resume()
        await until(lambda: plant.store.quantity(ORDER) == 1)


@in_virtual_time
async def test_a_drain_gives_the_lease_up_even_if_its_server_is_gone_for_a_while() -> None:
    async with a_plant() as plant:
        node = await plant.start()
        plant.lease.reachable = False
        assert await node.drain(5)
        assert role(node) is Role.STOPPED


# -- failing ---------------------------------------------------------------------------------


@in_virtual_time
async def test_a_node_whose_own_actor_dies_says_so_and_can_still_be_drained() -> None:
    async with a_plant() as plant:
        node = await plant.start()
        failed = asyncio.create_task(node.wait_failed())
        asked = [asyncio.create_task(ask(node, update(1))) for _ in range(20)]
        await turns(5)
        assert not failed.done()
        plant.store.ping = _broken  # type: ignore[method-assign]
        async with asyncio.timeout(TTL_S):
            await failed
        assert await node.drain(10)
        assert all(isinstance(each, Updated) for each in await asyncio.gather(*asked))
        assert isinstance(await ask(node, update(1)), NotOwner)
        assert plant.lease.held() is None


async def _broken() -> None:
    raise ZeroDivisionError


@in_virtual_time
async def test_what_is_not_for_a_node_kills_it_and_the_process_learns_of_it() -> None:
    async with a_plant() as plant:
        node = await plant.start()
        node._actor.actor_ref.tell("nonsense")  # type: ignore[union-attr] # noqa: SLF001
        async with asyncio.timeout(1):
            await node.wait_failed()


@in_virtual_time
async def test_stuck_locks_are_the_leases_to_clear() -> None:
    async with a_plant() as plant:
        node = await plant.start()
        assert await node.clean_locks() == 0
        assert is_owner(node)


@in_virtual_time
async def test_what_is_no_lease_is_a_fault_that_health_and_clean_locks_name() -> None:
    async with a_plant() as plant:
        plant.lease.fault = "the key holds something else than a lease"
        node = await plant.start()
        status = node.status()
        assert (status.serving, status.reason) == (False, plant.lease.fault)
        assert (status.lease.ok, status.lease.detail) == (False, plant.lease.fault)
        with pytest.raises(LeaseSpoilt, match="something else than a lease"):
            await node.clean_locks()

        plant.lease.fault = None
        await until(lambda: is_owner(node))
        assert node.status().lease.ok
        assert await node.clean_locks() == 0


@in_virtual_time
async def test_what_is_odd_about_the_leases_time_is_told_and_logged_at_a_take_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    structlog.reset_defaults()  # the other tests here log nothing
    monkeypatch.setattr(actor, "_log", structlog.get_logger())
    async with a_plant() as plant:
        plant.lease.note = "taken over at noon"
        with structlog.testing.capture_logs() as logged:
            node = await plant.start()
        assert node.status().lease_note == "taken over at noon"
        assert [each["detail"] for each in logged if each["event"] == "lease_taken_over"] == [
            "taken over at noon"
        ]
