"""One spoilt document is one: each field of each kind of document in turn, with each value."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from bson import Decimal128, ObjectId
from bson.datetime_ms import DatetimeMS

from actors.domain.decide import decide as decide_change
from actors.domain.evidence import Evidence
from actors.domain.job import JOB_UNREADABLE, Job, JobState, Position, Progress
from actors.domain.messages import Updated
from actors.domain.model import RequestId
from actors.errors import OrderUnreadable, StartupError
from actors.store import EvidenceQuery, LogQuery
from actors.store.documents import entry_document
from actors.store.job_documents import job_document
from actors.store.jobs import JobQuery
from actors.store.mongo import reads
from actors.store.mongo.store import MongoStore
from actors.store.schema import INBOX, LOGS, NODE_STATE, ORDERS, REFUSALS
from tests.contract.backdoor import MongoBackdoor
from tests.contract.cases import (
    FIRST,
    LATEST,
    LINE,
    MATERIAL,
    MORNING,
    STEP,
    applied,
    change,
    commit_one,
    decide,
    loaded,
    new_order_id,
    old_log_document,
    order_document,
    scan,
)
from tests.contract.spoilt import REMOVED, VALUES, spoil, spoilt_copies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.domain.model import WorkOrderId
    from actors.store import Store

pytestmark = pytest.mark.parametrize("database", ["standalone-pymongo"], indirect=True)

_ids = count(1)
_ID_FIELDS = ("_id", "workOrderId", "materialId", "productionLineId", "processStepId")


def _bson(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: ObjectId(value)
        if name in _ID_FIELDS and isinstance(value, str) and ObjectId.is_valid(value)
        else value
        for name, value in document.items()
    }


def _mongo(backdoor: object) -> MongoBackdoor:
    assert isinstance(backdoor, MongoBackdoor)
    return backdoor


def _job(order_id: WorkOrderId) -> Job:
    made = change(2, key=f"key-{next(_ids)}", related_barcode="SN-1")
    result = Updated(made, order_id, 1, 1, 2, 0, 2, "PAUSED", "PAUSED", 0, 0)
    return Job(order_id, made, Position(1, next(_ids)), MORNING, result=result)


def _entry(order_id: WorkOrderId) -> dict[str, Any]:
    order = order_document(order_id)
    stored = decide(_stored(order_id), scan(key=f"key-{next(_ids)}"))
    del order
    return _bson(entry_document(stored.outcomes[0]))  # type: ignore[arg-type]


def _stored(order_id: WorkOrderId) -> Any:  # noqa: ANN401
    from actors.domain.commit import StoredOrder  # noqa: PLC0415
    from actors.domain.model import OrderFacts, OrderState  # noqa: PLC0415

    facts = OrderFacts("WO-1", MATERIAL, "1.02", "主控板", LINE, "SMT")
    return StoredOrder(order_id, facts, OrderState(plan_production_quantity=10), seq=next(_ids))


async def test_a_spoilt_job_is_a_dead_letter_or_read_and_hides_no_other(
    store: Store, backdoor: object
) -> None:
    inbox = _mongo(backdoor).database[INBOX]
    order_id = new_order_id()
    spoilt = dict(spoilt_copies(lambda: _bson(job_document(_job(order_id)))))
    for number, document in enumerate(spoilt.values()):
        # Nothing else is unique about them.
        document["_id"] = ObjectId()
        if "requestKey" in document:
            document["requestKey"] = f"unique {number}"
    inbox.insert_many(list(spoilt.values()))
    sound = _job(order_id)
    await store.inbox.add(FIRST, [sound])

    waiting = await store.inbox.waiting()

    assert sound.id in {job.id for job in waiting}
    assert len(waiting) == len(spoilt) + 1
    dead = [job for job in waiting if job.state is JobState.FAILED]
    assert dead
    assert {job.error.code for job in dead if job.error} == {JOB_UNREADABLE}
    await store.inbox.note(
        LATEST,
        [Progress(job.id, JobState.FAILED, MORNING, error=job.error, dead=True) for job in dead],
    )
    page = await store.inbox.page(JobQuery(JobState.FAILED, page_size=2 * len(spoilt)))
    assert {job.id for job in dead} <= {job.id for job in page.jobs}
    assert len(await store.inbox.waiting()) == len(waiting) - len(dead)
    assert all([await store.inbox.find(job.id) is not None for job in waiting])


async def test_a_spoilt_order_is_read_and_served_or_refused_alone(
    store: Store, backdoor: object
) -> None:
    orders = _mongo(backdoor).database[ORDERS]
    ours = {"epoch": 1, "seq": 1, "turn": 1, "outbox": [], "dirty": True}
    spoilt = {}
    for name, document in spoilt_copies(lambda: order_document(planServer=dict(ours))):
        document["_id"] = new_order_id()
        spoilt[document["_id"]] = name
        orders.insert_one(_bson(document))
    ids = list(spoilt)

    read = await store.load(ids)

    assert [order.id for order in read if order] == ids
    refused = set()
    for order in read:
        assert order is not None
        assert await store.detail(order.id) is not None
        assert (await store.log_page(LogQuery(order.id))).total >= 0
        decision = decide_change(order, [change(1)], Evidence(), FIRST, MORNING)
        if isinstance(decision.verdicts[0], OrderUnreadable):
            refused.add(spoilt[order.id])
            continue
        if order.epoch > FIRST or not isinstance(decision.verdicts[0], Updated):
            continue  # another owner's, or beyond what can be counted
        made = await applied(store, order, change(1))
        assert (await loaded(store, order.id)).seq == made.order.seq, spoilt[order.id]
    assert {name.partition(":")[0] for name in refused} == {"inputQuantity", "planServer.outbox"}
    assert len(await store.search("WO-", 10_000)) <= len(ids)


async def test_a_spoilt_entry_is_shown_and_hides_no_other(store: Store, backdoor: object) -> None:
    logs, order_id = _mongo(backdoor).database[LOGS], new_order_id()
    backdoor.put_order(order_document(order_id))  # type: ignore[attr-defined]

    for number, (name, document) in enumerate(spoilt_copies(lambda: _entry(order_id))):
        document["_id"] = ObjectId()
        if not name.startswith(("workOrderId", "planServer:", "planServer.seq")):
            document["planServer"]["seq"] = 10_000 + number
        if not name.startswith(("workOrderId", "planServer")):
            document["planServer"]["requestKey"] = f"unique {number}"
        logs.update_one(
            {"_id": document["_id"]}, {"$setOnInsert": document}, upsert=True
        ) if not _taken(logs, document) else None

    total = logs.count_documents({"workOrderId": ObjectId(order_id)})
    page = await store.log_page(LogQuery(order_id, page_size=total))
    assert len(page.logs) == page.total == total
    between = LogQuery(order_id, since=MORNING, until=MORNING + timedelta(days=1))
    assert (await store.log_page(between)).total > 0
    query = EvidenceQuery(order_id, barcodes=frozenset({"SN-1"}))
    [evidence] = await store.evidence([query])
    assert ("SN-1", STEP) in evidence.scans


def _taken(logs: Any, document: Mapping[str, Any]) -> bool:  # noqa: ANN401
    """Whether the unique indexes keep it out: two that were spoilt alike."""
    ours = document.get("planServer")
    if not isinstance(ours, dict):
        return False
    conditions = [
        {f"planServer.{name}": ours[name]} for name in ("seq", "requestKey") if name in ours
    ]
    return bool(conditions) and logs.find_one({"$or": conditions}) is not None


@pytest.mark.parametrize("kind", VALUES)
async def test_a_spoilt_state_of_the_node_keeps_no_node_from_taking_over(
    store: Store, backdoor: object, kind: str
) -> None:
    state = _mongo(backdoor).database[NODE_STATE]
    sound = {"_id": "owner", "epoch": 3, "node": "a"}
    control = {"_id": "control", "paused": False, "pausedOrders": []}
    for field in ("epoch", "node"):
        state.replace_one({"_id": "owner"}, spoil(sound, field, VALUES[kind]), upsert=True)
        assert await store.epoch() >= 0
        assert await store.claim_epoch("b", above=7) > 7
    for field in ("paused", "pausedOrders"):
        state.replace_one({"_id": "control"}, spoil(control, field, VALUES[kind]), upsert=True)
        assert await store.paused() in {True, False}
        assert len(await store.inbox.paused_orders()) <= 1


@pytest.mark.parametrize("value", ["1,000", "12 pcs", "1_000", float("nan"), [5], True, ""])
async def test_a_quantity_that_is_no_number_is_named_and_left_as_it_is(
    store: Store, backdoor: object, value: object
) -> None:
    order_id = new_order_id()
    _mongo(backdoor).put_order(order_document(order_id, inputQuantity=value))
    order = await loaded(store, order_id)
    assert list(order.unreadable) == ["inputQuantity"]
    decision = decide_change(
        order,
        [change(1), replace(change(1), request_id=RequestId("k"))],
        Evidence(),
        FIRST,
        MORNING,
    )
    assert {type(each) for each in decision.verdicts} == {OrderUnreadable}
    assert decision.outcomes == ()


@pytest.mark.parametrize(
    ("value", "number"),
    [("12", 12), (" 7 ", 7), ("1.5", 1.5), (Decimal128("4"), 4), (2.0, 2), (None, 0)],
)
async def test_numbers_in_other_types_count_on(
    store: Store, backdoor: object, value: object, number: float
) -> None:
    order_id = new_order_id()
    _mongo(backdoor).put_order(order_document(order_id, inputQuantity=value))
    await applied(store, order_id, change(1))
    assert _mongo(backdoor).order(order_id)["inputQuantity"] == number + 1


@pytest.mark.parametrize(
    "shape",
    [{"_id": ObjectId(MATERIAL), "FName": "x"}, [ObjectId(MATERIAL)], MATERIAL, {"x": 1}, [], 5],
    ids=repr,
)
async def test_a_material_in_another_shape_is_found_or_none(
    store: Store, backdoor: object, shape: object
) -> None:
    document = order_document(materialNumber=None)
    _mongo(backdoor).put_material({"_id": MATERIAL, "FNumber": "F-1", "FName": "板"})
    _mongo(backdoor).database[ORDERS].insert_one(_bson(document) | {"materialId": shape})
    order = await loaded(store, document["_id"])
    known = MATERIAL in repr(shape)
    assert order.facts.material_id == (MATERIAL if known else None)
    assert order.facts.material_code == ("F-1" if known else None)
    await applied(store, order, change(1))


async def test_times_and_numbers_of_others_are_shown_as_stored(
    store: Store, backdoor: object
) -> None:
    order_id = new_order_id()
    _mongo(backdoor).put_order(order_document(order_id))
    far = DatetimeMS(8_640_000_000_000_000)
    for at in (far, "yesterday", 17, None):
        document = _bson(old_log_document(order_id)) | {
            "operateTime": at,
            "changeQuantity": Decimal128("2.5"),
        }
        _mongo(backdoor).database[LOGS].insert_one(document)
    rows = (await store.log_page(LogQuery(order_id))).logs
    assert [row["operateTime"] for row in rows] == [
        "+275760-09-13T00:00:00.000Z",
        "yesterday",
        17,
        None,
    ]
    assert {row["changeQuantity"] for row in rows} == {2.5}


async def test_a_scan_reads_a_bounded_number_of_its_barcodes_entries(
    store: Store, backdoor: object, order_id: WorkOrderId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "MOST_MOVES", 10)
    logs, other = _mongo(backdoor).database[LOGS], new_order_id()
    logs.insert_many(
        _bson(old_log_document(owner)) for owner in (other, order_id) for _ in range(500)
    )
    last_unbind = _bson(old_log_document(order_id, changeQuantity=-1))
    last = _bson(old_log_document(order_id))
    logs.insert_many([last_unbind, last])
    admin = _mongo(backdoor).database.client.admin

    def read() -> int:
        executed = admin.command("serverStatus")["metrics"]["queryExecutor"]
        return int(executed["scannedObjects"])

    before = read()
    [evidence] = await store.evidence([EvidenceQuery(order_id, barcodes=frozenset({"SN-1"}))])

    assert read() - before < 100
    assert evidence.scans["SN-1", STEP].entry_id == str(last["_id"])
    assert evidence.unbinds["SN-1"].entry_id == str(last_unbind["_id"])


@pytest.mark.parametrize("name", [ORDERS, LOGS, INBOX, REFUSALS, NODE_STATE])
async def test_a_collection_that_ignores_case_is_refused_at_the_start(
    database: Any,  # noqa: ANN401
    name: str,
) -> None:
    database.backdoor.create_collection(name, collation={"locale": "en", "strength": 2})
    store = database.new_store()
    assert isinstance(store, MongoStore)
    with pytest.raises(StartupError, match=f"{name} has a collation") as refused:
        await store.open()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("collation", "words"),
    [
        ({"strength": 1, "caseLevel": True}, "does not tell accents"),
        ({"alternate": "shifted"}, "does not see spaces and hyphens"),
        ({"numericOrdering": True}, "does not tell 1 from 01"),
    ],
)
async def test_a_collation_that_overlooks_something_else_is_refused_too(
    database: Any,  # noqa: ANN401
    collation: dict[str, Any],
    words: str,
) -> None:
    database.backdoor.create_collection(LOGS, collation={"locale": "en", **collation})
    with pytest.raises(StartupError, match=words):
        await database.new_store().open()


@pytest.mark.parametrize("collation", [{}, {"strength": 2, "caseLevel": True}])
async def test_a_collation_that_tells_all_texts_apart_is_taken(
    database: Any,  # noqa: ANN401
    collation: dict[str, Any],
) -> None:
    database.backdoor.create_collection(LOGS, collation={"locale": "zh", **collation})
    async with database.opened() as store:
        await store.ping()


@pytest.mark.parametrize("ours", [{"epoch": 1, "seq": Decimal128("3"), "turn": 1}])
async def test_counts_of_another_number_type_are_still_ours(
    store: Store, backdoor: object, ours: object
) -> None:
    order_id = new_order_id()
    _mongo(backdoor).put_order(order_document(order_id, planServer=ours))
    made = await applied(store, order_id, change(1))
    assert made.order.seq == 4


@pytest.mark.parametrize("turn", [float("inf"), 1.5, float("nan"), Decimal128("NaN"), -1, REMOVED])
async def test_counts_that_are_no_counts_are_replaced_by_the_next_commit(
    store: Store, backdoor: object, turn: object
) -> None:
    order_id = new_order_id()
    ours = spoil({"epoch": 1, "seq": 3, "turn": 1}, "turn", turn)
    _mongo(backdoor).put_order(order_document(order_id, planServer=ours))
    order = await loaded(store, order_id)
    late = decide(order, change(1))
    await applied(store, order, change(1))
    assert type(await commit_one(store, late)).__name__ == "Stale"
