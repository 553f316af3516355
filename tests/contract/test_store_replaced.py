"""Orders that others replaced, put back or left incomplete go on from log and material."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.store import Committed, Stale
from tests.contract.cases import (
    FIRST,
    SECOND,
    applied,
    change,
    commit_one,
    decide,
    loaded,
    new_order_id,
    order_document,
    whole_log,
)

if TYPE_CHECKING:
    from actors.domain.model import WorkOrderId
    from actors.store import Store
    from tests.contract.backdoor import Backdoor


async def test_an_order_replaced_as_a_whole_goes_on_from_its_log(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    made = await applied(store, order_id, change(1), change(1), change(1))
    backdoor.put_order(order_document(order_id, inputQuantity=50))

    result = await commit_one(store, decide(made.order, change(1)))

    assert isinstance(result, Stale)
    assert result.current is not None
    assert (result.current.seq, result.current.revision) == (3, 0)
    assert not result.current.adopted
    goes_on = await applied(store, result.current, change(1))
    assert (goes_on.order.seq, goes_on.order.state.input_quantity) == (4, 51)
    assert (await loaded(store, order_id)).seq == 4
    assert [each["afterQuantity"] for each in await whole_log(store, order_id)] == [51, 3, 2, 1]


async def test_what_was_applied_before_the_document_was_replaced_is_still_known_as_applied(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    made = await applied(store, order_id, change(1))
    backdoor.put_order(order_document(order_id, inputQuantity=0))

    result = await commit_one(store, made.changes)

    # Whether the lost change is put back into the order or not: it is counted once.
    assert isinstance(result, Committed)
    assert result.order.seq == 1
    assert backdoor.order(order_id)["inputQuantity"] == result.order.state.input_quantity
    assert len(await whole_log(store, order_id)) == 1
    assert (await applied(store, order_id, change(1))).order.seq == 2


async def test_an_order_put_back_from_an_old_copy_goes_on_from_its_log(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    first = await applied(store, order_id, change(1))
    await store.trim(FIRST, [first.order])
    copy = backdoor.order(order_id)
    await applied(store, await loaded(store, order_id), change(1), change(1))
    backdoor.put_order(copy)

    made = await applied(store, order_id, change(10))

    assert made.order.seq == 4
    assert [each["afterQuantity"] for each in await whole_log(store, order_id)] == [11, 3, 2, 1]
    assert (await applied(store, made.order, change(1))).order.seq == 5


async def test_an_order_deleted_and_made_anew_goes_on_from_its_log(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    await applied(store, order_id, change(1), epoch=SECOND)
    backdoor.delete_order(order_id)
    backdoor.put_order(order_document(order_id))

    made = await applied(store, order_id, change(1))

    assert made.order.seq == 2
    assert len(await whole_log(store, order_id)) == 2


@pytest.mark.adapters
@pytest.mark.parametrize(
    ("material", "code", "name"),
    [
        ({"FNumber": "9.01", "FName": "外壳"}, "9.01", "外壳"),
        ({"FNumber": "9.01", "FName": ""}, "9.01", "主控板"),
        ({"FNumber": ["9.01"], "FName": "外壳"}, "1.02.003", "外壳"),
        ({}, "1.02.003", "主控板"),
    ],
    ids=["both", "code only", "name only", "neither"],
)
async def test_code_and_name_are_those_of_the_material_and_else_the_order_s(
    store: Store, backdoor: Backdoor, material: dict[str, Any], code: str, name: str
) -> None:
    material_id = new_order_id()
    backdoor.put_material({"_id": material_id, **material})
    document = order_document(materialId=material_id)
    backdoor.put_order(document)

    made = await applied(store, document["_id"], change(1))

    facts = made.order.facts
    assert (facts.material_code, facts.material_name) == (code, name)
    [row] = await whole_log(store, document["_id"])
    assert (row["materialCode"], row["materialName"]) == (code, name)
    detail = await store.detail(document["_id"])
    assert detail is not None
    assert (detail["materialCode"], detail["materialName"]) == (code, name)
    again = await applied(store, made.order, change(1))
    assert again.order.facts == facts


@pytest.mark.adapters("memory")
async def test_an_order_whose_material_is_unknown_works_without_it(
    store: Store, backdoor: Backdoor
) -> None:
    lost = order_document(materialId=new_order_id(), materialNumber=None, materialName=None)
    none = order_document(materialId=None, materialNumber=None, materialName=None)
    odd = order_document(materialId="not an id", materialNumber=None, materialName=None)
    for document in (lost, none, odd):
        backdoor.put_order(document)
        made = await applied(store, document["_id"], change(1))
        assert made.order.facts.material_code is None
        known = document["materialId"] if document is not odd else None
        assert made.order.facts.material_id == known
