"""Supplements, originals that are completed with them, and orders that are next on their line."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, Mock

import pytest

from actors.domain.messages import Updated
from actors.domain.model import ChangeType, Operation, WorkOrderId
from actors.errors import OperationRefused, OutcomeUnknown
from actors.orders.followups import EVERY_S, Followups
from actors.orders.neighbours import NeighbourLocks
from actors.orders.region import Region
from actors.telemetry.telemetry import Telemetry
from tests.fakes import Fault, MemoryStore
from tests.unit.actors.orders.test_order_operations import ask, done
from tests.unit.actors.owner import ORDER, OTHER, order_number, owner_of, update
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from actors.domain.messages import UpdateQuantity
    from tests.unit.actors.owner import Answer, Owner

THIRD = order_number(3)


def to(order_id: WorkOrderId, message: UpdateQuantity) -> UpdateQuantity:
    return replace(message, work_order_id=order_id)


def output(order_id: WorkOrderId, pieces: int, key: str | None = None) -> UpdateQuantity:
    message = update(pieces, order_id, key=key)
    return replace(message, change=replace(message.change, type=ChangeType.OUTPUT))


def with_scrap(**state: object) -> MemoryStore:
    """Make an order of 10 pieces: 8 good, 2 scrap, and paused."""
    store = MemoryStore()
    values = {
        "status": "PAUSED",
        "plan_quantity": 10,
        "plan_production_quantity": 10,
        "input_quantity": 10,
        "output_quantity": 8,
        "scrap_quantity": 2,
    }
    store.put(ORDER, **(values | state))
    return store


def made_by(answer: Answer) -> WorkOrderId:
    assert isinstance(answer, Updated), answer
    return WorkOrderId(answer.change.job_id)


async def until(store: MemoryStore, order_id: WorkOrderId, status: str) -> None:
    async with asyncio.timeout(3 * EVERY_S):
        while store.orders[order_id].state.status != status:  # noqa: ASYNC110 -- virtual time
            await asyncio.sleep(0.1)


async def begun(owner: Owner, supplement: WorkOrderId) -> None:
    assert isinstance(await done(owner, to(supplement, ask(Operation.START))), Updated)


@in_virtual_time
async def test_of_64_callers_one_has_the_supplement_made() -> None:
    store = with_scrap()
    async with owner_of(store) as owner:
        answers = await asyncio.gather(*(done(owner, ask(Operation.SUPPLEMENT)) for _ in range(64)))
    [supplement] = store.originals
    [answer] = [each for each in answers if isinstance(each, Updated)]
    assert (made_by(answer), answer.change.quantity) == (supplement, 2)
    assert {each.reason for each in answers if isinstance(each, OperationRefused)} == {
        "supplemented"
    }
    state = store.orders[supplement].state
    assert (state.status, state.plan_production_quantity) == ("PENDING", 2)
    assert len(store.operated[ORDER]) == 1


@in_virtual_time
@pytest.mark.parametrize("fault", [Fault.LOSE_ANSWER, Fault.LOSE, Fault.DELAY])
async def test_a_supplement_whose_answer_is_lost_is_made_once(fault: Fault) -> None:
    store = with_scrap()
    async with owner_of(store) as owner:
        store.script("commit", fault)
        first = await done(owner, ask(Operation.SUPPLEMENT, 1, key="k"))
        store.deliver()
    async with owner_of(store) as owner:
        again = await done(owner, ask(Operation.SUPPLEMENT, 1, key="k"))
        more = await done(owner, ask(Operation.SUPPLEMENT, 2))
        rest = await done(owner, ask(Operation.SUPPLEMENT, 1))
    assert made_by(first) == made_by(again)
    assert isinstance(more, OperationRefused)
    assert sorted(store.originals) == sorted({made_by(first), made_by(rest)})


@in_virtual_time
async def test_an_original_is_completed_with_the_last_of_its_supplements() -> None:
    store = with_scrap()
    async with owner_of(store) as owner:
        made = [made_by(await done(owner, ask(Operation.SUPPLEMENT, 1))) for _ in range(2)]
        for supplement in made:
            assert store.orders[ORDER].state.status == "PAUSED"
            await begun(owner, supplement)
            await owner.ask(output(supplement, 1))
            await until(store, supplement, "COMPLETED")
        await until(store, ORDER, "COMPLETED")
    state = store.orders[ORDER].state
    assert (state.progress, state.output_quantity) == (100, 8)
    entries = [each.change.type for each in store.operated[ORDER].values()]
    assert entries == [Operation.SUPPLEMENT, Operation.SUPPLEMENT, Operation.COMPLETE]


@in_virtual_time
async def test_an_original_that_is_the_last_to_be_done_is_completed_too() -> None:
    store = with_scrap(output_quantity=7)
    async with owner_of(store) as owner:
        supplement = made_by(await done(owner, ask(Operation.SUPPLEMENT)))
        await begun(owner, supplement)
        await owner.ask(output(supplement, 2))
        await asyncio.sleep(2 * EVERY_S)
        assert store.orders[ORDER].state.status == "PAUSED", "a piece of it is not done"
        await owner.ask(output(ORDER, 1))
        await until(store, ORDER, "COMPLETED")


@in_virtual_time
async def test_a_supplement_of_a_supplement_completes_both() -> None:
    store = with_scrap()
    async with owner_of(store) as owner:
        first = made_by(await done(owner, ask(Operation.SUPPLEMENT)))
        await begun(owner, first)
        await owner.ask(update(2, first))
        await owner.ask(output(first, 1))
        assert isinstance(
            await done(owner, to(first, ask(Operation.SCRAP, 1, barcode="SN-9"))), Updated
        )
        await done(owner, to(first, ask(Operation.PAUSE)))
        second = made_by(await done(owner, to(first, ask(Operation.SUPPLEMENT))))
        await begun(owner, second)
        await owner.ask(output(second, 1))
        await until(store, ORDER, "COMPLETED")
    assert store.orders[first].state.status == "COMPLETED"


@in_virtual_time
async def test_what_a_kill_kept_from_being_completed_the_next_owner_completes() -> None:
    store = with_scrap()
    store.put(OTHER, status="COMPLETED", plan_quantity=2, plan_production_quantity=2)
    store.originals[OTHER] = ORDER
    store.script("closable", Fault.REFUSE)
    async with owner_of(store):
        await until(store, ORDER, "COMPLETED")
    assert len(store.operated[ORDER]) == 1


@in_virtual_time
async def test_no_supplement_is_made_while_its_original_is_being_completed() -> None:
    store = with_scrap(scrap_quantity=3)
    store.put(OTHER, status="COMPLETED", plan_quantity=2, plan_production_quantity=2)
    store.originals[OTHER] = ORDER
    async with owner_of(store) as owner:
        async with store.holding("commit") as arrived:
            async with asyncio.timeout(3 * EVERY_S):
                await arrived.wait()
            late = asyncio.ensure_future(done(owner, ask(Operation.SUPPLEMENT, 1)))
            await asyncio.sleep(1)
            assert not late.done()
        assert isinstance(await late, OperationRefused)
    assert set(store.originals) == {OTHER}


def a_line(*statuses: str) -> MemoryStore:
    store = MemoryStore()
    for number, status in enumerate(statuses, 1):
        order_id = order_number(number)
        store.put(order_id, status=status, plan_quantity=10, plan_production_quantity=10)
        order = store.orders[order_id]
        facts = replace(order.facts, production_line_id="line", material_id="material")
        store.orders[order_id] = replace(order, facts=facts)
        store.begins[order_id] = -number
    return store


@in_virtual_time
async def test_the_next_order_of_a_line_is_started_as_one_is_completed() -> None:
    store = a_line("IN_PROGRESS", "PENDING", "PENDING")
    async with owner_of(store, start_next=True) as owner:
        first = await owner.ask(output(ORDER, 10, key="k"))
        assert isinstance(first, Updated)
        await until(store, THIRD, "IN_PROGRESS")
        await owner.ask(output(ORDER, 10, key="k"))
        await done(owner, to(THIRD, ask(Operation.COMPLETE)))
        await until(store, OTHER, "IN_PROGRESS")
    assert [len(store.operated[each]) for each in (OTHER, THIRD)] == [1, 2]


@in_virtual_time
async def test_a_repeat_of_the_key_starts_the_order_that_a_kill_kept_from_it() -> None:
    store = a_line("IN_PROGRESS", "PENDING")
    async with owner_of(store, start_next=True) as owner:
        store.script("next_order", Fault.REFUSE)
        await owner.ask(output(ORDER, 10, key="k"))
        await asyncio.sleep(2 * EVERY_S)
        assert store.orders[OTHER].state.status == "PENDING"
        await owner.ask(output(ORDER, 10, key="k"))
        await until(store, OTHER, "IN_PROGRESS")


@in_virtual_time
@pytest.mark.parametrize("others", [("PENDING", "PENDING"), ()])
async def test_a_repeat_of_the_key_starts_no_second_order(others: tuple[str, ...]) -> None:
    store = a_line("IN_PROGRESS", *others)
    async with owner_of(store, start_next=True) as owner:
        await owner.ask(output(ORDER, 10, key="k"))
        await asyncio.sleep(1)
        if others:
            assert isinstance(await done(owner, to(THIRD, ask(Operation.PAUSE))), Updated)
        else:
            late = a_line("IN_PROGRESS", "PENDING")
            store.orders[OTHER], store.begins[OTHER] = late.orders[OTHER], late.begins[OTHER]
        assert isinstance(await owner.ask(output(ORDER, 10, key="k")), Updated)
        await asyncio.sleep(2 * EVERY_S)
    assert store.orders[OTHER].state.status == "PENDING"


@in_virtual_time
async def test_all_orders_are_looked_at_however_many_are_completed() -> None:
    class Busy:
        """Answers slowly, and has another order completed meanwhile."""

        looks = 0

        async def closable(self, order_id: WorkOrderId | None) -> list[WorkOrderId]:
            self.looks += order_id is None
            await asyncio.sleep(1)
            followups.note(ORDER, all_counted, ())
            return []

    all_counted = with_scrap().orders[ORDER].state
    store: Any = Busy()
    followups = Followups(store, Region(Telemetry(), AsyncMock()), start_next=False)
    running = asyncio.create_task(followups.run())
    await asyncio.sleep(3 * EVERY_S)
    running.cancel()
    assert store.looks >= 2


@in_virtual_time
async def test_no_next_order_is_started_unless_that_is_set() -> None:
    store = a_line("IN_PROGRESS", "PENDING")
    async with owner_of(store) as owner:
        await owner.ask(output(ORDER, 10))
        await asyncio.sleep(2 * EVERY_S)
    assert store.orders[OTHER].state.status == "PENDING"
    assert not store.calls["next_order"]


@in_virtual_time
async def test_a_completion_whose_outcome_is_unknown_holds_the_original_until_it_is_known() -> None:
    store = with_scrap()
    store.put(OTHER, status="COMPLETED", plan_quantity=2, plan_production_quantity=2)
    store.originals[OTHER] = ORDER
    async with owner_of(store) as owner:
        async with store.holding("commit") as arrived:
            async with asyncio.timeout(3 * EVERY_S):
                await arrived.wait()
            await asyncio.sleep(2 * EVERY_S)
            late = asyncio.ensure_future(done(owner, ask(Operation.SUPPLEMENT, 1)))
            await asyncio.sleep(1)
            assert not late.done()
        assert isinstance(await late, (OperationRefused, OutcomeUnknown))
    assert set(store.originals) == {OTHER}


async def test_a_completion_that_waits_for_another_ends_with_its_term() -> None:
    gate = asyncio.Event()

    async def closable(_order_id: WorkOrderId) -> list[WorkOrderId]:
        await gate.wait()
        await asyncio.sleep(0)
        return []

    locks = NeighbourLocks(Mock(), MemoryStore())
    first, late = (
        asyncio.create_task(locks.complete_with_supplements(ask(Operation.COMPLETE), closable))
        for _ in range(2)
    )
    first.add_done_callback(lambda _: late.cancel())
    await asyncio.sleep(0)
    gate.set()
    async with asyncio.timeout(30):
        await asyncio.wait({first, late})
    assert late.cancelled()
