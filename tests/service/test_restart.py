"""What a key was answered first, it is answered ever after: across stops, crashes and changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.service.books import shown_log
from tests.trace import Call, Start, Update, send, session

if TYPE_CHECKING:
    from tests.service.places import Place
    from tests.trace import Answer

ORDER = "6560a0000000000000000001"
OTHER = "6560a0000000000000000002"
NEARLY_FULL = "6560a0000000000000000003"
LARGEST = 2**53 - 1
SCAN = {
    "relatedBarcode": "SN-1",
    "processStepId": "6560a00000000000000000a1",
    "barcodeOperation": "SCAN_PROCESS",
}
UNBIND = {"relatedBarcode": "SN-1", "barcodeOperation": "UNBIND_PROCESS"}
START = Start(
    tuple(
        {
            "_id": order_id,
            "workOrderNo": f"WO-{order_id}",
            "status": "IN_PROGRESS",
            "planProductionQuantity": 100,
            "inputQuantity": quantity,
            "outputQuantity": 0,
            "scrapQuantity": 0,
            "progress": 0,
        }
        for order_id, quantity in ((ORDER, 0), (OTHER, 0), (NEARLY_FULL, LARGEST))
    )
)


async def _restart(place: Place, end: str = "killed") -> None:
    await (place.node.stopped() if end == "stopped" else place.killed())
    await place.node.started()


async def _say(place: Place, *calls: Call) -> list[Answer]:
    async with session(place.node.uri) as client:
        return [await send(client, call) for call in calls]


def _keyed(key: str, kind: str, quantity: int, order: str = ORDER, **context: str) -> Call:
    return Call((Update(order, kind, quantity, context, key=key),))


def _first_outcome(answer: Answer) -> dict[str, Any]:
    """Return what must stay the same; how full the service is may differ."""
    busy = ("queueLength", "activeJobs", "estimatedDelay", "replayed")
    return {name: value for name, value in answer.body["data"].items() if name not in busy}


@pytest.mark.parametrize("end", ["stopped", "killed"])
async def test_a_retry_after_a_restart_gets_the_first_outcome_and_changes_nothing(
    place: Place, end: str
) -> None:
    await place.open(START)
    first = await _say(
        place,
        _keyed("k1", "input", 5),
        _keyed("k2", "output", 2),
        _keyed("k3", "input", -9),  # cut to 5
    )
    await _say(place, Call((Update(ORDER, "input", 30),)))

    await _restart(place, end)
    again = await _say(place, *(answer.call for answer in first))
    async with session(place.node.uri) as client:
        log = await shown_log(client, ORDER)

    assert [answer.body["data"]["quantity"] for answer in first] == [5, 2, -5]
    assert [answer.body["data"]["replayed"] for answer in first] == [False] * 3
    assert [answer.status for answer in again] == [200] * 3
    assert [answer.body["code"] for answer in again] == ["UPDATED"] * 3
    assert [answer.body["data"]["replayed"] for answer in again] == [True] * 3
    assert [*map(_first_outcome, again)] == [*map(_first_outcome, first)]
    assert len(log) == 4


async def test_a_refused_scan_stays_refused_after_an_unbind_and_a_restart(place: Place) -> None:
    await place.open(START)
    refused_call = _keyed("again", "input", 1, **SCAN)
    scanned, refused, unbound = await _say(
        place,
        _keyed("scan", "input", 1, **SCAN),
        refused_call,
        _keyed("unbind", "input", -1, **UNBIND),
    )

    await _restart(place)
    still, first, rescanned = await _say(
        place, refused_call, scanned.call, _keyed("rescan", "input", 1, **SCAN)
    )

    assert (scanned.status, refused.status, unbound.status) == (200, 409, 200)
    assert (still.status, still.body["code"]) == (409, "DUPLICATE_OPERATION")
    assert still.body["data"] == {**refused.body["data"], "replayed": True}
    assert (first.status, first.body["data"]["replayed"]) == (200, True)
    assert (rescanned.status, rescanned.body["data"]["replayed"]) == (200, False)


async def test_a_key_that_comes_back_with_another_payload_is_a_conflict_after_a_restart(
    place: Place,
) -> None:
    await place.open(START)
    await _say(place, _keyed("scan", "input", 1, **SCAN), _keyed("twice", "input", 1, **SCAN))

    await _restart(place)
    conflicts = await _say(
        place,
        _keyed("scan", "input", 2, **SCAN),
        _keyed("scan", "output", 1, **SCAN),
        _keyed("scan", "input", 1, **SCAN, remark="changed"),
        _keyed("twice", "input", 1),
    )
    async with session(place.node.uri) as client:
        log = await shown_log(client, ORDER)

    assert [answer.status for answer in conflicts] == [422] * 4
    assert {answer.body["code"] for answer in conflicts} == {"REQUEST_ID_CONFLICT"}
    assert len(log) == 1


async def test_an_increase_refused_as_too_much_stays_refused_when_there_is_room(
    place: Place,
) -> None:
    await place.open(START)
    call = _keyed("full", "input", 7, NEARLY_FULL)
    (refused,) = await _say(place, call)
    await _say(place, Call((Update(NEARLY_FULL, "input", -1000),)))

    await _restart(place)
    still, unkeyed = await _say(place, call, Call((Update(NEARLY_FULL, "input", 7),)))

    assert (refused.status, refused.body["code"]) == (400, "INVALID_QUANTITY")
    assert (still.status, still.body["code"]) == (400, "INVALID_QUANTITY")
    assert still.body["data"] == {**refused.body["data"], "replayed": True}
    assert unkeyed.status == 200


async def test_a_batch_sent_again_after_a_restart_is_replayed_item_by_item(place: Place) -> None:
    await place.open(START)
    updates = (
        Update(ORDER, "input", 1, SCAN),
        Update(ORDER, "input", 1, SCAN),
        Update(OTHER.upper(), "output", 4),
        Update(ORDER, "input", 1, extra={"type": None}),
        Update(ORDER, "output", 2, key="its own"),
    )
    call = Call(updates, batch=True, header_key="batch")
    (first,) = await _say(place, call)
    await _say(place, _keyed("unbind", "input", -1, **UNBIND))

    await _restart(place)
    more = replace(call, updates=(*updates, Update(OTHER, "input", 8)))
    again, alone, longer = await _say(place, call, _keyed("its own", "output", 2), more)

    codes = ["UPDATED", "DUPLICATE_OPERATION", "UPDATED", "MISSING_PARAMS", "UPDATED"]
    for answer in (first, again):
        assert answer.status == 200
        assert [outcome.code for outcome in answer.outcomes()] == codes
    jobs = [outcome.data.get("jobId") for outcome in first.outcomes()]
    assert [outcome.data.get("jobId") for outcome in again.outcomes()] == jobs
    assert [outcome.replayed for outcome in again.outcomes()] == [True, True, True, False, True]
    assert (alone.body["data"]["jobId"], alone.body["data"]["replayed"]) == (jobs[4], True)
    assert [outcome.replayed for outcome in longer.outcomes()][-3:] == [False, True, False]


async def test_a_key_is_the_same_in_header_and_body_and_belongs_to_one_order(place: Place) -> None:
    await place.open(START)
    in_body = _keyed("k", "input", 3)
    in_header = Call((Update(ORDER, "input", 3),), header_key="k")
    in_both = Call((Update(ORDER.upper(), "input", 3, key="k"),), header_key="k")
    elsewhere = _keyed("k", "input", 3, OTHER)
    (first,) = await _say(place, in_body)

    await _restart(place)
    replayed, too, another = await _say(place, in_header, in_both, elsewhere)

    spelt = {"workOrderId": ORDER.upper()}  # as it was sent
    assert _first_outcome(replayed) == _first_outcome(first)
    assert _first_outcome(too) == _first_outcome(first) | spelt
    assert replayed.body["data"]["replayed"]
    assert too.body["data"]["replayed"]
    assert not another.body["data"]["replayed"]
    assert another.body["data"]["jobId"] != first.body["data"]["jobId"]
