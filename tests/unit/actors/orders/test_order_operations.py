"""Operations at the order's actor: done once, whoever asks, and whatever fails."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from actors.domain.messages import Updated
from actors.domain.model import Operation
from actors.errors import OperationRefused, StillWaiting, WorkOrderError
from tests.fakes import Fault
from tests.unit.actors.owner import ORDER, a_store, owner_of, update
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from actors.domain.messages import UpdateQuantity
    from actors.domain.model import Number
    from tests.unit.actors.owner import Answer, Owner


def ask(
    what: Operation, quantity: Number = 0, key: str | None = None, barcode: str | None = None
) -> UpdateQuantity:
    message = update(quantity, key=key, related_barcode=barcode)
    return replace(message, change=replace(message.change, type=what))


async def done(owner: Owner, message: UpdateQuantity) -> Answer:
    try:
        return await owner.region.operate(message)
    except WorkOrderError as error:
        return error


def told(answers: list[Any]) -> list[str]:
    return sorted(type(each).__name__ for each in answers)


@in_virtual_time
async def test_of_many_who_start_an_order_one_has_started_it() -> None:
    store = a_store(1)
    store.put(ORDER, status="PENDING", plan_quantity=100, plan_production_quantity=100)
    async with owner_of(store) as owner:
        answers = await asyncio.gather(*(done(owner, ask(Operation.START)) for _ in range(64)))
    assert told(answers).count("Updated") == 1
    assert store.orders[ORDER].state.status == "IN_PROGRESS"
    [entry] = store.operated[ORDER].values()
    assert (entry.before_status, entry.after_status) == ("PENDING", "IN_PROGRESS")


@in_virtual_time
async def test_scrap_and_counts_of_many_callers_are_all_there_once() -> None:
    store = a_store(1)
    async with owner_of(store) as owner:
        scraps = [done(owner, ask(Operation.SCRAP, 1, barcode=f"SN-{n % 8}")) for n in range(64)]
        counts = [owner.ask(update(2)) for _ in range(64)]
        answers = await asyncio.gather(*scraps, *counts)
    assert told(answers) == ["OperationRefused"] * 56 + ["Updated"] * 72
    state = store.orders[ORDER].state
    assert (state.scrap_quantity, state.input_quantity, len(state.scrapped)) == (8, 128, 8)
    assert len(store.operated[ORDER]) == 8
    assert [each.seq for each in store.written(ORDER)] == list(range(1, 65))


@in_virtual_time
@pytest.mark.parametrize("fault", [Fault.LOSE_ANSWER, Fault.LOSE, Fault.DELAY])
async def test_an_operation_whose_answer_is_lost_is_done_once(fault: Fault) -> None:
    store = a_store(1)
    async with owner_of(store) as owner:
        store.script("commit", fault)
        answer = await done(owner, ask(Operation.SCRAP, 1, barcode="SN-1", key="k"))
        store.deliver()
        again = await done(owner, ask(Operation.SCRAP, 1, barcode="SN-1", key="k"))
    assert isinstance(answer, Updated)
    assert isinstance(again, Updated)
    assert again.replayed
    assert store.orders[ORDER].state.scrap_quantity == 1
    assert len(store.operated[ORDER]) == 1


@in_virtual_time
async def test_a_key_holds_after_a_take_over_before_the_entry_was_copied() -> None:
    store = a_store(1)
    store.relay_rejects = lambda _outcome: True
    async with owner_of(store) as owner:
        first = await done(owner, ask(Operation.PAUSE, key="k"))
        assert not store.operated[ORDER], "it is in the order's outbox"
        store.relay_rejects = lambda _outcome: False
        store.edit(ORDER, status="IN_PROGRESS")
        again = await done(owner, ask(Operation.PAUSE, key="k"))
    async with owner_of(store) as owner:
        later = await done(owner, ask(Operation.PAUSE, key="k"))
    for each in (first, again, later):
        assert isinstance(each, Updated)
    assert len(store.operated[ORDER]) == 1
    assert store.orders[ORDER].state.status == "IN_PROGRESS"


@in_virtual_time
async def test_an_operation_is_decided_on_what_is_stored_now() -> None:
    store = a_store(1)
    store.put(ORDER, status="PENDING", plan_quantity=10, plan_production_quantity=5)
    async with owner_of(store) as owner:
        await owner.ask(update())
        store.edit(ORDER, plan_quantity=4)
        refused = await done(owner, ask(Operation.START))
        assert isinstance(refused, OperationRefused)
        assert refused.reason == "plan"
        store.edit(ORDER, plan_quantity=5)
        async with store.holding("commit") as arrived:
            late = asyncio.ensure_future(done(owner, ask(Operation.START)))
            await arrived.wait()
            store.edit(ORDER, plan_quantity=4)
        assert isinstance(await late, OperationRefused)
    assert store.orders[ORDER].state.status == "PENDING"


@in_virtual_time
async def test_while_processing_is_paused_an_operation_is_refused_and_not_kept() -> None:
    store = a_store(1)
    async with owner_of(store) as owner:
        await owner.region.pause_order(ORDER)
        assert isinstance(await done(owner, ask(Operation.PAUSE)), StillWaiting)
        await owner.region.resume_order(ORDER)
    assert store.orders[ORDER].state.status == "IN_PROGRESS"
    assert not store.operated[ORDER]
