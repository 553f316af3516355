"""Operations in a store: the order and their log are one, exactly once, and found by their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.domain import decide as domain
from actors.domain.commit import ChangeSet
from actors.domain.evidence import Evidence
from actors.domain.model import (
    Beside,
    Change,
    LogContext,
    Neighbours,
    Operation,
    OperationEntry,
    RequestId,
    new_job_id,
)
from actors.errors import OrderUnreadable
from actors.store import Committed, EvidenceQuery, Stale
from tests.contract.cases import (
    FIRST,
    change,
    commit_one,
    loaded,
    new_order_id,
    order_document,
    tick,
)

if TYPE_CHECKING:
    from actors.domain.model import Number, WorkOrderId
    from actors.store import Store, StoredOrder
    from tests.contract.backdoor import Backdoor


pytestmark = pytest.mark.adapters("memory")


def operation(
    what: Operation, quantity: Number = 0, key: str | None = None, barcode: str | None = None
) -> Change:
    context = LogContext(related_barcode=barcode, operator_name="李工")
    request_id = None if key is None else RequestId(key)
    return Change(new_job_id(), what, quantity, context, request_id, key or "")


def change_set(order: StoredOrder, *changes: Change) -> ChangeSet:
    at = tick()
    decision = domain.decide(order, changes, Evidence(), FIRST, at)
    return ChangeSet(order, decision.after, decision.outcomes, (), at)


async def committed(store: Store, made: ChangeSet) -> StoredOrder:
    result = await commit_one(store, made)
    assert isinstance(result, Committed), result
    return result.order


async def by_key(store: Store, order_id: WorkOrderId, key: str) -> Any:  # noqa: ANN401 an outcome
    [found] = await store.evidence([EvidenceQuery(order_id, frozenset([RequestId(key)]))])
    return found.by_request.get(RequestId(key))


async def test_an_operation_is_in_the_order_and_keeps_what_others_wrote(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    backdoor.edit_order(
        order_id,
        {"scrapProductBarcodeList": [{"barcode": "SN-0", "status": "X"}], "remark": "keep"},
    )
    order = await loaded(store, order_id)
    assert order.state.scrapped == ("SN-0",)
    made = change_set(
        order,
        operation(Operation.PAUSE),
        operation(Operation.SCRAP, 2, barcode="SN-1"),
        operation(Operation.CHANGE_PLAN, 110),
        change(5),
    )
    after = await committed(store, made)

    stored = backdoor.order(order_id)
    assert (stored["status"], stored["scrapQuantity"]) == ("PAUSED", 2)
    assert (stored["planProductionQuantity"], stored["inputQuantity"]) == (110, 5)
    assert [each["barcode"] for each in stored["scrapProductBarcodeList"]] == ["SN-0", "SN-1"]
    assert stored.get("remark", "keep") == "keep"
    assert after.state == made.after
    again = await loaded(store, order_id)
    assert (again.seq, again.state.scrapped) == (1, ("SN-0", "SN-1"))


async def test_a_start_sets_its_time_and_a_completion_its_end(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    backdoor.edit_order(order_id, {"status": "PENDING"})
    made = change_set(
        await loaded(store, order_id), operation(Operation.START), operation(Operation.COMPLETE)
    )
    await committed(store, made)
    again = await loaded(store, order_id)
    assert (again.state.status, again.state.progress) == ("COMPLETED", 100)


async def test_an_entry_is_found_by_its_key_before_and_after_it_is_copied(
    store: Store, order_id: WorkOrderId
) -> None:
    paused = operation(Operation.PAUSE, key="k")
    made = change_set(await loaded(store, order_id), paused)
    await committed(store, made)
    order = await loaded(store, order_id)
    await store.relay(made.outcomes)
    await store.relay(made.outcomes)
    found = await by_key(store, order_id, "k")
    assert isinstance(found, OperationEntry)
    assert found.change.job_id == paused.job_id
    assert (found.before_status, found.after_status) == ("IN_PROGRESS", "PAUSED")
    assert found.change.context.operator_name == "李工"
    assert (order.outbox or (found,)) == (found,)
    assert await by_key(store, order_id, "other") is None


async def test_the_same_operation_given_again_is_done_once(
    store: Store, order_id: WorkOrderId
) -> None:
    made = change_set(await loaded(store, order_id), operation(Operation.SCRAP, 1, barcode="SN-1"))
    for _ in range(3):
        await committed(store, made)
    await store.relay(made.outcomes)
    await committed(store, made)
    again = await loaded(store, order_id)
    assert (again.state.scrap_quantity, again.state.scrapped) == (1, ("SN-1",))


async def test_a_plan_that_others_changed_meanwhile_is_not_relied_on(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    backdoor.edit_order(order_id, {"status": "PENDING"})
    made = change_set(await loaded(store, order_id), operation(Operation.CHANGE_PLAN, 120))
    backdoor.edit_order(order_id, {"planQuantity": 90})
    result = await commit_one(store, made)
    assert isinstance(result, Stale)
    assert (await loaded(store, order_id)).state.plan_production_quantity == 100


@pytest.mark.adapters
async def test_others_on_the_line_and_in_the_production_order_are_told(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    assert await store.neighbours(new_order_id()) is None
    line, shared = new_order_id(), new_order_id()
    mine = {"productionLineId": line, "productionOrderId": shared}
    backdoor.edit_order(order_id, mine)
    found = await store.neighbours(order_id)
    assert found == Neighbours(line, shared, Beside(line_busy=False, planned=0))
    for each in (
        order_document(**mine, status="PENDING", planProductionQuantity=30),
        order_document(**mine, status="IN_PROGRESS", planProductionQuantity=12),
        order_document(productionLineId=new_order_id(), planProductionQuantity=7),
    ):
        backdoor.put_order(each)
    found = await store.neighbours(order_id)
    assert found == Neighbours(line, shared, Beside(line_busy=True, planned=42))


@pytest.mark.adapters
async def test_scrap_that_is_no_number_is_left_as_it_is(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    backdoor.edit_order(order_id, {"scrapQuantity": "1,000"})
    order = await loaded(store, order_id)
    scrap = operation(Operation.SCRAP, 1, barcode="SN-1")
    [verdict] = domain.decide(order, [scrap], Evidence(), FIRST, tick()).verdicts
    assert isinstance(verdict, OrderUnreadable)
    assert verdict.field == "scrapQuantity"
    await committed(store, change_set(order, change(1)))
    assert backdoor.order(order_id)["scrapQuantity"] == "1,000"


async def test_operations_are_no_entries_of_the_quantities_log(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    made = change_set(await loaded(store, order_id), operation(Operation.PAUSE), change(1))
    await committed(store, made)
    await store.relay(made.outcomes)
    assert [each["changeType"] for each in backdoor.logs(order_id)] == ["input"]
    assert backdoor.refusals(order_id) == []
