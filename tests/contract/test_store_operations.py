"""Operations in a store: the order and their log are one, exactly once, and found by their keys."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

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
    WorkOrderId,
    new_job_id,
)
from actors.errors import OrderUnreadable, OutcomeUnknown, StoreUnavailable
from actors.store import Committed, EvidenceQuery, Stale
from actors.store.mongo import families
from actors.store.port import OperationQuery
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
    from actors.domain.model import Number
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


SCRAPPED: Final = {
    "status": "PAUSED",
    "planProductionQuantity": 10,
    "inputQuantity": 10,
    "outputQuantity": 8,
    "scrapQuantity": 2,
}


async def supplemented(store: Store, order_id: WorkOrderId, pieces: int = 0) -> ChangeSet:
    made = change_set(await loaded(store, order_id), operation(Operation.SUPPLEMENT, pieces))
    await committed(store, made)
    return made


@pytest.mark.adapters
async def test_a_supplement_is_an_order_like_its_source_and_is_made_once(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    planned = tick()
    backdoor.edit_order(
        order_id,
        {
            **SCRAPPED,
            "planStartTime": planned,
            "actualStartTime": planned,
            "flow": {"id": 7},
            "remark": "first",
            "scrapProductBarcodeList": [{"barcode": "SN-1"}],
        },
    )
    source = backdoor.order(order_id)
    made = await supplemented(store, order_id)
    [entry] = made.outcomes
    supplement = WorkOrderId(entry.change.job_id)
    for _ in range(2):
        await committed(store, made)
        await store.relay(made.outcomes)

    stored = backdoor.order(supplement)
    assert stored["workOrderNo"] == f"{source['workOrderNo']}-S1"
    assert (stored["status"], stored["businessType"]) == ("PENDING", "SUPPLEMENT")
    assert stored["originalWorkOrderId"] == source["_id"]
    assert [
        stored[name] for name in ("supplementQuantity", "planQuantity", "planProductionQuantity")
    ] == [2, 2, 2]
    assert [stored[f"{name}Quantity"] for name in ("input", "output", "scrap")] == [0, 0, 0]
    for name in ("materialId", "productionLineId", "flow", "lineName", "planStartTime"):
        assert stored[name] == source[name], name
    for name in ("planServer", "actualStartTime", "scrapProductBarcodeList", "remark", "__v"):
        assert name not in stored, name
    found = await store.neighbours(order_id)
    assert found is not None
    assert found.beside.supplemented == 2
    assert (await loaded(store, supplement)).state.plan_production_quantity == 2
    backdoor.delete_order(supplement)
    await store.relay(made.outcomes)
    assert await store.load([supplement]) == [None], "who deleted it is not overruled"


@pytest.mark.adapters
async def test_each_supplement_has_a_number_of_its_own(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    number = backdoor.order(order_id)["workOrderNo"]
    backdoor.put_order(order_document(workOrderNo=f"{number}-S1"))
    backdoor.edit_order(order_id, SCRAPPED)
    numbers = []
    for _ in range(2):
        made = await supplemented(store, order_id, 1)
        [entry] = made.outcomes
        numbers.append(backdoor.order(WorkOrderId(entry.change.job_id))["workOrderNo"])
    assert numbers == [f"{number}-S2", f"{number}-S3"]


@pytest.mark.adapters
async def test_an_original_is_to_be_completed_once_its_supplements_are_done(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    backdoor.edit_order(order_id, SCRAPPED)
    first, second = (order_document(originalWorkOrderId=order_id) for _ in range(2))
    for each in (first, second):
        backdoor.put_order(each)

    async def looks() -> list[list[WorkOrderId]]:
        asked = (order_id, first["_id"], None)
        return [[each for each in await store.closable(one) if each == order_id] for one in asked]

    nothing: list[list[WorkOrderId]] = [[], [], []]
    assert await looks() == nothing
    backdoor.edit_order(first["_id"], {"status": "COMPLETED"})
    assert await looks() == nothing
    backdoor.edit_order(second["_id"], {"status": "CANCELLED"})
    assert await looks() == [[order_id]] * 3
    backdoor.edit_order(order_id, {"outputQuantity": 7})
    assert await looks() == nothing, "a piece is left"
    backdoor.edit_order(order_id, {"outputQuantity": 8, "status": "CANCELLED"})
    assert await looks() == nothing
    backdoor.edit_order(order_id, {"status": "IN_PROGRESS"})
    backdoor.edit_order(first["_id"], {"status": "CANCELLED"})
    assert await looks() == nothing, "none of them was done"
    assert await store.closable(new_order_id()) == []


@pytest.mark.adapters
async def test_the_next_order_of_a_line_is_the_one_that_is_to_begin_first(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    line = new_order_id()
    backdoor.edit_order(order_id, {"productionLineId": line})
    assert await store.next_order(order_id) is None
    soon, late = tick(), tick()
    mine: dict[str, Any] = {"productionLineId": line, "status": "PENDING"}
    first = order_document(**mine, planStartTime=soon)
    for each in (
        order_document(**mine, planStartTime=late),
        first,
        order_document(**mine),
        order_document(**mine | {"materialId": new_order_id()}, planStartTime=soon),
        order_document(**mine | {"status": "PAUSED"}, planStartTime=soon),
        order_document(status="PENDING", planStartTime=soon, productionLineId=new_order_id()),
    ):
        backdoor.put_order(each)
    assert await store.next_order(order_id) == first["_id"]
    backdoor.edit_order(order_id, {}, without=("materialId",))
    assert await store.next_order(order_id) is None
    assert await store.next_order(new_order_id()) is None


@pytest.mark.adapters
@pytest.mark.parametrize("way", ["neighbours", "relay"])
async def test_a_supplement_that_an_owner_left_unmade_is_made_by_the_next(
    store: Store,
    backdoor: Backdoor,
    order_id: WorkOrderId,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    async def dies(*_arguments: object) -> None:
        raise StoreUnavailable("killed")

    backdoor.edit_order(order_id, SCRAPPED)
    made = change_set(await loaded(store, order_id), operation(Operation.SUPPLEMENT))
    with monkeypatch.context() as patch, suppress(OutcomeUnknown):
        patch.setattr(families, "make_supplements", dies)
        await store.commit(FIRST, [made])
    if way == "relay":
        await store.relay((await loaded(store, order_id)).outbox)
    found = await store.neighbours(order_id)
    assert found is not None
    assert found.beside.supplemented == 2
    [entry] = made.outcomes
    assert backdoor.order(WorkOrderId(entry.change.job_id))["status"] == "PENDING"


@pytest.mark.adapters("memory")
async def test_operations_are_read_by_the_counts_that_they_follow(
    store: Store, order_id: WorkOrderId
) -> None:
    async def read(first: int, last: int | None, limit: int = 100) -> list[tuple[str, int]]:
        query = OperationQuery(order_id, first, last, limit)
        return [(each["operation"], each["seq"]) for each in await store.operations(query)]

    made: list[ChangeSet] = []
    for what in (operation(Operation.PAUSE), change(1), operation(Operation.RESUME)):
        await store.relay([each for some in made for each in some.outcomes])
        made.append(change_set(await loaded(store, order_id), what))
        await committed(store, made[-1])
    for _ in range(2):
        assert await read(0, None) == [("resume", 1), ("pause", 0)]
        assert await read(1, 1) == [("resume", 1)]
        assert await read(0, 0) == [("pause", 0)]
        assert await read(2, None) == []
        assert await read(0, None, 1) == [("resume", 1)]
        await store.relay(made[-1].outcomes)
    [resumed] = await store.operations(OperationQuery(order_id, 1))
    assert (resumed["workOrderId"], resumed["operatorName"]) == (order_id, "李工")
    assert resumed["operatedAt"] == made[-1].at
