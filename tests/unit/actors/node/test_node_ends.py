"""How a node's ownership ends: what it says meanwhile, in time, with nothing kept from others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from actors.domain.messages import Updated
from actors.errors import NotOwner, StoreRejected
from actors.node.status import Role
from tests.fakes import Fault
from tests.unit.actors.nodes import TTL_S, AppContext, answer, die, lease_of, until, until_role
from tests.unit.actors.owner import ORDER, update
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from tests.fakes import Method


@in_virtual_time
async def test_a_node_that_steps_down_says_so_before_the_lease_server_has_answered() -> None:
    site = AppContext()
    node = await site.started()
    await answer(node, update())
    lease_of(node).answers_releases.clear()
    site.server.take_away()
    await until(lambda: node.region.statistics().live_actors == 0)

    status = node.status()
    assert (status.role, status.serving) == (Role.STANDBY, False)
    assert status.reason == "the lease is lost"
    lease_of(node).answers_releases.set()
    await until_role(node, Role.OWNER)


@pytest.mark.parametrize("answer_takes_s", [0, TTL_S / 5])
@in_virtual_time
async def test_a_strict_owner_steps_down_before_its_lease_expires_however_slow_the_failure(
    answer_takes_s: float,
) -> None:
    site = AppContext()
    node = await site.started(lease_loss="strict")
    await asyncio.sleep(5 * TTL_S)
    lease_of(node).renewing_s = answer_takes_s
    site.server.reachable = False
    await until(lambda: not node.status().serving)

    assert site.server.left_s > 0
    assert node.status().reason == "the lease can't be renewed, and LEASE_LOSS is strict"
    assert isinstance(await answer(node, update()), NotOwner)
    site.server.reachable = True
    await until_role(node, Role.OWNER)


@in_virtual_time
async def test_one_answer_that_is_missing_costs_a_strict_owner_nothing() -> None:
    site = AppContext()
    node = await site.started(lease_loss="strict")
    site.server.reachable = False
    await until(lambda: not node.status().lease.ok)
    site.server.reachable = True
    await asyncio.sleep(5 * TTL_S)

    assert (node.status().role, node.status().epoch) == (Role.OWNER, 1)


@in_virtual_time
async def test_an_owner_that_slept_through_its_end_applies_nothing_any_more() -> None:
    site = AppContext()
    sleeper, successor = await site.started("a"), await site.started("b")
    await answer(sleeper, update())
    die(sleeper)
    await until_role(successor, Role.OWNER)
    await answer(successor, update())

    assert not isinstance(await answer(sleeper, update()), Updated)
    assert site.store.quantity(ORDER) == 2


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("claim_epoch", Fault.REFUSE),
        ("claim_epoch", Fault.LOSE_ANSWER),
        ("paused", Fault.REFUSE),
    ],
)
@in_virtual_time
async def test_a_take_over_that_the_store_fails_leaves_the_lease_to_others(
    method: Method, fault: Fault
) -> None:
    site = AppContext()
    site.store.script(method, fault)
    node = await site.started()

    assert node.status().role is Role.STANDBY
    assert site.server.held() is None
    assert isinstance(await answer(node, update()), NotOwner)
    await until_role(node, Role.OWNER, within_s=1)
    assert isinstance(await answer(node, update()), Updated)


@in_virtual_time
async def test_a_take_over_that_the_map_of_shards_forbids_is_no_store_that_is_down() -> None:
    site = AppContext()
    why = "the orders are being cut into 4 shards"
    with mock.patch.object(site.store, "claim_epoch", side_effect=StoreRejected(why)):
        node = await site.started()
        status = node.status()
        assert (status.role, status.reason) == (Role.STANDBY, why)
        assert status.store.ok
        assert site.server.held() is None
    await until_role(node, Role.OWNER)


@in_virtual_time
async def test_a_lease_that_can_not_be_checked_while_taking_over_is_not_served_under() -> None:
    site = AppContext()
    node = site.node()
    async with site.store.holding("claim_epoch") as claiming:
        starting = asyncio.create_task(node.start())
        await claiming.wait()
        site.server.reachable = False
    await starting

    assert node.status().role is Role.STANDBY
    assert isinstance(await answer(node, update()), NotOwner)
    site.server.reachable = True
    await until_role(node, Role.OWNER)


@in_virtual_time
async def test_a_drain_gives_up_a_lease_that_was_taken_without_an_answer() -> None:
    site = AppContext()
    site.server.loses_answers = True
    node = await site.started()
    assert site.server.held() is not None
    site.server.loses_answers = False

    assert await node.drain(1) is True
    assert site.server.held() is None


@in_virtual_time
async def test_a_drain_gives_up_the_lease_of_a_take_over_that_failed_for_good() -> None:
    site = AppContext()
    node = site.node()
    with (
        mock.patch.object(site.store, "claim_epoch", side_effect=ZeroDivisionError),
        pytest.raises(ZeroDivisionError),
    ):
        await node.start()
    assert site.server.held() is not None

    await node.drain(1)
    assert site.server.held() is None


@in_virtual_time
async def test_two_drains_at_once_both_end_and_what_was_queued_is_applied() -> None:
    site = AppContext()
    node = await site.started()
    async with site.store.holding("commit") as committing:
        asked = asyncio.create_task(answer(node, update()))
        await committing.wait()
        drains = [asyncio.create_task(node.drain(10)) for _ in range(2)]
        await until_role(node, Role.DRAINING)

    assert await asyncio.gather(*drains) == [True, True]
    assert isinstance(await asked, Updated)
    assert node.status().role is Role.STOPPED


@in_virtual_time
async def test_a_node_that_is_deposed_while_it_drains_does_not_use_up_its_time() -> None:
    site = AppContext()
    node, successor = await site.started("a"), await site.started("b")
    await answer(node, update())
    async with site.store.holding("trim"):
        drained = asyncio.create_task(node.drain(1_000))
        await until_role(node, Role.DRAINING)
        site.server.take_away()
        await until_role(successor, Role.OWNER)
        await answer(successor, update())
    async with asyncio.timeout(60):
        await drained

    assert site.store.quantity(ORDER) == 2
