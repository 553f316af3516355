"""How orders are shown to readers, and found by what people know of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from actors.domain.model import WorkOrderId
from actors.store.port import Trait
from tests.contract.cases import (
    MORNING,
    applied,
    change,
    new_order_id,
    order_document,
    output,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.store import Store
    from tests.contract.backdoor import Backdoor


def only(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}


@pytest.mark.adapters
async def test_details_are_the_contract_s_fields(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    made = await applied(store, order_id, change(12), output(7))

    assert await store.detail(order_id) == {
        "id": order_id,
        "workOrderNo": f"WO-{order_id}",
        "materialCode": "1.02.003",
        "materialName": "主控板",
        "status": "IN_PROGRESS",
        "planQuantity": 120,
        "planProductionQuantity": 100,
        "inputQuantity": 12,
        "outputQuantity": 7,
        "scrapQuantity": 0,
        "progress": 7,
        "productionLineName": "SMT一线",
        "createAt": MORNING,
        "updateAt": made.changes.at,
    }
    backdoor.edit_order(order_id, {"status": "CANCELLED", "planQuantity": "130"})
    detail = await store.detail(order_id)
    assert detail is not None
    assert only(detail, "status", "planQuantity") == {"status": "CANCELLED", "planQuantity": 130}


@pytest.mark.adapters("memory")
async def test_orders_are_found_by_the_beginning_of_their_number_or_id(
    store: Store, backdoor: Backdoor
) -> None:
    first, second, other = sorted(new_order_id() for _ in range(3))
    mark = f"QX-{first[-8:]}".upper()
    backdoor.put_order(order_document(second, workOrderNo=f"{mark}-2"))
    backdoor.put_order(order_document(first, workOrderNo=f"{mark}-10"))
    backdoor.put_order(order_document(other, workOrderNo=f"A{mark}"))
    bare = WorkOrderId(uuid4().hex[:24])
    backdoor.put_order({"_id": bare})

    async def ids(text: str, limit: int = 10) -> list[str]:
        return [each["id"] for each in await store.search(text, limit)]

    assert await ids(mark) == [first, second]
    assert await ids(mark.lower()) == [first, second]
    assert await ids(mark, 1) == [first]
    assert await ids(f"{mark}-2") == [second]
    assert await ids(f"{mark}.*") == await ids(f"{mark}%") == await ids(mark[1:]) == []
    for text in (bare, bare[:23], bare.upper()):
        assert await ids(text) == [bare]
    assert await ids(bare[:7]) == []
    newest = await ids("", 10_000)
    assert newest == sorted(newest, reverse=True)
    assert {first, second, other, bare} <= set(newest)
    assert await ids("", 1) == newest[:1]
    (found,) = await store.search(second, 5)
    assert found == await store.detail(second)


@pytest.mark.adapters("memory")
async def test_orders_are_found_by_a_part_of_their_number_and_by_what_their_log_has(
    store: Store, backdoor: Backdoor
) -> None:
    order_id, other = new_order_id(), new_order_id()
    mark = order_id[-8:].upper()
    backdoor.put_order(order_document(order_id, workOrderNo=f"WO-{mark}-7"))
    backdoor.put_order(order_document(other, workOrderNo=f"wo.{mark}"))
    said: dict[str, Any] = {
        "related_barcode": f"SN-{mark}",
        "operator_id": "77",
        "operator_name": f"Li {mark}",
    }
    await applied(store, order_id, change(key=f"key.{mark}", **said))

    async def found(trait: Trait, text: str) -> tuple[list[str], bool]:
        answer = await store.search_by(trait, text, 10)
        return [each["id"] for each in answer.orders], answer.all_searched

    assert await found(Trait.PART, f"-{mark.lower()}-") == ([order_id], True)
    assert await found(Trait.PART, f"{mark}.*") == ([], True)
    assert sorted((await found(Trait.PART, mark))[0]) == sorted([order_id, other])
    assert await found(Trait.BARCODE, f"SN-{mark}") == ([order_id], True)
    assert await found(Trait.BARCODE, "SN-") == ([], True)
    for trait, text in ((Trait.KEY, f"key.{mark}"), (Trait.OPERATOR, f"Li {mark}")):
        assert await found(trait, text) == ([order_id], False)
        assert await found(trait, text[1:]) == ([], False)
    for trait in Trait:
        assert (await found(trait, f"{mark}\0"))[0] == []
    gone = new_order_id()
    assert await store.numbers([order_id, gone]) == {order_id: f"WO-{mark}-7"}
    backdoor.edit_order(order_id, {"workOrderNo": 0})
    assert await store.numbers([order_id, gone]) == {order_id: "0"}


@pytest.mark.adapters("memory")
async def test_details_of_a_bare_order_are_there_and_empty(
    store: Store, backdoor: Backdoor
) -> None:
    order_id = new_order_id()
    backdoor.put_order({"_id": order_id})

    assert await store.detail(order_id) == {
        "id": order_id,
        "workOrderNo": "",
        "materialCode": "",
        "materialName": "",
        "status": "",
        "planQuantity": 0,
        "planProductionQuantity": 0,
        "inputQuantity": 0,
        "outputQuantity": 0,
        "scrapQuantity": 0,
        "progress": 0,
        "productionLineName": "",
        "createAt": None,
        "updateAt": None,
    }


@pytest.mark.adapters("memory")
async def test_there_are_no_details_of_an_unknown_order(store: Store) -> None:
    assert await store.detail(new_order_id()) is None
