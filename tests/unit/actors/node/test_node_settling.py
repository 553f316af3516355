"""What an ended term has sent must settle; a process in which it does not ends."""

from __future__ import annotations

import asyncio

from actors.domain.messages import Updated
from actors.node.status import Role
from actors.node.unsettled import SETTLE_S
from tests.fakes import Fault
from tests.unit.actors.nodes import TTL_S, AppContext, actor_of, answer, until, until_role
from tests.unit.actors.owner import ORDER, OTHER, update
from tests.virtual_time import in_virtual_time

LONG_S = 100 * SETTLE_S


async def _until_deposed(site: AppContext) -> None:
    site.server.take_away()
    await asyncio.sleep(TTL_S / 2)


@in_virtual_time
async def test_a_commit_that_hangs_after_its_term_ended_ends_the_process() -> None:
    site = AppContext()
    node = await site.started()
    async with site.store.holding("commit") as sent:
        asking = asyncio.create_task(answer(node, update()))
        await sent.wait()
        await _until_deposed(site)
        assert not actor_of(node).died.is_set()
        async with asyncio.timeout(SETTLE_S + TTL_S):
            await node.wait_failed()
        assert await node.drain(5)
    await asking


@in_virtual_time
async def test_a_commit_that_settles_in_time_ends_nothing() -> None:
    site = AppContext()
    node = await site.started()
    async with site.store.holding("commit") as sent:
        asking = asyncio.create_task(answer(node, update()))
        await sent.wait()
        await _until_deposed(site)
        await asyncio.sleep(SETTLE_S / 2)
    await asking
    await asyncio.sleep(LONG_S)

    assert not actor_of(node).died.is_set()
    assert node.status().role is Role.OWNER
    assert isinstance(await answer(node, update(order_id=OTHER)), Updated)


@in_virtual_time
async def test_a_store_that_is_away_for_long_ends_no_process_though_it_has_sent_something() -> None:
    site = AppContext()
    node = await site.started()
    site.store.choose = lambda method: Fault.LOSE if method == "commit" else None
    asking = asyncio.create_task(answer(node, update()))
    await until(lambda: site.store.calls["commit"])
    site.store.choose = lambda method: Fault.LOSE if method == "commit" else Fault.REFUSE
    await until_role(node, Role.STANDBY)
    await asyncio.sleep(LONG_S)
    assert site.store.calls["commit"] > SETTLE_S
    assert not actor_of(node).died.is_set()

    site.store.choose = lambda _method: None
    await until_role(node, Role.OWNER)
    assert not isinstance(await asking, Updated)
    await asyncio.sleep(LONG_S)
    assert not actor_of(node).died.is_set()
    assert site.store.quantity(ORDER) <= 1
