"""Batches: answered as they stand, orders in parallel, each order's own changes in sequence."""

from __future__ import annotations

import asyncio

from actors.domain.messages import Sweep, Updated
from actors.errors import MailboxFull, StillWaiting, WorkOrderNotFound
from tests.unit.actors.owner import (
    ORDER,
    OTHER,
    a_store,
    order_number,
    owner_of,
    quantities,
    seqs,
    turns,
    update,
)
from tests.virtual_time import in_virtual_time


@in_virtual_time
async def test_a_batch_is_answered_in_its_order_and_applied_in_each_orders_own() -> None:
    store = a_store(10)
    async with owner_of(store) as owner:
        numbers = (1, 2, 1, 3, 2, 1, 99)
        batch = [update(each, order_number(number)) for each, number in enumerate(numbers, 1)]
        answers = await owner.region.update_many(batch)

        assert seqs(answers) == [1, 1, 2, 1, 2, 3, None]
        assert isinstance(answers[-1], WorkOrderNotFound)
        for message, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Updated):
                assert answer.change == message.change
        assert store.calls["commit"] == 1
    assert quantities(store) == [1, 3, 6]


@in_virtual_time
async def test_nobody_gets_in_between_the_items_of_one_order() -> None:
    store = a_store(10)
    async with owner_of(store) as owner:
        await owner.ask(update(0))
        batches = [[update(number) for _ in range(20)] for number in (1, 2, 3)]
        await asyncio.gather(*(owner.region.update_many(each) for each in batches))
    assert quantities(store) == [0, *[1] * 20, *[2] * 20, *[3] * 20]


@in_virtual_time
async def test_a_batch_larger_than_the_mailbox_gets_through_in_order() -> None:
    store = a_store(10)
    async with owner_of(store, mailbox_size=7) as owner:
        answers = await owner.region.update_many([update(number) for number in range(30)])
        assert seqs(answers) == list(range(1, 31))
    assert quantities(store) == list(range(30))


@in_virtual_time
async def test_no_item_overtakes_one_of_its_order_that_found_no_room() -> None:
    store = a_store(10)
    async with owner_of(store, mailbox_size=3) as owner:
        await owner.ask(update(0))
        await owner.hold()
        filling = [owner.soon(update(1)) for _ in range(3)]
        await turns()
        answers = asyncio.create_task(
            owner.region.update_many([update(5), update(6), update(7, OTHER)])
        )
        await turns()
        await owner.go_on()
        full, behind, other = await answers
        assert isinstance(full, MailboxFull)
        assert isinstance(behind, MailboxFull)
        assert isinstance(other, Updated)
        assert seqs(await asyncio.gather(*filling)) == [2, 3, 4]
    assert quantities(store) == [0, 1, 1, 1]


@in_virtual_time
async def test_no_item_overtakes_one_of_its_order_that_waited_too_long() -> None:
    store = a_store(10)
    async with owner_of(store) as owner:
        await owner.ask(update(0))
        await owner.hold()
        asked = asyncio.create_task(
            owner.region.update_many([update(5, within=1), update(6, within=100)])
        )
        await asyncio.sleep(2)
        await owner.go_on()
        assert [type(each) for each in await asked] == [StillWaiting, StillWaiting]
        await owner.at_rest()
    assert quantities(store) == [0]


@in_virtual_time
async def test_an_order_that_is_stuck_does_not_hold_up_the_others_of_a_batch() -> None:
    store = a_store(10)
    async with owner_of(store) as owner:
        await owner.region.update_many([update(0), update(0, OTHER)])
        store.commit_rejects = lambda changes: changes.before.id == ORDER
        stuck, fine = await owner.region.update_many([update(1), update(1, OTHER)])
        assert not isinstance(stuck, Updated)
        assert isinstance(fine, Updated)


@in_virtual_time
async def test_a_batch_finds_its_actor_again_when_that_was_passivated_meanwhile() -> None:
    store = a_store(10)
    async with owner_of(store) as owner:
        for _ in range(20):
            sweep = owner.term.supervisor.ask(Sweep(everything=True), block=False)
            answers = await owner.region.update_many([update(1), update(2), update(3)])
            await sweep
            assert None not in seqs(answers)
    assert quantities(store) == [1, 2, 3] * 20
