"""The committer empties the outboxes of orders that rest, whether or not they have an actor."""

from __future__ import annotations

import asyncio

from actors.commit.committer import TIDIED_AT_ONCE
from actors.domain.messages import EmptyOutboxes, ReadOrder, Ready, Tidy
from actors.runtime.actor import AsyncioActor
from tests.contract.cases import change, decide
from tests.fakes import Fault
from tests.unit.actors.desk import MINE, Desk
from tests.unit.actors.owner import ORDER, OTHER, order_number
from tests.virtual_time import in_virtual_time


class Listener(AsyncioActor):
    """Stands in for the supervisor: keeps what it is told."""

    in_registry = False

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Ready] = []

    def on_receive(self, message: Ready) -> None:
        self.heard.append(message)


def outbox(desk: Desk) -> list[str]:
    return [each.change.job_id for each in desk.store.orders[ORDER].outbox]


@in_virtual_time
async def test_who_asks_is_told_at_once_of_orders_without_an_outbox_and_later_of_others() -> None:
    desk, listener = Desk(), Listener()
    await desk.commit(change(1))
    await desk.relayed()
    async with desk.store.holding("trim") as trimming:
        desk.committer.actor_ref.tell(EmptyOutboxes((ORDER, OTHER), listener.actor_ref))
        await trimming.wait()
        assert listener.heard == [Ready((OTHER,), emptied=True)]
    await desk.relayed()
    assert listener.heard[1:] == [Ready((ORDER,), emptied=True)]
    assert outbox(desk) == []


@in_virtual_time
async def test_an_outbox_that_cannot_be_emptied_is_told_so_and_emptied_when_asked_again() -> None:
    desk, listener = Desk(), Listener()
    await desk.commit(change(1))
    await desk.relayed()
    desk.store.script("trim", Fault.REFUSE)
    for emptied in (False, True):
        desk.committer.actor_ref.tell(EmptyOutboxes((ORDER,), listener.actor_ref))
        await asyncio.sleep(0.1)
        assert listener.heard.pop() == Ready((ORDER,), emptied)
    assert outbox(desk) == []


@in_virtual_time
async def test_orders_at_rest_are_tidied_and_those_that_changed_since_are_not() -> None:
    desk = Desk()
    await desk.commit(change(1))
    await asyncio.sleep(10)
    order = await desk.load()
    await desk.relayed()
    second = await desk.commit(change(1), order=order)
    desk.committer.actor_ref.tell(Tidy(5))
    await asyncio.sleep(1)
    assert len(outbox(desk)) == 1, "it changed a moment ago"
    await asyncio.sleep(5)
    desk.committer.actor_ref.tell(Tidy(5))
    await asyncio.sleep(1)
    assert outbox(desk) == []
    assert len(desk.committer.outboxes) == 0
    assert (await desk.load()).revision == second.revision, "and the order itself is as it was"


@in_virtual_time
async def test_a_commit_that_overtakes_the_tidying_keeps_its_outbox_until_the_next_time() -> None:
    desk = Desk()
    order = await desk.commit(change(1))
    await desk.relayed()
    async with desk.store.holding("trim") as trimming:
        desk.committer.actor_ref.tell(Tidy(0))
        await trimming.wait()
        await desk.commit(change(1), order=order)
    await desk.relayed()
    assert len(outbox(desk)) == 1
    desk.committer.actor_ref.tell(Tidy(0))
    await asyncio.sleep(1)
    assert outbox(desk) == []


@in_virtual_time
async def test_an_outbox_that_an_earlier_owner_left_is_tidied_once_it_was_read() -> None:
    earlier = Desk()
    await earlier.commit(change(1))
    desk = Desk()
    desk.store.orders[ORDER] = earlier.store.orders[ORDER]
    assert len(outbox(desk)) == 1
    await desk.ask(ReadOrder(ORDER))
    await desk.relayed()
    desk.committer.actor_ref.tell(Tidy(0))
    await asyncio.sleep(1)
    assert outbox(desk) == []


@in_virtual_time
async def test_tidying_is_done_a_share_at_a_time() -> None:
    desk = Desk()
    ids = [order_number(number) for number in range(1, TIDIED_AT_ONCE + 101)]
    for order_id in ids:
        desk.store.put(order_id)
    orders = await desk.ask_all(*map(ReadOrder, ids))
    await desk.ask_all(*(decide(order, change(1), epoch=MINE) for order in orders))
    await desk.relayed()
    left = []
    for _ in range(2):
        desk.committer.actor_ref.tell(Tidy(0))
        await asyncio.sleep(1)
        left.append(len(desk.committer.outboxes))
    assert left == [100, 0]
