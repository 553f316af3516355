"""What the log says about new changes: keys and jobs used before, scans and unbinds."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from bson import ObjectId

from actors.domain.model import LogPosition, RequestId, WorkOrderId
from actors.domain.rules import counts_twice
from actors.errors import RelayRejected
from actors.store import Evidence, EvidenceQuery, Stale, StoredOrder
from tests.contract.cases import (
    MORNING,
    OTHER_STEP,
    STEP,
    applied,
    change,
    commit_one,
    committed,
    decide,
    loaded,
    new_order_id,
    old_log_document,
    order_document,
    output,
    scan,
    tick,
    told,
    unbind,
    whole_log,
)

if TYPE_CHECKING:
    from actors.store import Store
    from tests.contract.backdoor import Backdoor


async def asked(
    store: Store,
    order_id: WorkOrderId,
    *,
    requests: tuple[str, ...] = (),
    jobs: tuple[str, ...] = (),
    barcodes: tuple[str, ...] = ("SN-1",),
) -> Evidence:
    query = EvidenceQuery(
        order_id, frozenset(map(RequestId, requests)), frozenset(jobs), frozenset(barcodes)
    )
    [evidence] = await store.evidence([query])
    return evidence


def repeats(evidence: Evidence, barcode: str = "SN-1", step: str = STEP) -> bool:
    return counts_twice(evidence.scans.get((barcode, step)), evidence.unbinds.get(barcode))


async def test_keys_give_the_outcome_they_were_used_for(
    store: Store, order_id: WorkOrderId
) -> None:
    made = decide(
        await loaded(store, order_id),
        change(1, key="applied"),
        change(1),
        refused=[scan(key="refused")],
    )
    await committed(store, made)

    evidence = await asked(store, order_id, requests=("applied", "refused", "unused"))

    assert told(evidence.by_request) == told(
        {"applied": made.outcomes[0], "refused": made.outcomes[2]}
    )


async def test_keys_are_of_one_order_only(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    other = order_document()
    backdoor.put_order(other)
    one = await applied(store, order_id, change(1, key="same"))
    two = await applied(store, other["_id"], change(2, key="same"))

    mine = await asked(store, order_id, requests=("same",))
    theirs = await asked(store, other["_id"], requests=("same",))

    assert told(mine.by_request) == told({"same": one.changes.outcomes[0]})
    assert told(theirs.by_request) == told({"same": two.changes.outcomes[0]})


@pytest.mark.parametrize("key", ["", " ", "a:b", "$where", "a.b", "键", "x" * 500, "k'\";--"])
async def test_any_text_is_a_key(store: Store, order_id: WorkOrderId, key: str) -> None:
    made = await applied(store, order_id, change(1, key=key), change(1, key=f"{key}2"))
    evidence = await asked(store, order_id, requests=(key,))
    assert told(evidence.by_request) == told({key: made.changes.outcomes[0]})


async def test_jobs_give_the_outcome_they_had(store: Store, order_id: WorkOrderId) -> None:
    one, two, refused = change(1), output(1), scan(key="k")
    made = decide(await loaded(store, order_id), one, two, refused=[refused])
    await committed(store, made)

    evidence = await asked(
        store, order_id, jobs=(one.job_id, refused.job_id, str(ObjectId())), barcodes=()
    )

    assert told(evidence.by_job) == told(
        {one.job_id: made.outcomes[0], refused.job_id: made.outcomes[2]}
    )
    assert evidence.scans == {}


async def test_queries_are_answered_in_their_order(store: Store, backdoor: Backdoor) -> None:
    documents = [order_document() for _ in range(7)]
    for number, document in enumerate(documents):
        backdoor.put_order(document)
        await applied(store, document["_id"], change(1, key="k"), scan(f"SN-{number}"))
    queries = [
        EvidenceQuery(
            each["_id"],
            frozenset([RequestId("k")]) if number % 2 else frozenset(),
            barcodes=frozenset([f"SN-{number}", "SN-0"]),
        )
        for number, each in enumerate(documents)
    ]
    queries.insert(3, EvidenceQuery(new_order_id(), frozenset([RequestId("k")])))

    answers = await store.evidence(queries)

    unknown = answers.pop(3)
    assert unknown == Evidence()
    for number, evidence in enumerate(answers):
        assert set(evidence.scans) == {(f"SN-{number}", STEP)}
        assert set(evidence.by_request) == ({"k"} if number % 2 else set())
        for outcome in evidence.by_request.values():
            assert outcome.work_order_id == documents[number]["_id"]


async def test_scans_and_unbinds_are_told_by_barcode_and_step(
    store: Store, order_id: WorkOrderId
) -> None:
    made = await applied(
        store,
        order_id,
        scan("SN-1"),
        scan("SN-1", OTHER_STEP),
        scan("SN-2"),
        unbind("SN-2"),
        scan("SN-3"),
    )
    positions = [
        LogPosition(number + 1, each.operate_time, each.change.job_id)  # type: ignore[union-attr]
        for number, each in enumerate(made.changes.outcomes)
    ]

    evidence = await asked(store, order_id, barcodes=("SN-1", "SN-2", "SN-9"))

    assert evidence.scans == {
        ("SN-1", STEP): positions[0],
        ("SN-1", OTHER_STEP): positions[1],
        ("SN-2", STEP): positions[2],
    }
    assert evidence.unbinds == {"SN-2": positions[3]}
    assert repeats(evidence)
    assert repeats(evidence, step=OTHER_STEP)
    assert not repeats(evidence, "SN-2")
    assert not repeats(evidence, "SN-9")


async def test_the_latest_scan_and_the_latest_unbind_count(
    store: Store, order_id: WorkOrderId
) -> None:
    order: StoredOrder | WorkOrderId = order_id
    for step in (scan, unbind) * 3:
        assert repeats(await asked(store, order_id)) == (step is unbind)
        order = (await applied(store, order, step())).order
    assert not repeats(await asked(store, order_id))
    last = (await applied(store, order, scan())).order
    evidence = await asked(store, order_id)
    assert repeats(evidence)
    assert evidence.scans["SN-1", STEP].seq == last.seq == 7
    assert evidence.unbinds["SN-1"].seq == 6


async def test_an_unbind_that_was_cut_to_nothing_is_an_unbind(
    store: Store, order_id: WorkOrderId
) -> None:
    made = await applied(store, order_id, scan(), change(-1), unbind())
    assert made.changes.outcomes[2].applied_quantity == 0  # type: ignore[union-attr]

    evidence = await asked(store, order_id)

    assert evidence.unbinds["SN-1"].seq == 3
    assert not repeats(evidence)


NO_SCANS: dict[str, dict[str, Any]] = {
    "another operation": {"barcode_operation": "SCAN_BATCH_DOC"},
    "no step": {"process_step_id": None},
    "no operation": {"barcode_operation": "OTHER"},
}


@pytest.mark.parametrize("context", NO_SCANS.values(), ids=list(NO_SCANS))
async def test_an_increase_that_is_no_first_step_scan_is_none(
    store: Store, order_id: WorkOrderId, context: dict[str, Any]
) -> None:
    scanned = {
        "related_barcode": "SN-1",
        "process_step_id": STEP,
        "barcode_operation": "SCAN_PROCESS",
    }
    await applied(store, order_id, change(1, **scanned | context), output(1, **scanned))
    assert (await asked(store, order_id)).scans == {}


async def test_an_output_decrease_is_no_unbind(store: Store, order_id: WorkOrderId) -> None:
    await applied(store, order_id, scan(), output(-1, related_barcode="SN-1"), change(0))
    evidence = await asked(store, order_id)
    assert evidence.unbinds == {}
    assert repeats(evidence)


@pytest.mark.adapters
async def test_scans_of_the_replaced_service_count(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    old = old_log_document(order_id)
    backdoor.put_log(old)
    backdoor.put_log(old_log_document(order_id, relatedBarcode="SN-2", processStepId=None))
    backdoor.put_log(old_log_document(order_id, relatedBarcode="SN-3", changeType="output"))
    backdoor.put_log(old_log_document(order_id, relatedBarcode="SN-4", barcodeOperation="OTHER"))
    backdoor.put_log(old_log_document(new_order_id(), relatedBarcode="SN-5"))

    evidence = await asked(store, order_id, barcodes=("SN-1", "SN-2", "SN-3", "SN-4", "SN-5"))

    assert evidence.scans == {("SN-1", STEP): LogPosition(0, old["operateTime"], old["_id"])}
    assert evidence.unbinds == {}


@pytest.mark.adapters
async def test_unbinds_of_the_replaced_service_count(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    early, late = MORNING, MORNING + timedelta(hours=1)
    unbinding = {"changeQuantity": -1, "barcodeOperation": "UNBIND_PROCESS", "processStepId": None}
    backdoor.put_log(old_log_document(order_id, operateTime=early))
    backdoor.put_log(old_log_document(order_id, operateTime=late, **unbinding))
    backdoor.put_log(old_log_document(order_id, operateTime=late, relatedBarcode="SN-2"))
    backdoor.put_log(
        old_log_document(order_id, operateTime=early, relatedBarcode="SN-2", **unbinding)
    )

    evidence = await asked(store, order_id, barcodes=("SN-1", "SN-2"))

    assert not repeats(evidence, "SN-1")
    assert repeats(evidence, "SN-2")


@pytest.mark.adapters
async def test_our_entries_follow_those_of_the_replaced_service(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    backdoor.put_log(old_log_document(order_id))
    assert repeats(await asked(store, order_id))
    unbound = await applied(store, order_id, unbind())
    assert not repeats(await asked(store, order_id))
    await applied(store, unbound.order, scan())

    evidence = await asked(store, order_id)

    assert repeats(evidence)
    assert evidence.scans["SN-1", STEP].seq == 2


@pytest.mark.adapters
async def test_old_entries_that_lack_fields_do_not_stop_the_order(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    bare = {"_id": str(ObjectId()), "workOrderId": order_id}
    backdoor.put_log(bare)
    no_time = old_log_document(order_id, relatedBarcode="SN-7")
    del no_time["operateTime"]
    backdoor.put_log(no_time)

    evidence = await asked(store, order_id, barcodes=("SN-1", "SN-7"))

    assert set(evidence.scans) == {("SN-7", STEP)}
    assert evidence.scans["SN-7", STEP].seq == 0
    assert (await applied(store, order_id, change(1))).order.seq == 1


async def test_a_key_in_the_log_that_the_decision_did_not_know_is_never_half_applied(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    made = await applied(store, order_id, change(1, key="k"))
    again = decide(made.order, change(1), change(1, key="k"))

    result = await commit_one(store, again)

    if isinstance(result, Stale):  # SQLite writes order and log at once, so it sees the key
        assert result.current is not None
        assert result.current.seq == 1
        assert backdoor.order(order_id)["inputQuantity"] == 1
        assert len(await whole_log(store, order_id)) == 1
        return
    with pytest.raises(RelayRejected) as rejected:
        await store.relay(again.outcomes)
    assert rejected.value.job_ids == {again.outcomes[1].change.job_id}
    assert backdoor.order(order_id)["inputQuantity"] == 3
    assert len(await whole_log(store, order_id)) == 3, "two in the log, one in the outbox"
    assert len(backdoor.logs(order_id)) == 2


@pytest.mark.adapters
async def test_entries_whose_place_in_the_log_is_taken_are_told_and_the_others_written(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    made = await applied(store, order_id, change(1), change(2), change(3))
    backdoor.delete_logs(order_id)
    in_the_way = old_log_document(order_id, planServer={"seq": 2})
    backdoor.put_log(in_the_way)

    with pytest.raises(RelayRejected) as rejected:
        await store.relay(made.changes.outcomes)

    assert rejected.value.job_ids == {made.changes.outcomes[1].change.job_id}
    there = {each["_id"] for each in backdoor.logs(order_id)}
    first, _, last = made.changes.outcomes
    assert there == {first.change.job_id, in_the_way["_id"], last.change.job_id}


async def test_texts_with_a_meaning_to_databases_are_just_texts(
    store: Store, order_id: WorkOrderId
) -> None:
    odd = ("$ne", "a.b", "'; DROP TABLE logs; --", "%", '{"$gt": ""}', "SN\u00001", "条码😀")
    await applied(store, order_id, *(scan(each) for each in odd), at=tick())

    evidence = await asked(store, order_id, barcodes=odd)

    assert set(evidence.scans) == {(each, STEP) for each in odd}
