"""An order's actor that dies: its mailbox and its callers are not lost, nothing is doubled."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from actors.domain.decide import decide
from actors.domain.messages import Updated
from actors.errors import NotApplied, NotOwner, OutcomeUnknown, PoisonMessage, StillWaiting
from actors.orders.order import WorkOrderActor
from tests.fakes import Fault, MemoryStore
from tests.unit.actors.owner import ORDER, OTHER, a_store, owner_of, turns, update
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POISON = 13
BOOMS = [RuntimeError, asyncio.CancelledError, KeyboardInterrupt, SystemExit]


@contextmanager
def dying_on_decide(
    when: Callable[[list[float]], bool], error: type[BaseException] = RuntimeError
) -> Iterator[None]:
    """Make deciding raise when `when` says so of the quantities to be decided."""

    def deciding(order: Any, changes: Any, *rest: Any) -> Any:  # noqa: ANN401 as it is
        if when([each.quantity for each in changes]):
            raise error
        return decide(order, changes, *rest)

    with mock.patch("actors.orders.order.decide", deciding):
        yield


@contextmanager
def dying_after_the_commit(times: int) -> Iterator[None]:
    """Make the actor raise after its commit was applied, before it answers."""
    answer, left = WorkOrderActor._answer, [times]  # noqa: SLF001 the place

    def answering(*args: Any) -> None:  # noqa: ANN401 as it is
        if left[0]:
            left[0] -= 1
            raise RuntimeError
        answer(*args)

    with mock.patch.object(WorkOrderActor, "_answer", answering):
        yield


def quantities(store: MemoryStore) -> list[float]:
    return [each.after_quantity for each in store.written(ORDER)]


@pytest.mark.parametrize("boom", BOOMS)
@in_virtual_time
async def test_a_message_that_kills_three_actors_is_given_up_and_its_neighbours_are_applied_once(
    boom: type[BaseException],
) -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        with dying_on_decide(lambda asked: POISON in asked, boom):
            asked = [owner.soon(update(number)) for number in (1, 2, POISON, 3, 4)]
            answers = await asyncio.gather(*asked)
            later = await owner.ask(update(5))

        assert isinstance(answers[2], PoisonMessage)
        assert answers[2].attempts == 3
        assert not isinstance(answers[2], NotApplied)
        applied = [each.seq for each in (*answers, later) if isinstance(each, Updated)]
        assert applied == [1, 2, 3, 4, 5]
        assert owner.supervisor.stats.restarted == 3
        assert owner.supervisor.stats.created == 1
    assert quantities(store) == [1, 3, 6, 10, 15]


@in_virtual_time
async def test_a_message_that_killed_its_actor_is_tried_alone() -> None:
    store, tried, later = a_store(2), list[list[float]](), list[Any]()

    def deciding(asked: list[float]) -> bool:
        tried.append(asked)
        if POISON in asked:
            later.append(owner.soon(update(100)))
        return POISON in asked

    async with owner_of(store) as owner:
        with dying_on_decide(deciding):
            asked = [owner.soon(update(number)) for number in (1, POISON)]
            answers = await asyncio.gather(*asked)
            assert all(isinstance(each, Updated) for each in await asyncio.gather(*later))
        assert [type(each) for each in answers] == [Updated, PoisonMessage]
    assert tried[0] == [1, POISON]
    assert all(asked == [POISON] for asked in tried[1:] if POISON in asked)


@in_virtual_time
async def test_a_crash_of_one_order_is_not_felt_by_another() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        with dying_on_decide(lambda asked: POISON in asked):
            poison = owner.soon(update(POISON))
            other = await owner.ask(update(1, OTHER))
            assert isinstance(await poison, PoisonMessage)
        assert isinstance(other, Updated)


@in_virtual_time
async def test_a_restarted_actor_reads_its_order_again_and_keeps_its_mailbox_in_order() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        await owner.ask(update(10))
        owner.gate.open = False
        asked = [owner.soon(update(number)) for number in (1, 2, 3)]
        await turns()
        store.edit(ORDER, input_quantity=100)
        dying = iter([True])
        with dying_on_decide(lambda _asked: next(dying, False)):
            owner.gate.open = True
            owner.directory.refs[ORDER].actor_inbox.wake()  # type: ignore[attr-defined]
            answers = await asyncio.gather(*asked)
        assert [each.after_quantity for each in answers if isinstance(each, Updated)] == [
            101,
            103,
            106,
        ]
        assert store.calls["load"] == 2
        assert owner.supervisor.stats.restarted == 1


@pytest.mark.parametrize("relay", ["held", "done"])
@pytest.mark.parametrize("key", ["k", None])
@in_virtual_time
async def test_a_crash_after_the_commit_answers_what_was_applied_and_applies_it_once(
    relay: str, key: str | None
) -> None:
    store = a_store(2)
    async with owner_of(store) as owner, store.holding("relay"):
        if relay == "done":
            store._gates["relay"].set()  # noqa: SLF001
        with dying_after_the_commit(times=1):
            asked = [owner.soon(update(number, key=key and f"{number}")) for number in (1, 2, 3)]
            answers = await asyncio.gather(*asked)
        assert [each.seq for each in answers if isinstance(each, Updated)] == [1, 2, 3]
        assert not any(each.replayed for each in answers if isinstance(each, Updated))
    assert quantities(store) == [1, 3, 6]


@in_virtual_time
async def test_two_crashes_after_the_commit_apply_it_once_too() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        with dying_after_the_commit(times=2):
            answers = await asyncio.gather(*(owner.ask(update(number)) for number in (1, 2, 3)))
        assert [each.seq for each in answers if isinstance(each, Updated)] == [1, 2, 3]
    assert quantities(store) == [1, 3, 6]


@in_virtual_time
async def test_an_actor_cancelled_while_its_commit_is_under_way_applies_it_once() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        async with store.holding("commit") as sent:
            asked = owner.soon(update(5))
            await sent.wait()
            actor = owner.directory.refs[ORDER].actor_inbox.actor  # type: ignore[attr-defined]
            actor._draining.cancel()  # noqa: SLF001 as a careless shutdown does
            await turns()
        answer = await asked
        assert isinstance(answer, Updated)
        assert answer.seq == 1
    assert quantities(store) == [5]


# -- what may have been applied is never called "not applied" --------------------------------


@in_virtual_time
async def test_the_deadline_of_a_message_whose_actor_died_with_it_answers_unknown() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        await owner.ask(update(0))  # so that the order is loaded
        with dying_after_the_commit(times=1):
            store.script("load", *[Fault.REFUSE] * 1000)
            answer = await owner.ask(update(5, within=3))
        assert isinstance(answer, OutcomeUnknown)
        store.faults["load"].clear()
    assert store.quantity(ORDER) == 5, "that is why"


@in_virtual_time
async def test_a_pause_withdraws_no_message_whose_actor_died_with_it() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        async with store.holding("commit") as sent:
            suspect = owner.soon(update(5, within=3))
            await sent.wait()
            fresh = owner.soon(update(7, within=3))
            await turns()
            await owner.region.pause()
        with dying_after_the_commit(times=1):
            assert isinstance(await suspect, OutcomeUnknown)
            assert isinstance(await fresh, StillWaiting)
        assert quantities(store) == [5]
        await owner.region.resume()
        await owner.at_rest()
    assert quantities(store) == [5]


@in_virtual_time
async def test_the_end_of_a_term_calls_no_message_not_applied_whose_actor_died_with_it() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        async with store.holding("commit") as sent:
            suspect = owner.soon(update(5))
            await sent.wait()
            fresh = owner.soon(update(7))
            await owner.region.pause()
        with dying_after_the_commit(times=1):
            await turns(50)
        await owner.end()
        assert isinstance(await suspect, OutcomeUnknown)
        assert isinstance(await fresh, NotOwner)
    assert quantities(store) == [5]


@in_virtual_time
async def test_an_actor_that_dies_after_its_term_leaves_nobody_waiting() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        async with store.holding("commit") as sent:
            asked = [owner.soon(update(each, within=1_000)) for each in (1, 2)]
            await sent.wait()
            await owner.term.abandon("the lease is lost")
        with dying_after_the_commit(times=1):
            async with asyncio.timeout(10):
                answers = await asyncio.gather(*asked)
        assert all(isinstance(each, OutcomeUnknown) for each in answers)
    assert quantities(store) == [1, 3]
