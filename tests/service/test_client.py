"""The callers' client against the service itself, through a kill and back."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.trace import Start, morning, order_id, session
from tests.unit.web.clients.cases import until
from web.clients.python import ClientOptions, DeadLetter, PlanServerClient

if TYPE_CHECKING:
    from tests.service.places import Place

pytestmark = pytest.mark.parametrize("place", ["sqlite"], indirect=True)

_ROOT = Path(__file__).parents[2]
_ORDER = order_id(1)
_UNKNOWN = "f" * 24
_SCAN = {
    "relatedBarcode": "SN-1",
    "processStepId": "6560a00000000000000000a1",
    "barcodeOperation": "SCAN_PROCESS",
}
_CALLER = """
import asyncio, sys
from pathlib import Path
from stamina.instrumentation import set_on_retry_hooks
from web.clients.python import ClientOptions, PlanServerClient

async def main(url, outbox, order):
    set_on_retry_hooks([])
    options = ClientOptions(outbox=Path(outbox), deadline_s=60, breaker_failures=2)
    async with PlanServerClient(url, options) as client:
        while True:
            result = await client.update_work_order_quantity(order, "input")
            assert result["code"] == "QUEUED_FALLBACK", result
            print("kept", result["requestId"], flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def _options(tmp_path: Path) -> ClientOptions:
    return ClientOptions(
        outbox=tmp_path / "outbox.sqlite3",
        deadline_s=60,
        attempt_s=20,
        breaker_failures=1,
        breaker_open_s=1.0,
        replay_poll_s=0.1,
    )


async def _is_empty(client: PlanServerClient) -> bool:
    return (await client.outbox_usage()).entries == 0


async def test_the_methods_of_the_client_do_what_they_say(place: Place, tmp_path: Path) -> None:
    told: list[DeadLetter] = []
    await place.open(Start(morning().orders))
    async with PlanServerClient(
        place.node.uri, _options(tmp_path), on_dead_letter=told.append
    ) as client:
        update = client.update_work_order_quantity
        first = await update(_ORDER, "input", 2, _SCAN, request_id="k-1")
        assert (first["success"], first["code"], first["afterQuantity"]) == (True, "UPDATED", 2)
        assert {"jobId", "queueLength", "estimatedDelay"} <= first.keys()
        again = await update(_ORDER, "input", 2, _SCAN, request_id="k-1")
        assert (again["replayed"], again["jobId"]) == (True, first["jobId"])
        assert (await update(_ORDER, "input", 1, _SCAN))["code"] == "DUPLICATE_OPERATION"
        assert (await update(_UNKNOWN, "input"))["status"] == 404
        batch = await client.batch_update_work_order_quantity(
            [
                {"workOrderId": _ORDER, "type": "output", "quantity": 1},
                {"workOrderId": _UNKNOWN, "type": "input"},
            ]
        )
        assert (batch["success"], batch["succeeded"], batch["failed"]) == (True, 1, 1)
        assert (await client.get_work_order_detail(_ORDER))["inputQuantity"] == 2
        logs = await client.get_quantity_logs(_ORDER, page=1, page_size=1, change_type="input")
        assert (logs["total"], logs["logs"][0]["relatedBarcode"]) == (1, "SN-1")
        assert (await client.get_queue_stats())["completed"] >= 2
        assert (await client.health_check())["role"] == "owner"

        await place.node.killed()
        assert not await client.is_service_available()
        kept = [await update(_ORDER, "input") for _ in range(10)]
        kept.append(await update(_UNKNOWN, "input"))
        assert {each["code"] for each in kept} == {"QUEUED_FALLBACK"}

        await place.node.started()
        await until(lambda: _is_empty(client))
        assert (await client.get_work_order_detail(_ORDER))["inputQuantity"] == 12
        await until(lambda: bool(told))  # the callback follows once the letter is on the disk
        assert [each.code for each in told] == ["WORK_ORDER_NOT_FOUND"]


async def test_updates_that_share_a_call_are_answered_as_if_each_had_gone_alone(
    place: Place, tmp_path: Path
) -> None:
    await place.open(Start(morning().orders))
    async with PlanServerClient(place.node.uri, _options(tmp_path)) as client:
        update = client.update_work_order_quantity
        await update(_ORDER, "input", 1, _SCAN, request_id="k-1")
        asked: list[tuple[str, float, dict[str, Any], str]] = [
            (_ORDER, 1, _SCAN, "k-1"),  # a replay
            (_ORDER, 1, _SCAN, "k-2"),  # counted already
            (_ORDER, 2**53 - 1, {}, "k-3"),  # beyond the range
            (_ORDER, 2, _SCAN, "k-1"),  # another content
            (_UNKNOWN, 1, {}, "k-4"),
            (_ORDER, 1, {"source": "MOON"}, "k-5"),  # taken as it comes
        ]

        async def answers(*, together: bool) -> list[dict[str, Any]]:
            calls = [update(o, "input", q, context, request_id=k) for o, q, context, k in asked]
            if together:
                return list(await asyncio.gather(*calls))
            return [await call for call in calls]

        await answers(together=False)  # from then on all are replays
        alone, shared = await answers(together=False), await answers(together=True)
        busy = {"estimatedDelay", "queueLength", "activeJobs"}
        for one, other in zip(alone, shared, strict=True):
            assert {k: v for k, v in other.items() if k not in busy} == {
                k: v for k, v in one.items() if k not in busy
            }
        assert [each.get("status", 200) for each in shared] == [200, 409, 400, 422, 404, 200]
    await place.node.stopped()
    calls = [each["updates"] for each in place.node.events("http_request") if "updates" in each]
    assert calls == [len(asked)]


async def test_while_the_service_is_paused_updates_are_kept_there_not_here(
    place: Place, tmp_path: Path
) -> None:
    await place.open(Start(morning().orders))
    async with PlanServerClient(place.node.uri, _options(tmp_path)) as client:
        await _operate(place, "pause")
        result = await client.update_work_order_quantity(_ORDER, "input")
        batch = await client.batch_update_work_order_quantity(
            [{"workOrderId": _ORDER, "type": "input"}]
        )
        assert (result["success"], result["code"]) == (True, "QUEUED")
        assert batch["succeeded"] == 1
        assert (await client.outbox_usage()).entries == 0
        await _operate(place, "resume")
        await until(lambda: _has_input(client, 2))


async def _has_input(client: PlanServerClient, quantity: int) -> bool:
    return bool((await client.get_work_order_detail(_ORDER))["inputQuantity"] == quantity)


async def _operate(place: Place, what: str) -> None:
    path = f"/api/workorder/queue/{what}"
    async with session(place.node.uri) as http, http.post(path) as response:
        assert response.status == 200


async def test_callers_killed_between_the_durable_write_and_the_sending_count_once(
    place: Place, tmp_path: Path
) -> None:
    await place.open(Start(morning().orders))
    await place.node.killed()
    outbox = tmp_path / "outbox.sqlite3"
    arguments = [sys.executable, "-c", _CALLER, place.node.uri, str(outbox), _ORDER]
    callers = [await create_subprocess_exec(*arguments, cwd=_ROOT, stdout=PIPE) for _ in range(2)]
    answered = 0
    for caller in callers:
        assert caller.stdout is not None
        for _ in range(15):
            answered += (await caller.stdout.readline()).startswith(b"kept ")
    for caller in callers:
        caller.send_signal(signal.SIGKILL)
    for caller in callers:
        said, _ = await caller.communicate()
        answered += said.count(b"kept ")

    await place.node.started()
    async with PlanServerClient(place.node.uri, _options(tmp_path)) as client:
        await until(lambda: _is_empty(client))
        counted = (await client.get_work_order_detail(_ORDER))["inputQuantity"]
    # Whoever was killed before it was answered may have kept one more.
    assert answered <= counted <= answered + len(callers)
    assert answered >= 30
