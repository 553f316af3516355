"""Operations that go by other orders: one order of a line at work, plans that fit together."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from unittest.mock import AsyncMock

from actors.domain.messages import Updated
from actors.domain.model import Operation, WorkOrderId
from actors.errors import OperationRefused, OutcomeUnknown, StillWaiting
from actors.orders.neighbours import NeighbourLocks
from actors.store.port import EXCLUSIVE_S
from tests.fakes import Fault, MemoryStore
from tests.unit.actors.orders.test_order_operations import ask, done
from tests.unit.actors.owner import ORDER, OTHER, order_number, owner_of
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from actors.domain.messages import UpdateQuantity
    from tests.unit.actors.owner import Answer


def to(order_id: WorkOrderId, message: UpdateQuantity) -> UpdateQuantity:
    return replace(message, work_order_id=order_id)


def a_plant(orders: int, lines: int) -> MemoryStore:
    """Make pending orders, spread over lines, each line's in one production order."""
    store = MemoryStore()
    for number in range(1, orders + 1):
        order_id = order_number(number)
        store.put(order_id, status="PENDING", plan_quantity=100, plan_production_quantity=10)
        order = store.orders[order_id]
        line = f"line {number % lines}"
        store.orders[order_id] = replace(order, facts=replace(order.facts, production_line_id=line))
        store.production_orders[order_id] = line
    return store


def reasons(answers: list[Answer]) -> set[str]:
    return {each.reason for each in answers if isinstance(each, OperationRefused)}


@in_virtual_time
async def test_of_64_callers_one_order_of_each_line_is_started() -> None:
    store = a_plant(16, lines=4)
    async with owner_of(store) as owner:
        answers = await asyncio.gather(
            *(
                done(owner, to(order_number(1 + number % 16), ask(Operation.START)))
                for number in range(64)
            )
        )
    assert sum(isinstance(each, Updated) for each in answers) == 4
    assert reasons(answers) == {"line", "status"}
    busy = [
        each.facts.production_line_id
        for each in store.orders.values()
        if each.state.status == "IN_PROGRESS"
    ]
    assert sorted(map(str, busy)) == [f"line {line}" for line in range(4)]


@in_virtual_time
async def test_a_line_that_another_shards_owner_has_is_waited_for() -> None:
    store, had, free = a_plant(2, lines=1), list[str](), asyncio.Event()

    @asynccontextmanager
    async def exclusive(name: str) -> AsyncIterator[None]:
        await free.wait()
        had.append(name)
        yield
        had.append("given back")

    store.exclusive = exclusive  # type: ignore[method-assign,assignment]
    async with owner_of(store) as owner:
        start = to(order_number(1), ask(Operation.START))
        assert isinstance(await done(owner, start), StillWaiting)
        assert had == []
        free.set()
        assert isinstance(await done(owner, to(order_number(1), ask(Operation.START))), Updated)
    assert had == ["line line 0", "given back"]


@in_virtual_time
async def test_nothing_begins_on_a_line_when_the_time_for_that_is_over() -> None:
    store = a_plant(1, lines=1)
    async with owner_of(store) as owner:
        began = time.monotonic()
        patient = replace(ask(Operation.START), deadline=began + 300)
        owner.term.directory.gate.open = False
        answer = await done(owner, to(ORDER, patient))
        assert time.monotonic() - began < EXCLUSIVE_S, "then another shard's owner may have it"
        owner.term.directory.gate.open = True
    assert isinstance(answer, StillWaiting)
    assert store.orders[ORDER].state.status == "PENDING"


@in_virtual_time
async def test_of_64_callers_who_change_plans_none_goes_beyond_what_is_planned() -> None:
    store = a_plant(8, lines=2)
    async with owner_of(store) as owner:
        answers = await asyncio.gather(
            *(
                done(
                    owner,
                    to(order_number(1 + number % 8), ask(Operation.CHANGE_PLAN, 20 + number % 30)),
                )
                for number in range(64)
            )
        )
    assert reasons(answers) == {"sum"}
    for line in range(2):
        plans = [
            each.state.plan_production_quantity or 0
            for each in store.orders.values()
            if each.facts.production_line_id == f"line {line}"
        ]
        assert sum(plans) <= 100
        assert sum(plans) > 40


@in_virtual_time
async def test_a_start_that_is_done_already_is_told_so_though_the_line_is_busy() -> None:
    store = a_plant(2, lines=1)
    async with owner_of(store) as owner:
        first = await done(owner, to(ORDER, ask(Operation.START, key="k")))
        await done(owner, to(ORDER, ask(Operation.PAUSE)))
        assert isinstance(await done(owner, to(OTHER, ask(Operation.START))), Updated)
        again = await done(owner, to(ORDER, ask(Operation.START, key="k")))
        resumed = await done(owner, to(ORDER, ask(Operation.RESUME)))
    assert isinstance(first, Updated)
    assert isinstance(again, Updated)
    assert again.replayed
    assert reasons([resumed]) == {"line"}


@in_virtual_time
async def test_a_line_is_not_free_before_it_is_known_what_became_of_a_start() -> None:
    store = a_plant(2, lines=1)
    async with owner_of(store) as owner:
        async with store.holding("commit") as arrived:
            late = ask(Operation.START)
            first = asyncio.ensure_future(done(owner, to(ORDER, late)))
            await arrived.wait()
            patient = replace(late, work_order_id=OTHER, deadline=late.deadline + 300)
            patient = replace(patient, change=ask(Operation.START).change)
            second = asyncio.ensure_future(done(owner, patient))
            assert isinstance(await first, OutcomeUnknown)
            assert not second.done()
        assert reasons([await second]) == {"line"}
    assert [each.state.status for each in store.orders.values()] == ["IN_PROGRESS", "PENDING"]


@in_virtual_time
async def test_who_waits_for_a_line_waits_until_the_deadline_and_nothing_is_done() -> None:
    store = a_plant(2, lines=1)
    async with owner_of(store) as owner:
        async with store.holding("commit") as arrived:
            first = asyncio.ensure_future(done(owner, to(ORDER, ask(Operation.START))))
            await arrived.wait()
            hasty = ask(Operation.START)
            soon = replace(hasty, deadline=hasty.deadline - 290)
            assert isinstance(await done(owner, to(OTHER, soon)), StillWaiting)
        assert isinstance(await first, Updated)
        store.script("neighbours", Fault.REFUSE)
        await done(owner, to(ORDER, ask(Operation.PAUSE)))
        assert not isinstance(await done(owner, to(OTHER, ask(Operation.START))), Updated)
        assert isinstance(await done(owner, to(OTHER, ask(Operation.START))), Updated)


@in_virtual_time
async def test_a_line_is_left_in_doubt_where_nobody_can_say_what_becomes_of_a_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, left = a_plant(1, lines=1), list[BaseException | None]()

    @asynccontextmanager
    async def exclusive(_name: str) -> AsyncIterator[None]:
        try:
            yield
        except BaseException as error:
            left.append(error)
            raise
        left.append(None)

    store.exclusive = exclusive  # type: ignore[method-assign]
    monkeypatch.setattr(NeighbourLocks, "_is_settled", AsyncMock(return_value=False))
    async with owner_of(store) as owner, store.holding("commit"):
        answer = await done(owner, to(ORDER, ask(Operation.START)))
        await asyncio.sleep(0)
    assert isinstance(answer, OutcomeUnknown)
    assert [type(each) for each in left] == [OutcomeUnknown]
