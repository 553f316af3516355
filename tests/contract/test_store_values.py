"""What a commit writes is what readers get back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.domain.evidence import EvidenceQuery
from actors.domain.model import LogEntry, RequestId
from actors.store import Committed
from tests.contract.cases import (
    applied,
    change,
    commit_one,
    decide,
    loaded,
    output,
    whole_log,
)

if TYPE_CHECKING:
    from actors.domain.model import WorkOrderId
    from actors.store import Store
    from tests.contract.backdoor import Backdoor


@pytest.mark.adapters
async def test_the_end_time_is_written_when_a_change_completes_the_order_and_only_then(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    half = await applied(store, order_id, output(50))
    assert "actualEndTime" not in backdoor.order(order_id)

    full = await applied(store, half.order, output(50))
    ended = backdoor.order(order_id)
    assert (ended["status"], ended["progress"]) == ("COMPLETED", 100)
    assert ended["actualEndTime"] == full.changes.at

    less = await applied(store, full.order, output(-1))
    paused = backdoor.order(order_id)
    assert (paused["status"], paused["progress"]) == ("PAUSED", 99)
    assert paused["actualEndTime"] == full.changes.at
    assert paused["updateAt"] == less.changes.at

    again = await applied(store, await loaded(store, order_id), output(1))
    assert backdoor.order(order_id)["actualEndTime"] == again.changes.at


async def test_fractions_and_large_numbers_are_kept_exactly(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    largest = 2**53 - 1
    made = await applied(store, order_id, output(0.1), output(0.2), change(largest))

    assert made.order.state.output_quantity == 0.3
    read = await loaded(store, order_id)
    assert (read.state.input_quantity, read.state.output_quantity) == (largest, 0.3)
    stored = backdoor.order(order_id)
    assert (stored["inputQuantity"], stored["outputQuantity"]) == (largest, 0.3)
    assert isinstance(await commit_one(store, decide(made.order, output(1))), Committed)


@pytest.mark.adapters("memory")
async def test_every_field_of_an_entry_comes_back_from_the_store(
    store: Store, order_id: WorkOrderId
) -> None:
    made = await applied(
        store,
        order_id,
        change(
            3,
            key="key-1",
            related_barcode="SN-77",
            barcode_operation="MANUAL_ADJUST",
            process_step_id="6560a00000000000000000ff",
            process_name="贴片",
            process_code="P-01",
            operator_id="u-7",
            operator_name="王芳",
            reason="盘点",
            remark="夜班",
            ip_address="10.0.0.7",
            user_agent="scanner/3",
            is_automatic=False,
            source="DEVICE",
            originals=(("remark", "[夜班]"),),
        ),
    )
    [entry] = made.changes.outcomes
    assert isinstance(entry, LogEntry)

    [row] = await whole_log(store, order_id)
    [past] = await store.evidence([EvidenceQuery(order_id, frozenset([RequestId("key-1")]))])

    assert past.by_request[RequestId("key-1")].change == entry.change
    at = entry.operate_time
    assert dict(row) == {
        "_id": entry.change.job_id,
        "workOrderId": order_id,
        "workOrderNo": f"WO-{order_id}",
        "materialId": "6560a0000000000000000001",
        "materialCode": "1.02.003",
        "materialName": "主控板",
        "productionLineId": "6560a0000000000000000002",
        "productionLineName": "SMT一线",
        "changeType": "input",
        "changeQuantity": 3,
        "beforeQuantity": 0,
        "afterQuantity": 3,
        "relatedBarcode": "SN-77",
        "barcodeOperation": "MANUAL_ADJUST",
        "processStepId": "6560a00000000000000000ff",
        "processName": "贴片",
        "processCode": "P-01",
        "beforeStatus": "IN_PROGRESS",
        "afterStatus": "IN_PROGRESS",
        "beforeProgress": 0,
        "afterProgress": 0,
        "operatorId": "u-7",
        "operatorName": "王芳",
        "operateTime": at,
        "reason": "盘点",
        "remark": "夜班",
        "ipAddress": "10.0.0.7",
        "userAgent": "scanner/3",
        "isAutomatic": False,
        "source": "DEVICE",
        "createdAt": at,
        "updatedAt": at,
        "seq": 1,
    }
