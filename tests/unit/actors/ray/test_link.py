"""The link: few calls, none of them twice, and the truth about what was sent and what was not."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from actors.domain.messages import Updated
from actors.errors import MailboxFull, NotOwner, OutcomeUnknown, StillWaiting
from actors.ray.exchange import PARKED_S
from actors.ray.link import LOOKS_S, UNANSWERED_S, LinkOptions, ShardLink
from actors.ray.totals import Adder
from actors.telemetry.telemetry import Telemetry
from tests.unit.actors.ray.shards import FakeShard, SlowOrders, update
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from actors.orders.batch import Answer


@asynccontextmanager
async def linked(*shards: FakeShard, **options: Any) -> AsyncIterator[ShardLink]:  # noqa: ANN401
    link = ShardLink(0, lambda: shards, LinkOptions(**options))
    link.open()
    try:
        yield link
    finally:
        await link.close()


def sending(link: ShardLink, *orders: int, within_s: float = 10.0) -> list[asyncio.Task[Answer]]:
    async def one(order: int) -> Answer:
        (answer,) = await link.send([update(order, within_s=within_s)])
        return answer

    return [asyncio.create_task(one(each)) for each in orders]


async def seconds(work: Coroutine[Any, Any, Any]) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await work
    return loop.time() - began


@in_virtual_time
async def test_what_arrives_in_one_turn_of_the_loop_goes_in_one_call() -> None:
    shard = FakeShard()
    async with linked(shard) as link:
        await link.served.wait()
        answers = await asyncio.gather(*sending(link, *range(50)))
    assert all(isinstance(each, Updated) for each in answers)
    assert len(set(shard.orders.applied)) == 50
    assert shard.most_at_once == 1


@in_virtual_time
async def test_no_more_calls_are_made_at_once_and_no_more_updates_go_in_one_than_is_set() -> None:
    shard = FakeShard()
    async with linked(shard, calls=3, batch=4) as link:
        await link.served.wait()
        tasks = sending(link, *range(60))
        await asyncio.gather(*tasks)
        assert link.waiting == 0
    assert shard.most_at_once <= 3
    assert len(shard.orders.applied) == 60


@in_virtual_time
async def test_a_slow_order_holds_none_of_its_neighbours() -> None:
    slow = asyncio.Event()
    orders = SlowOrders(held={update(1).work_order_id: slow})
    async with linked(FakeShard(orders), calls=2, batch=2) as link:
        await link.served.wait()
        (held,) = sending(link, 1)
        for _ in range(5):
            assert await seconds(asyncio.wait_for(sending(link, 2)[0], 5)) < 0.1
        assert not held.done()
        slow.set()
        assert isinstance(await held, Updated)


@in_virtual_time
async def test_slow_orders_in_every_call_leave_one_free_for_what_comes() -> None:
    slow = asyncio.Event()
    held = {update(order).work_order_id: slow for order in range(1, 10)}
    async with linked(FakeShard(SlowOrders(held=held)), calls=3, batch=1) as link:
        await link.served.wait()
        waiting = sending(link, *range(1, 10))
        await asyncio.sleep(1)
        assert await seconds(asyncio.wait_for(sending(link, 20)[0], 5)) < 0.1
        slow.set()
        await asyncio.gather(*waiting)


@in_virtual_time
async def test_an_answer_that_takes_longer_than_a_call_is_parked_arrives_all_the_same() -> None:
    orders = SlowOrders(takes_s=3.5 * PARKED_S)
    async with linked(FakeShard(orders)) as link:
        await link.served.wait()
        (answer,) = await asyncio.gather(*sending(link, 1, within_s=60))
    assert isinstance(answer, Updated)


@in_virtual_time
async def test_updates_of_one_order_go_together_however_many() -> None:
    shard = FakeShard()
    async with linked(shard, batch=4) as link:
        await link.served.wait()
        answers = await link.send([update(1) for _ in range(11)])
    assert [each.seq for each in answers if isinstance(each, Updated)] == [*range(1, 12)]
    assert shard.orders.groups == [11]


@in_virtual_time
async def test_what_was_not_sent_is_withdrawn_at_its_deadline() -> None:
    shard = FakeShard(serving=False)
    async with linked(shard) as link:
        took_s = 0.0
        (task,) = sending(link, 1, within_s=1.5)
        took_s = await seconds(asyncio.wait({task}))
        assert isinstance(await task, StillWaiting)
        assert took_s == pytest.approx(1.5)
        shard.serving = True
        await link.served.wait()
        await asyncio.sleep(5)
    assert shard.orders.applied == []


@in_virtual_time
async def test_what_waits_goes_as_soon_as_a_process_serves() -> None:
    shard = FakeShard(serving=False)
    async with linked(shard) as link:
        tasks = sending(link, *range(200))
        await asyncio.sleep(3)
        shard.serving = True
        answers = await asyncio.gather(*tasks)
    assert all(isinstance(each, Updated) for each in answers)


@in_virtual_time
async def test_no_more_than_is_set_waits() -> None:
    async with linked(max_waiting=5) as link:
        tasks = sending(link, *range(6), within_s=1)
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[5], MailboxFull)
    assert all(isinstance(each, StillWaiting) for each in answers[:5])


@in_virtual_time
async def test_a_lost_answer_leaves_unknown_what_was_sent_and_that_alone() -> None:
    first, second = FakeShard(loses_answers=True), FakeShard(name="b", serving=False)
    async with linked(first, second, calls=2, batch=3) as link:
        await link.served.wait()
        tasks = sending(link, *range(9))
        first.serving, second.serving = False, True
        answers = await asyncio.gather(*tasks)
    assert [type(each) for each in answers] == [OutcomeUnknown] * 6 + [Updated] * 3
    assert len(first.orders.applied) == 6
    assert len(second.orders.applied) == 3


@in_virtual_time
async def test_a_process_that_freezes_is_given_up_and_its_late_results_are_nobodys() -> None:
    first, second = FakeShard(SlowOrders(takes_s=0.5)), FakeShard(name="b", serving=False)
    async with linked(first, second) as link:
        await link.served.wait()
        (task,) = sending(link, 1)
        await asyncio.sleep(0.1)
        first.frozen = True
        assert await seconds(asyncio.wait({task})) <= 2 * UNANSWERED_S
        assert isinstance(await task, OutcomeUnknown)
        second.serving = True
        first.frozen = first.serving = False
        assert isinstance(await sending(link, 2)[0], Updated)
    assert len(second.orders.applied) == 1


@in_virtual_time
async def test_a_process_in_the_place_of_another_is_not_taken_for_it() -> None:
    shard = FakeShard(SlowOrders(takes_s=5))
    async with linked(shard) as link:
        await link.served.wait()
        await asyncio.gather(*sending(link, 1))
        (task,) = sending(link, 2)
        await asyncio.sleep(1)
        shard.restart()
        assert isinstance(await task, OutcomeUnknown)
        shard.orders.takes_s = 0.1
        assert isinstance(await sending(link, 3)[0], Updated)


@in_virtual_time
async def test_a_process_that_is_deposed_gets_nothing_more_and_still_answers_what_it_has() -> None:
    first, second = FakeShard(SlowOrders(takes_s=3)), FakeShard(name="b", serving=False)
    async with linked(first, second) as link:
        await link.served.wait()
        (old,) = sending(link, 1)
        await asyncio.sleep(0.5)
        first.serving, second.serving = False, True
        await asyncio.sleep(1.5)  # an idle question has found out
        (new,) = sending(link, 2)
        assert isinstance(await new, Updated)
        assert isinstance(await old, Updated)
    assert (len(first.orders.applied), len(second.orders.applied)) == (1, 1)


@in_virtual_time
async def test_what_the_shard_says_no_word_of_is_unknown_after_its_deadline() -> None:
    slow = asyncio.Event()
    orders = SlowOrders(held={update(1).work_order_id: slow})
    async with linked(FakeShard(orders)) as link:
        await link.served.wait()
        (task,) = sending(link, 1, within_s=5)
        assert await seconds(asyncio.wait({task})) == pytest.approx(7)
        assert isinstance(await task, OutcomeUnknown)


@in_virtual_time
async def test_a_process_that_does_not_answer_holds_up_no_look_for_another() -> None:
    async with linked(FakeShard(frozen=True), FakeShard(dead=True), FakeShard(name="c")) as link:
        assert await seconds(link.served.wait()) < 0.1
        assert link.news is not None
        assert link.news.status.node == "c"


@in_virtual_time
async def test_a_spare_is_found_at_once_beside_a_process_that_does_not_answer() -> None:
    spare = FakeShard(name="b", serving=False)
    async with linked(FakeShard(frozen=True), spare) as link:
        await asyncio.sleep(3.3)
        spare.serving = True
        assert await seconds(link.served.wait()) < 1.5 * LOOKS_S


@in_virtual_time
async def test_a_later_owner_is_found_before_the_one_that_is_frozen_is_given_up() -> None:
    first, second = FakeShard(), FakeShard(name="b", serving=False, epoch=2)
    async with linked(first, second) as link:
        await link.served.wait()
        first.frozen = True
        (lost,) = sending(link, 1)
        await asyncio.sleep(2.5)
        assert not lost.done(), "it may be about to answer"
        second.serving = True
        assert await seconds(asyncio.wait({lost})) < 1.5 * LOOKS_S
        assert isinstance(await lost, OutcomeUnknown)
        assert isinstance(await sending(link, 2)[0], Updated)
        first.frozen = False
        await asyncio.sleep(5)
        assert link.news is not None
        assert link.news.status.node == "b", "one of an earlier epoch is not gone back to"


@in_virtual_time
async def test_refusals_are_answers() -> None:
    async with linked(FakeShard(SlowOrders(serving=False))) as link:
        await link.served.wait()
        assert isinstance(await sending(link, 1)[0], NotOwner)


@in_virtual_time
async def test_a_link_that_closes_says_what_was_sent_and_what_was_not() -> None:
    shard = FakeShard()
    async with linked(shard, calls=2, batch=1) as link:
        await link.served.wait()
        shard.frozen = True
        *sent, kept = sending(link, 1, 2, 3)
        await asyncio.sleep(0.1)
    assert [type(await each) for each in sent] == [OutcomeUnknown] * 2
    assert isinstance(await kept, NotOwner)


@in_virtual_time
async def test_a_link_that_closes_asks_no_process_how_it_is() -> None:
    shard, told = FakeShard(counted=["a", {}]), list[str]()
    gate = shard.orders.held[update(7).work_order_id] = asyncio.Event()
    link = ShardLink(0, lambda: [shard], LinkOptions(), lambda name, _: told.append(name))
    link.open()
    await link.served.wait()
    (late,) = sending(link, 7)
    await asyncio.sleep(0.1)
    closing = asyncio.create_task(link.close("the orders are cut anew", UNANSWERED_S))
    await asyncio.sleep(0)
    told.clear()
    await asyncio.sleep(UNANSWERED_S - 1)
    assert told == [], "the link that takes its place counts what it tells"
    gate.set()
    assert isinstance(await late, Updated)
    await closing


@in_virtual_time
async def test_operations_go_to_the_process_that_serves() -> None:
    shard = FakeShard()
    async with linked(shard) as link:
        with pytest.raises(NotOwner):
            await link.operate("held", [3], 1.0)
        await link.served.wait()
        assert await link.operate("held", [3], 1.0) > 0
        shard.dead = True
        with pytest.raises(OutcomeUnknown):
            await link.operate("held", [3], 1.0)
        shard.dead, shard.frozen = False, True
        with pytest.raises(OutcomeUnknown):
            await link.operate("held", [3], 1.0)


@in_virtual_time
@pytest.mark.parametrize("counted", [["a"], ["a", {}], ["a", None], ["a", {"times": 1}, "more"]])
async def test_a_process_of_another_release_serves_whatever_it_tells_of_its_counts(
    counted: list[Any],
) -> None:
    shard = FakeShard(counted=counted)
    telemetry = Telemetry()
    link = ShardLink(0, lambda: [shard], LinkOptions(), Adder(telemetry).note)
    link.open()
    await asyncio.sleep(5)
    assert link.served.is_set()
    assert not telemetry.outcomes
    await link.close()
