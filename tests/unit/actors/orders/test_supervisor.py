"""The supervisor: one actor per order, gone when idle, replaced when dead, bounded in number."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from actors.commit.committer import MAX_OUTBOX
from actors.domain.messages import Resolve, Sweep, Updated
from actors.errors import MailboxFull, StillWaiting, TooManyActors
from tests.fakes import Fault
from tests.unit.actors.owner import ORDER, Owner, a_store, order_number, owner_of, turns, update
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from actors.domain.model import WorkOrderId


def live(owner: Owner) -> list[WorkOrderId]:
    return list(owner.directory.refs)


async def sweep(owner: Owner, *, everything: bool = False) -> None:
    await owner.term.supervisor.ask(Sweep(everything=everything), block=False)
    await owner.at_rest()


@in_virtual_time
async def test_64_first_requests_at_once_make_one_actor() -> None:
    store = a_store(200)
    async with owner_of(store) as owner:
        answers = await asyncio.gather(*(owner.ask(update(1)) for _ in range(64)))
        assert all(isinstance(each, Updated) for each in answers)
        assert (owner.supervisor.stats.created, len(owner.directory)) == (1, 1)
        assert store.calls["load"] == 1
    assert store.quantity(ORDER) == 64


@in_virtual_time
async def test_everyone_who_resolves_an_order_gets_the_same_actor() -> None:
    async with owner_of(a_store(200)) as owner:
        refs = await asyncio.gather(
            *(_resolved(owner, order_number(number)) for number in (1, 2) for _ in range(10))
        )
        assert len({ref.actor_urn for ref in refs}) == 2


async def _resolved(owner: Owner, order_id: WorkOrderId) -> Any:  # noqa: ANN401 a ref
    return await owner.term.supervisor.ask(Resolve(order_id), block=False)


# -- passivation -----------------------------------------------------------------------------


@in_virtual_time
async def test_idle_actors_go_after_their_time_and_leave_empty_outboxes() -> None:
    store = a_store(200)
    async with owner_of(store, idle_s=100) as owner:
        for number in (1, 2, 3):
            await owner.ask(update(1, order_number(number)))
        await asyncio.sleep(60)
        await owner.ask(update(1, order_number(2)))
        await asyncio.sleep(60)
        assert live(owner) == [order_number(2)]
        await asyncio.sleep(60)
        assert live(owner) == []
        assert owner.supervisor.stats.passivated == 3
    assert [each.outbox for each in store.orders.values() if each.outbox] == []


@in_virtual_time
async def test_an_actor_that_comes_back_goes_on_where_it_was() -> None:
    store = a_store(200)
    async with owner_of(store, idle_s=1) as owner:
        for number in range(1, 6):
            answer = await owner.ask(update(1))
            assert isinstance(answer, Updated)
            assert answer.seq == number
            await asyncio.sleep(30)
            assert live(owner) == []
        assert owner.supervisor.stats.created == 5


@in_virtual_time
async def test_a_message_that_comes_while_the_outbox_is_emptied_is_handled_by_the_same_actor() -> (
    None
):
    store = a_store(200)
    async with owner_of(store) as owner:
        await owner.ask(update(1))
        await owner.at_rest()
        async with store.holding("trim") as trimming:
            swept = asyncio.create_task(sweep(owner, everything=True))
            await trimming.wait()
            answer = await owner.ask(update(2))
            assert isinstance(answer, Updated), "an actor that leaves is not kept from working"
        await swept
        await turns()
        assert live(owner) == [ORDER]
        await sweep(owner, everything=True)
        assert live(owner) == []
        assert owner.supervisor.stats.created == 1
    assert store.orders[ORDER].outbox == ()


@pytest.mark.parametrize("seed", range(60))
@in_virtual_time
async def test_no_message_is_lost_between_passivation_and_return(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 not a secret
    store = a_store(3)

    async def travel(_method: str) -> None:
        await asyncio.sleep(dice.choice((0, 0, 0.001, 0.003)))

    answers = []

    async def call(order_id: WorkOrderId) -> None:
        for _ in range(20):
            await asyncio.sleep(dice.choice((0, 0.001, 0.002, 0.005)))
            answers.append(await owner.ask(update(1, order_id)))

    async def sweeps() -> None:
        while len(answers) < 120:
            await asyncio.sleep(dice.choice((0, 0.001)))
            await owner.term.supervisor.ask(Sweep(everything=True), block=False)

    async with owner_of(store, max_actors=dice.choice((2, 10))) as owner:
        store.travel = travel
        callers = [call(order_number(number)) for number in (1, 2, 3) for _ in range(2)]
        async with asyncio.timeout(30):
            await asyncio.gather(sweeps(), *callers)
        applied = [each for each in answers if isinstance(each, Updated)]
        assert len(applied) + sum(isinstance(each, TooManyActors) for each in answers) == 120
        assert owner.supervisor.stats.passivated or len(applied) < 120, "two kept the third out"
    total = sum(store.quantity(order_number(number)) for number in (1, 2, 3))
    assert total == len(applied)


@in_virtual_time
async def test_an_actor_whose_outbox_cannot_be_emptied_stays_and_goes_later() -> None:
    store = a_store(200)
    async with owner_of(store, idle_s=10) as owner:
        await owner.ask(update(1))
        await owner.ask(update(1, order_number(2)))
        store.script("trim", *[Fault.REFUSE, Fault.LOSE] * 30)
        await asyncio.sleep(13)
        assert len(live(owner)) == 2
        await asyncio.sleep(60)
        assert live(owner) == []
    assert store.orders[ORDER].outbox == ()


@in_virtual_time
async def test_an_actor_that_lost_sight_of_its_order_empties_its_outbox_and_goes() -> None:
    store = a_store(200)
    async with owner_of(store, idle_s=10) as owner:
        await owner.ask(update(1))
        store.script("commit", *[Fault.REFUSE] * 1000)
        assert not isinstance(await owner.ask(update(1, within=2)), Updated)
        store.faults["commit"].clear()
        await asyncio.sleep(60)
        assert live(owner) == []
    assert store.orders[ORDER].outbox == ()


@in_virtual_time
async def test_one_actor_that_has_to_stay_keeps_no_other() -> None:
    store = a_store(200)
    async with owner_of(store, idle_s=100) as owner:
        store.relay_rejects = lambda outcome: outcome.work_order_id == ORDER
        await owner.ask(update(1))
        await asyncio.sleep(50)
        await owner.ask(update(1, order_number(2)))
        await asyncio.sleep(120)
        assert live(owner) == [ORDER]
        store.relay_rejects = lambda _outcome: False
        await asyncio.sleep(300)
        assert live(owner) == []


@in_virtual_time
async def test_a_sweep_of_many_lets_others_have_their_turn() -> None:
    store = a_store(4_500)
    async with owner_of(store) as owner:
        ids = [order_number(number) for number in range(1, 4_501)]
        for start in range(0, 4_500, 500):
            await asyncio.gather(*(_resolved(owner, each) for each in ids[start : start + 500]))
        asked = owner.term.supervisor.ask(Sweep(everything=True), block=False)
        sizes = {len(owner.directory)}
        while len(owner.directory):
            await asyncio.sleep(0)
            sizes.add(len(owner.directory))
        assert await asked == 4_500
        assert sizes >= {4_500, 2_500, 500, 0}


# -- at MAX_ACTORS ---------------------------------------------------------------------------


@in_virtual_time
async def test_beyond_its_number_the_least_recently_used_go() -> None:
    store = a_store(200)
    async with owner_of(store, max_actors=3) as owner:
        for number in (1, 2, 3, 1, 4):
            assert isinstance(await owner.ask(update(1, order_number(number))), Updated)
        assert sorted(live(owner)) == [order_number(number) for number in (1, 3, 4)]
        for number in range(1, 101):
            assert isinstance(await owner.ask(update(1, order_number(number))), Updated)
            assert len(owner.directory) <= 3
    assert sum(store.quantity(order_number(number)) for number in range(1, 101)) == 105


@in_virtual_time
async def test_when_all_are_busy_the_next_order_is_refused_and_the_busy_ones_are_not() -> None:
    store = a_store(200)
    async with owner_of(store, max_actors=2) as owner:
        async with store.holding("commit"):
            busy = [owner.soon(update(1, order_number(number))) for number in (1, 2)]
            await turns(50)
            assert isinstance(await owner.ask(update(1, order_number(3))), TooManyActors)
            again = owner.soon(update(1, order_number(1)))
            await turns(50)
        answers = await asyncio.gather(*busy, again)
        assert all(isinstance(each, Updated) for each in answers)
        assert isinstance(await owner.ask(update(1, order_number(3))), Updated)
    assert store.quantity(order_number(3)) == 1


@in_virtual_time
async def test_many_first_requests_beyond_the_number_are_served_in_turn() -> None:
    store = a_store(200)
    async with owner_of(store, max_actors=5) as owner:
        asked = [owner.ask(update(1, order_number(number))) for number in range(1, 101)]
        answers = await asyncio.gather(*asked)
        applied = sum(isinstance(each, Updated) for each in answers)
        refused = sum(isinstance(each, TooManyActors) for each in answers)
        assert (applied >= 5, applied + refused) == (True, 100)
        assert len(owner.directory) <= 5
    assert sum(store.quantity(order_number(number)) for number in range(1, 101)) == applied


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.LOSE])
@in_virtual_time
async def test_room_that_the_store_cannot_make_is_refused_soon_and_made_later(
    fault: Fault,
) -> None:
    store = a_store(200)
    async with owner_of(store, max_actors=2) as owner:
        for number in (1, 2):
            await owner.ask(update(1, order_number(number)))
        await owner.at_rest()
        store.script("trim", *[fault] * 100)
        async with asyncio.timeout(1):
            assert isinstance(await owner.ask(update(1, order_number(3))), TooManyActors)
        assert store.calls["trim"] == 2, "each is asked once"
        store.faults["trim"].clear()
        assert isinstance(await owner.ask(update(1, order_number(3))), Updated)


@in_virtual_time
async def test_a_log_that_is_stuck_for_one_order_does_not_keep_others_from_making_room() -> None:
    store = a_store(200)
    async with owner_of(store, max_actors=3) as owner:
        store.relay_rejects = lambda outcome: outcome.work_order_id == ORDER
        for number in range(1, 30):
            answer = await owner.ask(update(1, order_number(number), within=5))
            assert isinstance(answer, Updated), f"{number}: {answer!r}"
            await asyncio.sleep(0.1)
        store.relay_rejects = lambda _outcome: False


@in_virtual_time
async def test_while_paused_there_is_room_for_orders_that_come() -> None:
    store = a_store(200)
    async with owner_of(store, max_actors=2) as owner:
        await owner.ask(update(1, order_number(1)))
        await owner.ask(update(1, order_number(2)))
        await owner.hold()
        waiting = owner.soon(update(1, order_number(3), within=5))
        await asyncio.sleep(2)
        assert order_number(3) in live(owner)
        await owner.go_on()
        assert isinstance(await waiting, Updated)


# -- bounds of what waits --------------------------------------------------------------------


@in_virtual_time
async def test_a_full_mailbox_refuses_and_what_it_holds_is_applied() -> None:
    store = a_store(200)
    async with owner_of(store, mailbox_size=5) as owner:
        await owner.ask(update(0))
        await owner.hold()
        asked = [owner.soon(update(1)) for _ in range(8)]
        await turns()
        assert owner.region.statistics().waiting == 5
        await owner.go_on()
        answers = await asyncio.gather(*asked)
        full = [each for each in answers if isinstance(each, MailboxFull)]
        assert [each.scope for each in full] == ["mailbox"] * 3
    assert store.quantity(ORDER) == 5


@in_virtual_time
async def test_a_full_node_refuses_for_every_order_and_still_passivates() -> None:
    store = a_store(200)
    async with owner_of(store, max_waiting=4, idle_s=10) as owner:
        await owner.ask(update(1, order_number(9)))
        async with store.holding("commit") as sent:
            busy = owner.soon(update(1, within=100))
            await sent.wait()
            waiting = [owner.soon(update(1, within=100)) for _ in range(4)]
            await turns()
            refused = await owner.ask(update(1, order_number(2)))
            assert isinstance(refused, MailboxFull)
            assert refused.scope == "node"
            await asyncio.sleep(30)
            assert live(owner) == [ORDER]
        await asyncio.gather(busy, *waiting)
    assert store.quantity(ORDER) == 5


@in_virtual_time
async def test_a_stuck_log_holds_up_only_what_finds_no_room_in_its_outbox() -> None:
    store = a_store(200)
    async with owner_of(store) as owner:
        async with store.holding("relay"):
            filling = [owner.soon(update(1, within=5)) for _ in range(MAX_OUTBOX)]
            assert all(isinstance(each, Updated) for each in await asyncio.gather(*filling))
            refused = await owner.ask(update(1, within=5))
            assert not isinstance(refused, (Updated, StillWaiting))
            assert isinstance(await owner.ask(update(1, order_number(2))), Updated)
            patient = owner.soon(update(1, within=60))
            await asyncio.sleep(5)
        assert isinstance(await patient, Updated)
    assert store.quantity(ORDER) == MAX_OUTBOX + 1
