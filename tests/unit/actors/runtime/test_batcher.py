"""Lanes: what is batched, how much is under way, and that everyone is answered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from actors.errors import NotOwner
from actors.runtime.batcher import Batcher, BatcherStats
from actors.runtime.delivery import Delivery
from actors.runtime.future import LoopFuture
from tests.unit.actors.owner import turns

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass
class Work:
    """A batch operation that goes on when told to."""

    batches: list[list[Any]] = field(default_factory=list)
    release: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    error: BaseException | None = None
    missing: int = 0

    async def run(self, items: list[Any]) -> Sequence[object]:
        self.batches.append(items)
        await self.release.acquire()
        if self.error is not None:
            raise self.error
        return [
            ValueError(item) if isinstance(item, str) else item * 2
            for item in items[self.missing :]
        ]

    def finish(self, batches: int = 1) -> None:
        for _ in range(batches):
            self.release.release()


def submit(lane: Batcher[Any], payload: object, weight: int = 1) -> LoopFuture[Any]:
    reply = LoopFuture[Any]()
    lane.submit(payload, Delivery(payload, reply), weight)
    return reply


async def test_what_arrives_in_one_turn_shares_a_batch() -> None:
    work = Work()
    lane: Batcher[int] = Batcher(work.run, max_weight=10, max_in_flight=3)
    replies = [submit(lane, number) for number in range(3)]
    await turns()
    work.finish()

    assert [await reply for reply in replies] == [0, 2, 4]
    assert work.batches == [[0, 1, 2]]
    await turns()
    assert lane.idle


async def test_a_batch_ends_before_the_item_that_would_make_it_too_heavy() -> None:
    work = Work()
    lane: Batcher[int] = Batcher(work.run, max_weight=5, max_in_flight=9)
    for number, weight in enumerate([2, 3, 1, 4, 1, 9, 1]):
        submit(lane, number, weight)
    await turns()

    # One that is too heavy by itself goes alone.
    assert work.batches == [[0, 1], [2, 3], [4], [5], [6]]
    assert (lane.stats.batches, lane.stats.items, lane.stats.largest) == (5, 7, 2)
    work.finish(5)
    await lane.settled()


async def test_no_more_batches_are_under_way_than_allowed_and_the_rest_grows_together() -> None:
    work = Work()
    lane: Batcher[int] = Batcher(work.run, max_weight=100, max_in_flight=2)
    for number in range(6):
        submit(lane, number)
        await turns()

    assert work.batches == [[0], [1]]
    assert (lane.in_flight, lane.idle) == (2, False)
    work.finish()
    await turns()
    assert work.batches[2:] == [[2, 3, 4, 5]]
    assert lane.in_flight == 2
    work.finish(2)
    await lane.settled()
    assert (lane.in_flight, lane.idle) == (0, True)


async def test_lanes_with_the_same_stats_share_the_limit_and_each_has_one_in_any_case() -> None:
    work, stats = Work(), BatcherStats()
    busy, beside = (
        Batcher[int](work.run, max_weight=100, max_in_flight=2, stats=stats) for _ in range(2)
    )
    for number in (1, 2, 3):
        submit(busy, number)
        await turns()
    for number in (10, 20, 30):
        submit(beside, number)
        await turns()

    assert work.batches == [[1], [2], [10]]
    assert (stats.in_flight, busy.in_flight, beside.in_flight) == (3, 2, 1)
    work.finish()
    await turns()
    # The one that was full has one left, and two are the limit of both.
    assert (work.batches[3:], busy.in_flight, beside.in_flight) == ([], 1, 1)
    work.finish(2)
    await turns()
    assert work.batches[3:] == [[3], [20, 30]]
    work.finish(2)
    await busy.settled()
    await beside.settled()
    assert (stats.in_flight, stats.batches, stats.items) == (0, 5, 6)


async def test_a_lane_that_fails_or_is_closed_takes_nothing_of_the_limit_with_it() -> None:
    work, stats = Work(error=OSError("gone")), BatcherStats()
    failing = Batcher[int](work.run, max_weight=1, max_in_flight=2, stats=stats)
    replies = [submit(failing, number) for number in (1, 2, 3)]
    await turns()
    failing.close()
    work.finish(2)
    for reply, error in zip(replies, (OSError, OSError, NotOwner), strict=True):
        with pytest.raises(error):
            await reply
    await failing.settled()
    await turns()
    assert stats.in_flight == 0


async def test_a_result_that_is_an_exception_fails_its_item_alone() -> None:
    work = Work()
    lane: Batcher[Any] = Batcher(work.run, max_weight=10, max_in_flight=1)
    good, bad, also_good = submit(lane, 1), submit(lane, "bad"), submit(lane, 2)
    work.finish()

    assert await good == 2
    with pytest.raises(ValueError, match="bad"):
        await bad
    assert await also_good == 4


@pytest.mark.parametrize("error", [ZeroDivisionError(), asyncio.CancelledError(), SystemExit(1)])
async def test_work_that_raises_fails_its_batch_and_the_next_batch_runs(
    error: BaseException,
) -> None:
    work = Work(error=error)
    lane: Batcher[int] = Batcher(work.run, max_weight=2, max_in_flight=1)
    failed = [submit(lane, number) for number in range(2)]
    next_one = submit(lane, 2)
    work.finish()
    for reply in failed:
        with pytest.raises((ZeroDivisionError, RuntimeError)):
            await reply
    work.error = None
    work.finish()

    assert await next_one == 4


async def test_a_task_that_is_cancelled_from_outside_leaves_nobody_without_an_answer() -> None:
    work = Work()
    lane: Batcher[int] = Batcher(work.run, max_weight=10, max_in_flight=1)
    reply = submit(lane, 1)
    await turns()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()

    with pytest.raises(RuntimeError, match="CancelledError"):
        await reply
    await turns()
    assert lane.idle


async def test_too_few_results_fail_everyone_instead_of_leaving_some_to_wait() -> None:
    work = Work(missing=1)
    lane: Batcher[int] = Batcher(work.run, max_weight=10, max_in_flight=1)
    replies = [submit(lane, number) for number in range(3)]
    work.finish()

    for reply in replies:
        with pytest.raises(RuntimeError, match="2 results for 3 requests"):
            await reply


async def test_nobody_needs_to_wait_for_a_result() -> None:
    work = Work()
    lane: Batcher[int] = Batcher(work.run, max_weight=10, max_in_flight=1)
    lane.submit(1, None)
    reply = submit(lane, 2)
    work.finish()

    assert await reply == 4
    assert work.batches == [[1, 2]]


async def test_a_closed_lane_fails_what_waits_and_what_comes_and_settles_what_is_under_way() -> (
    None
):
    work = Work()
    lane: Batcher[int] = Batcher(work.run, max_weight=1, max_in_flight=1)
    under_way, waiting = submit(lane, 1), submit(lane, 2)
    lane.submit(3, None)
    await turns()
    lane.close()
    late = submit(lane, 4)
    lane.submit(5, None)

    for reply in (waiting, late):
        with pytest.raises(NotOwner):
            await reply
    settled = asyncio.create_task(lane.settled())
    await turns()
    assert not settled.done()
    work.finish()
    assert await under_way == 2
    await settled
    assert work.batches == [[1]]
    assert lane.idle


async def test_a_lane_that_is_closed_in_the_turn_of_a_request_never_begins_it() -> None:
    work = Work()
    lane: Batcher[int] = Batcher(work.run, max_weight=1, max_in_flight=1)
    reply = submit(lane, 1)
    lane.close()

    with pytest.raises(NotOwner):
        await reply
    await turns()
    assert work.batches == []
