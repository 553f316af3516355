"""The node: owner by the lease, deposed by the store, and neither twice at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from actors.domain.messages import Queued, Updated
from actors.domain.model import Epoch
from actors.errors import NotOwner
from actors.node.node import Node, NodeOptions
from actors.node.status import Role
from actors.node.term import TermOptions
from actors.orders.supervisor import Limits
from tests.contract.cases import change, decide
from tests.fake_lease import MemoryLease
from tests.fakes import Fault
from tests.unit.actors.owner import ORDER, OTHER, turns, update
from tests.unit.actors.plant import SOMEBODY, TTL_S, Plant, a_plant, ask, is_owner, role, until
from tests.virtual_time import in_virtual_time

# -- starting --------------------------------------------------------------------------------


@in_virtual_time
async def test_the_first_node_owns_the_actors_and_serves() -> None:
    async with a_plant() as plant:
        node = await plant.start()

        status = node.status()
        assert (status.role, status.serving, status.reason) == (Role.OWNER, True, None)
        assert (status.epoch, status.node, status.lease_holder) == (1, "a", "a")
        assert status.lease_ttl_s == pytest.approx(TTL_S, abs=0.5)
        assert (status.store.ok, status.lease.ok, status.paused) == (True, True, False)
        assert plant.lease.holder is not None
        assert plant.lease.holder.epoch == 1
        assert node.owner_elsewhere() is None
        assert isinstance(await ask(node, update(1)), Updated)


@in_virtual_time
async def test_a_second_node_stands_by_and_knows_the_owner() -> None:
    async with a_plant() as plant:
        await plant.start("a")
        standby = await plant.start("b")

        status = standby.status()
        assert (status.role, status.serving, status.epoch) == (Role.STANDBY, False, 0)
        assert status.reason is not None
        assert "a owns" in status.reason
        owner = standby.owner_elsewhere()
        assert owner is not None
        assert owner.url == "http://a"
        assert isinstance(await ask(standby, update(1)), NotOwner)
        await asyncio.sleep(100)
        assert role(standby) is Role.STANDBY
        assert plant.store.calls["claim_epoch"] == 1


@in_virtual_time
async def test_a_standby_knows_whom_the_store_names_too() -> None:
    async with a_plant() as plant:
        await plant.start("a")
        standby = await plant.start("b")
        await until(lambda: standby.owner_elsewhere() is not None)
        holder = standby.owner_elsewhere()
        assert holder is not None
        await until(lambda: standby.confirms(holder))
        assert not standby.confirms(replace(holder, url="http://evil"))
        assert not standby.confirms(replace(holder, node="evil"))
        assert not standby.confirms(replace(holder, epoch=holder.epoch + 1))
        assert not standby.confirms(replace(holder, epoch=0))


@in_virtual_time
async def test_an_owner_of_an_earlier_release_is_known_by_its_name_and_epoch() -> None:
    async with a_plant() as plant:
        await plant.start("a")
        claim = await plant.store.claim()
        assert claim is not None
        plant.store._claim = replace(claim, url="")  # noqa: SLF001 as that release leaves it
        standby = await plant.start("b")
        await until(lambda: standby.owner_elsewhere() is not None)
        holder = standby.owner_elsewhere()
        assert holder is not None
        await until(lambda: standby.confirms(holder))
        assert not standby.confirms(replace(holder, node="evil"))


@in_virtual_time
async def test_before_it_is_started_a_node_has_no_status_and_nothing_to_drain() -> None:
    plant = Plant()
    node = Node(
        plant.store,
        MemoryLease(plant.lease),
        NodeOptions("a", "http://a", TTL_S, TermOptions(Limits())),
    )
    with pytest.raises(RuntimeError):
        node.status()
    assert await node.drain(1)
    assert node.owner_elsewhere() is None
    await node.wait_failed()


@pytest.mark.parametrize("method", ["ping", "claim_epoch", "paused"])
@in_virtual_time
async def test_a_node_that_finds_no_store_owns_nothing_and_takes_over_when_it_is_there(
    method: str,
) -> None:
    async with a_plant() as plant:
        plant.store.script(method, *[Fault.REFUSE] * 5)  # type: ignore[arg-type]
        node = await plant.start()
        status = node.status()
        assert (status.role, status.serving, status.store.ok) == (Role.STANDBY, False, False)
        assert plant.lease.held() is None, "another may have more luck"
        await until(lambda: is_owner(node))
        assert node.status().serving


@in_virtual_time
async def test_a_node_that_finds_no_lease_server_owns_nothing_until_it_is_there() -> None:
    async with a_plant() as plant:
        plant.lease.reachable = False
        node = await plant.start()
        await asyncio.sleep(20)
        status = node.status()
        assert (status.role, status.lease.ok, status.store.ok) == (Role.STANDBY, False, True)
        plant.lease.reachable = True
        assert await until(lambda: is_owner(node)) < 1


@in_virtual_time
async def test_a_lease_taken_without_an_answer_is_found_again() -> None:
    async with a_plant() as plant:
        plant.lease.loses_answers = True
        node = await plant.start()
        assert role(node) is Role.STANDBY
        assert plant.lease.held() is not None
        plant.lease.loses_answers = False
        assert await until(lambda: is_owner(node)) < 1


@in_virtual_time
async def test_a_lease_that_goes_while_taking_over_is_not_served_under() -> None:
    async with a_plant() as plant:
        async with plant.store.holding("claim_epoch") as claiming:
            starting = asyncio.create_task(plant.start())
            await claiming.wait()
            plant.lease.take_away()
            plant.lease.give(SOMEBODY)
        node = await starting
        assert role(node) is Role.STANDBY
        assert isinstance(await ask(node, update(1)), NotOwner)
        assert plant.lease.holder is not None
        assert plant.lease.holder.node == "b"
        await until(lambda: is_owner(node))
        assert node.status().epoch == 2


# -- staying and going -----------------------------------------------------------------------


@in_virtual_time
async def test_the_owner_renews_its_lease_for_as_long_as_it_lives() -> None:
    async with a_plant() as plant:
        node = await plant.start()
        for _ in range(100):
            await asyncio.sleep(TTL_S / 7)
            assert plant.lease.held() is not None
            assert plant.lease.left_s > TTL_S / 2
        assert is_owner(node)
        assert node.status().epoch == 1


@in_virtual_time
async def test_a_standby_takes_over_at_once_when_the_owner_drains() -> None:
    async with a_plant() as plant:
        first, second = await plant.start("a"), await plant.start("b")
        await ask(first, update(5))
        assert await first.drain(10)
        assert await until(lambda: is_owner(second)) < 1
        answer = await ask(second, update(1))
        assert isinstance(answer, Updated)
        assert (answer.seq, answer.epoch) == (2, 2)
        assert role(first) is Role.STOPPED


@in_virtual_time
async def test_an_owner_whose_lease_another_has_steps_down_at_once() -> None:
    async with a_plant() as plant:
        node = await plant.start()
        plant.lease.take_away()
        plant.lease.give(SOMEBODY)
        async with plant.store.holding("commit") as sent:
            taken = asyncio.create_task(ask(node, update(1)))
            await sent.wait()
            waiting = asyncio.create_task(ask(node, update(2)))
            assert await until(lambda: not is_owner(node)) < TTL_S / 2
            assert isinstance(await waiting, NotOwner)
            assert isinstance(await ask(node, update(3)), NotOwner)
        assert isinstance(await taken, Updated), "what is sent settles"
        assert node.status().reason is not None
        await until(lambda: is_owner(node))  # the other let it expire
        assert node.status().epoch == 2


@in_virtual_time
async def test_a_lost_lease_is_known_even_if_nobody_can_be_asked_who_has_it() -> None:
    async with a_plant() as plant:
        node = await plant.start()
        plant.lease.take_away()
        view = node.lease.view
        node.lease.view = _unavailable(plant)  # type: ignore[method-assign]
        assert await until(lambda: not is_owner(node)) < TTL_S / 2
        node.lease.view = view  # type: ignore[method-assign]


def _unavailable(plant: Plant) -> Any:  # noqa: ANN401 a method
    async def view() -> None:
        await asyncio.sleep(0)
        plant.lease.loses_answers = True
        try:
            plant.lease.answer()
        finally:
            plant.lease.loses_answers = False

    return view


@in_virtual_time
async def test_an_owner_whose_lease_server_is_gone_goes_on_serving() -> None:
    async with a_plant() as plant:
        node = await plant.start()
        plant.lease.reachable = False
        for _ in range(20):
            await asyncio.sleep(TTL_S)
            assert isinstance(await ask(node, update(1)), Updated)
        status = node.status()
        assert (status.role, status.serving, status.lease.ok) == (Role.OWNER, True, False)
        assert status.lease.since_s > TTL_S


@pytest.mark.parametrize("after_s", [0.0, 0.5, 1.9, 2.1, 3.0])
@pytest.mark.parametrize("takes_s", [0.0, TTL_S / 5])
@pytest.mark.parametrize("store", ["well", "hangs"])
@in_virtual_time
async def test_a_strict_owner_steps_down_before_its_lease_may_be_anothers(
    store: str, takes_s: float, after_s: float
) -> None:
    async with a_plant() as plant:
        node = await plant.start(lease_loss="strict")
        async with plant.store.holding("ping" if store == "hangs" else "dirty"):
            await asyncio.sleep(after_s)
            plant.lease.reachable, plant.lease.takes_s = False, takes_s
            await until(lambda: not is_owner(node))
            assert plant.lease.left_s > 0
        plant.lease.reachable, plant.lease.takes_s = True, 0.0
        await until(lambda: is_owner(node))


@in_virtual_time
async def test_two_that_both_hold_themselves_for_owners_apply_nothing_twice() -> None:
    async with a_plant() as plant:
        old = await plant.start("a")
        await ask(old, update(5, key="k"))
        plant.lease.reachable = False
        plant.lease.take_away()
        await asyncio.sleep(TTL_S)
        plant.lease.reachable = True
        new = await plant.start("b")
        answers = await asyncio.gather(
            *(ask(each, update(1, key=f"k{n}")) for n in range(10) for each in (old, new))
        )
        assert any(isinstance(each, Updated) for each in answers)
        assert isinstance(await ask(new, update(5, key="k")), Updated)
    entries = plant.store.written(ORDER)
    keys = [each.change.request_id for each in entries]
    assert len(set(keys)) == len(keys)
    assert plant.store.quantity(ORDER) == sum(each.applied_quantity for each in entries)


@in_virtual_time
async def test_an_owner_that_the_store_fences_steps_down() -> None:
    async with a_plant() as plant:
        node = await plant.start()
        await ask(node, update(1))
        successor = Epoch(await plant.store.claim_epoch("b"))
        [order] = await plant.store.load([ORDER])
        assert order is not None
        await plant.store.commit(successor, [decide(order, change(5), epoch=successor)])

        assert not isinstance(await ask(node, update(1)), Updated)

        await until(lambda: not is_owner(node), within=1)
        assert "epoch 2" in (node.status().reason or "")
        await until(lambda: is_owner(node))
        assert node.status().epoch == 3
        assert isinstance(await ask(node, update(1)), Updated)
        node._actor._deposed(2)  # type: ignore[union-attr] # noqa: SLF001 by the old term, late
        await turns()
        assert (role(node), node.status().epoch) == (Role.OWNER, 3)


@pytest.mark.parametrize("who", ["supervisor", "committer"])
@in_virtual_time
async def test_an_owner_whose_actors_died_steps_down_and_starts_afresh(who: str) -> None:
    async with a_plant() as plant:
        node = await plant.start()
        await ask(node, update(1))
        term = node._actor._term  # type: ignore[union-attr] # noqa: SLF001
        assert term is not None
        ref: Any = term.supervisor if who == "supervisor" else term.committer.actor_ref
        ref.tell("nonsense")

        await until(lambda: node.status().epoch == 2)
        assert isinstance(await ask(node, update(1)), Updated)
        assert isinstance(await ask(node, update(1, OTHER)), Updated)
    assert plant.store.quantity(ORDER) == 2


@in_virtual_time
async def test_an_owner_gives_the_lease_up_when_its_store_is_gone_for_longer_than_the_ttl() -> None:
    async with a_plant() as plant:
        node = await plant.start()
        await asyncio.sleep(20)
        plant.store.choose = lambda _method: Fault.REFUSE
        await until(lambda: not node.status().serving)
        assert is_owner(node), "not yet: it may be back"
        assert plant.lease.held() is not None
        took = await until(lambda: plant.lease.held() is None)
        assert TTL_S * 0.9 < took < TTL_S * 2
        assert (role(node), node.status().store.ok) == (Role.STANDBY, False)
        plant.store.choose = lambda _method: None
        await until(lambda: is_owner(node))
        assert isinstance(await ask(node, update(1)), Updated)


@in_virtual_time
async def test_an_owner_keeps_the_lease_through_a_short_outage_of_the_store() -> None:
    async with a_plant() as plant:
        node = await plant.start()
        plant.store.choose = lambda _method: Fault.REFUSE
        asked = asyncio.create_task(ask(node, update(1)))
        await asyncio.sleep(TTL_S * 0.8)
        plant.store.choose = lambda _method: None
        assert isinstance(await asked, Updated)
        await asyncio.sleep(TTL_S)
        assert (node.status().epoch, node.status().serving) == (1, True)


@in_virtual_time
async def test_a_store_that_hangs_does_not_cost_the_lease() -> None:
    async with a_plant() as plant:
        node = await plant.start()
        async with plant.store.holding("ping"):
            for _ in range(20):
                await asyncio.sleep(TTL_S / 20)
                assert plant.lease.held() is not None
        await asyncio.sleep(TTL_S)
        assert (node.status().epoch, node.status().serving) == (1, True)


@in_virtual_time
async def test_a_pause_survives_a_change_of_owner() -> None:
    async with a_plant() as plant:
        first, second = await plant.start("a"), await plant.start("b")
        await first.region.pause()
        assert first.status().paused
        await first.drain(5)
        await until(lambda: is_owner(second))
        assert second.status().paused
        assert isinstance(await ask(second, update(1, within=2)), Queued)
        assert plant.store.written(ORDER) == []
        await second.region.resume()
        assert isinstance(await ask(second, update(2)), Updated)
    assert [each.applied_quantity for each in plant.store.written(ORDER)] == [1, 2]
