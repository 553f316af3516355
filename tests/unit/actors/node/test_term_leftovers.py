"""A term that ends well leaves no outbox behind, not even one that an earlier term left."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes import Fault, MemoryStore
from tests.unit.actors.node.test_term import deadline, leave_outboxes
from tests.unit.actors.owner import order_number, owner_of
from tests.virtual_time import in_virtual_time

ORDERS = [order_number(number) for number in range(1, 8)]


def _store() -> MemoryStore:
    store = MemoryStore()
    for order_id in ORDERS:
        store.put(order_id)
    return store


@pytest.mark.parametrize("method", ["dirty", "load", "trim"])
@in_virtual_time
async def test_what_the_sweep_could_not_empty_is_tried_again_before_the_end(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.node.term._SWEEP_PAGE", 3)
    store = _store()
    await leave_outboxes(store, ORDERS)
    store.script(method, Fault.REFUSE)  # type: ignore[arg-type]
    async with owner_of(store) as owner:
        await asyncio.sleep(0.5)
        assert await store.dirty(100) != []

        assert await owner.term.finish(deadline(30))

    assert await store.dirty(100) == []
    assert [len(store.log[order_id]) for order_id in ORDERS] == [1] * len(ORDERS)


@in_virtual_time
async def test_an_outbox_that_cannot_be_emptied_is_told_and_does_not_hold_up_the_end() -> None:
    store = _store()
    await leave_outboxes(store, ORDERS)
    store.script("trim", *[Fault.REFUSE] * 20)
    async with owner_of(store) as owner:
        await asyncio.sleep(0.5)
        began = asyncio.get_running_loop().time()

        assert not await owner.term.finish(deadline(30))
        assert asyncio.get_running_loop().time() - began < 5
