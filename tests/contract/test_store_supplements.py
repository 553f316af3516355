"""Supplements on MongoDB that somebody, or an index of somebody's, is in the way of."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from actors.domain.model import Operation, OperationEntry, WorkOrderId
from actors.store import Committed
from actors.store.mongo import families
from actors.store.mongo.client import writing
from actors.store.mongo.store import MongoStore
from actors.store.supplements import supplement_document
from tests.contract.cases import FIRST, loaded, order_document
from tests.contract.test_store_operations import SCRAPPED, change_set, operation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.store import Store
    from tests.contract.backdoor import Backdoor

pytestmark = pytest.mark.parametrize("database", ["replica-set-pymongo"], indirect=True)
HANGS_S = 30.0


@pytest.mark.parametrize("other", ["the same supplement", "another order of its number"])
async def test_a_supplement_is_made_once_whoever_is_quicker(
    store: Store,
    backdoor: Backdoor,
    order_id: WorkOrderId,
    monkeypatch: pytest.MonkeyPatch,
    other: str,
) -> None:
    assert isinstance(store, MongoStore)
    await store._at.orders.create_index("workOrderNo", unique=True)  # noqa: SLF001
    backdoor.edit_order(order_id, SCRAPPED)
    made = change_set(await loaded(store, order_id), operation(Operation.SUPPLEMENT))
    [entry] = made.outcomes
    assert isinstance(entry, OperationEntry)
    source = backdoor.order(order_id)
    number = f"{source['workOrderNo']}-S1"
    quicker = [supplement_document(source, entry, number)]
    if other != "the same supplement":
        quicker = [order_document(workOrderNo=number)]

    @contextmanager
    def after_another() -> Iterator[None]:
        while quicker:
            backdoor.put_order(quicker.pop())
        with writing():
            yield

    monkeypatch.setattr(families, "writing", after_another)
    async with asyncio.timeout(HANGS_S):
        [result] = await store.commit(FIRST, [made])
    assert isinstance(result, Committed)
    number = number if other == "the same supplement" else f"{source['workOrderNo']}-S2"
    assert backdoor.order(WorkOrderId(entry.change.job_id))["workOrderNo"] == number


async def test_an_index_of_somebody_that_takes_no_supplement_holds_up_nothing(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    assert isinstance(store, MongoStore)
    backdoor.edit_order(order_id, {**SCRAPPED, "planNo": "P-1"})
    await store._at.orders.create_index("planNo", unique=True, sparse=True)  # noqa: SLF001
    made = change_set(await loaded(store, order_id), operation(Operation.SUPPLEMENT))
    async with asyncio.timeout(HANGS_S):
        [result] = await store.commit(FIRST, [made])
        await store.relay(made.outcomes)
    assert isinstance(result, Committed)
    assert await store.load([WorkOrderId(made.outcomes[0].change.job_id)]) == [None]
