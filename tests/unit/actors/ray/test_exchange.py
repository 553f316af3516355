"""The shard's side: what it takes, what it refuses, and how long it keeps a call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from actors.domain.messages import Updated
from actors.errors import NotOwner, PayloadUnreadable, WorkOrderError
from actors.ray.exchange import PARKED_S, Exchange
from actors.wire.payload import pack, read_answer, unpack, write_answer
from tests.unit.actors.ray.shards import SlowOrders, update
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from actors.domain.messages import UpdateQuantity
    from actors.domain.model import WorkOrderId

FOREIGN = 99


class Broken(SlowOrders):
    """Fails as no order should."""

    async def update(self, message: UpdateQuantity) -> Updated:
        raise ZeroDivisionError(message)


def exchange(orders: SlowOrders | None = None) -> Exchange:
    def is_mine(order_id: WorkOrderId) -> bool:
        return order_id != update(FOREIGN).work_order_id

    return Exchange(orders or SlowOrders(), is_mine, lambda: ["news"])


async def call(desk: Exchange, *groups: list[Any], session: str = "s") -> dict[int, list[Any]]:
    payload = pack(session, 4, [[number, messages] for number, *messages in groups])
    name, news, results = unpack(await desk.call(payload))
    assert (name, news) == (desk.name, ["news"])
    return {number: [*map(read_answer, answers)] for number, answers in results}


@in_virtual_time
async def test_a_call_with_nothing_to_say_is_answered_in_a_while() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await call(exchange()) == {}
    assert loop.time() - began == pytest.approx(PARKED_S)


@in_virtual_time
async def test_each_front_door_is_answered_what_it_asked() -> None:
    desk = exchange()
    one, other = await asyncio.gather(
        call(desk, [1, write_answer(update(1))], session="one"),
        call(desk, [1, write_answer(update(2))], session="other"),
    )
    assert one[1][0].work_order_id == update(1).work_order_id
    assert other[1][0].work_order_id == update(2).work_order_id


@in_virtual_time
async def test_orders_of_another_shard_are_refused_as_a_group() -> None:
    orders = SlowOrders()
    group = [7, write_answer(update(1)), write_answer(update(FOREIGN))]
    results = await call(exchange(orders), group)
    assert [type(each) for each in results[7]] == [NotOwner, NotOwner]
    assert orders.applied == []


@in_virtual_time
async def test_what_fails_as_it_should_not_is_answered_too() -> None:
    results = await call(exchange(Broken()), [1, write_answer(update(1))])
    assert [type(each) for each in results[1]] == [WorkOrderError]


@in_virtual_time
async def test_a_message_that_can_not_be_read_is_answered_so_and_its_neighbours_go_on() -> None:
    desk = exchange()
    results = await call(desk, [1, ["UpdateQuantity", [1]]], [2, write_answer(update(1))])
    results |= await call(desk) if len(results) < 2 else {}
    assert isinstance(results[1][0], PayloadUnreadable)
    assert isinstance(results[2][0], Updated)


@in_virtual_time
async def test_what_a_front_door_that_is_gone_does_not_fetch_is_forgotten_and_was_done() -> None:
    orders = SlowOrders(takes_s=PARKED_S * 2)
    desk = exchange(orders)
    assert await call(desk, [1, write_answer(update(1, within_s=60))], session="gone") == {}
    await asyncio.sleep(70)
    assert len(orders.applied) == 1
    await call(desk, session="next")
    assert await call(desk, session="gone") == {}
