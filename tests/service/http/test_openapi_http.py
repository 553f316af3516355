"""What the service really answers, against its own OpenAPI document."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from aiohttp import ClientSession

from tests.service.http.conftest import order, order_id
from tests.service.http.service_process import ServiceProcess
from tests.service.http.strict_document import StrictDocument

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.service.http.conftest import Backend

API: Final = "/api/workorder"
_NO_JOB: Final = "f" * 24
_TRIED_S: Final = 800.0
_CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
)
_FIVE = [order(number) for number in range(1, 6)]


class Caller:
    """Calls routes, checks every reply, and keeps which routes were called."""

    def __init__(self, http: ClientSession, document: StrictDocument) -> None:
        self.http = http
        self.document = document
        self.called: set[str] = set()

    async def call(self, route: str, body: object = None, query: str = "", **ids: str) -> Any:  # noqa: ANN401
        """Call `route` as the document names it; give its body."""
        method, path = route.split(" ")
        self.called.add(route)
        async with self.http.request(method, path.format(**ids) + query, json=body) as reply:
            return await self.document.check(route, reply)

    async def update(self, number: int, **fields: object) -> Any:  # noqa: ANN401
        """Send one change of an order."""
        body = {"workOrderId": order_id(number), "type": "input", **fields}
        return await self.call(f"POST {API}/update-quantity", body)


@pytest.fixture
async def caller(backend: Backend) -> AsyncIterator[Caller]:
    await backend.add(*_FIVE)
    async with ServiceProcess(backend.settings) as process:
        await process.start()
        async with ClientSession(process.url) as http:
            async with http.get("/openapi.json") as reply:
                document = StrictDocument(await reply.json())
            yield Caller(http, document)


async def test_every_route_answers_as_the_document_says(caller: Caller) -> None:
    await _change(caller)
    await _operate(caller)
    await _work_with_jobs(caller)
    await _look(caller)
    await _send_the_examples(caller)
    missing = {route for route, _ in caller.document.operations()} - caller.called
    # An answer without an end; its first words are read in a test of its own.
    assert missing == {"GET /api/events"}


async def _change(caller: Caller) -> None:
    context = {
        "relatedBarcode": "SN1",
        "processStepId": "5f0c00000000000000000001",
        "barcodeOperation": "SCAN_PROCESS",
        "operatorName": "张伟",
    }
    codes = [
        (await caller.update(1, quantity=2.5, logContext=context, requestId="a"))["code"],
        (await caller.update(1, quantity=1, requestId="a"))["code"],
        (await caller.update(1, logContext=context))["code"],
        (await caller.update(1, quantity=9_007_199_254_740_991))["code"],
        (await caller.update(9))["code"],
        (await caller.update(1, type="both"))["code"],
        (await caller.update(2, wait=False))["code"],
    ]
    assert codes == [
        "UPDATED",
        "REQUEST_ID_CONFLICT",
        "DUPLICATE_OPERATION",
        "INVALID_QUANTITY",
        "WORK_ORDER_NOT_FOUND",
        "INVALID_TYPE",
        "QUEUED",
    ]
    items = [
        {"workOrderId": order_id(1), "type": "output"},
        {"workOrderId": order_id(1), "type": "input", "quantity": 9_007_199_254_740_991},
        {"workOrderId": order_id(1), "type": "input", "logContext": context},
        {"workOrderId": order_id(1), "type": "input", "requestId": "a"},
        {"workOrderId": order_id(9), "type": "output", "wait": False},
        {"workOrderId": 7, "type": "input"},
        None,
    ]
    path = f"POST {API}/batch-update-quantity"
    assert (await caller.call(path, {"updates": items}))["code"] == "PARTIALLY_UPDATED"
    assert (await caller.call(path, {"updates": [None]}))["code"] == "NOT_UPDATED"
    assert (await caller.call(path, {"updates": []}))["code"] == "INVALID_UPDATES"


async def _operate(caller: Caller) -> None:
    one, none = order_id(1), order_id(9)
    await caller.call(f"POST {API}/{{id}}/pause", id=one)
    await caller.call(f"POST {API}/{{id}}/pause", id=none)
    await caller.call(f"GET {API}/queue/stats")
    await caller.call("GET /api/actors/{id}", id=one)
    await caller.call(f"POST {API}/{{id}}/resume", id=one)
    await caller.call(f"POST {API}/queue/clean-locks")
    await caller.call(f"POST {API}/queue/clean", {"grace": -1})
    await caller.call(f"GET {API}/queue/locks")
    await caller.call(f"GET {API}/queue/locks", query="?limit=0")
    for level in ("debug", "loud", "info"):
        await caller.call("PUT /api/log-level", {"level": level})
    assert (await caller.call("GET /api/log-level"))["data"]["level"] == "info"


async def _work_with_jobs(caller: Caller) -> None:
    await caller.call(f"POST {API}/queue/pause")
    waits = (await caller.update(3, logContext={"reason": "补扫", "source": "WEB"}))["data"][
        "jobId"
    ]
    fails = (await caller.update(9))["data"]["jobId"]
    assert (await caller.call(f"GET {API}/queue/jobs"))["data"]["total"] >= 2
    job = f"GET {API}/queue/jobs/{{id}}"
    assert (await caller.call(job, id=waits))["data"]["state"] == "waiting"
    await caller.call(f"POST {API}/queue/resume")
    # What comes later of the same order is answered later.
    assert (await caller.update(3))["code"] == "UPDATED"
    assert (await caller.update(9))["code"] == "WORK_ORDER_NOT_FOUND"
    assert (await caller.call(job, id=waits))["data"]["result"]["afterQuantity"] == 1
    assert (await caller.call(job, id=fails))["data"]["error"]["code"] == "WORK_ORDER_NOT_FOUND"
    assert (await caller.call(job, id=_NO_JOB))["code"] == "JOB_NOT_FOUND"
    assert (await caller.call(f"GET {API}/queue/jobs", query="?state=failed"))["data"]["total"] >= 1
    await caller.call(f"GET {API}/queue/jobs", query="?state=completed&page=1&pageSize=1")
    retry = f"POST {API}/queue/jobs/{{id}}/retry"
    assert (await caller.call(retry, id=waits))["code"] == "JOB_STATE_CONFLICT"
    assert (await caller.call(retry, id=fails))["code"] == "OK"
    assert (await caller.update(9))["code"] == "WORK_ORDER_NOT_FOUND"
    again = {"code": "WORK_ORDER_NOT_FOUND"}
    assert (await caller.call(f"POST {API}/queue/retry-failed", again))["data"]["retried"] >= 1
    await caller.call(f"DELETE {API}/queue/jobs/{{id}}", id=waits)
    assert (await caller.call(f"DELETE {API}/queue/jobs/{{id}}", id=_NO_JOB))["code"] != "OK"
    await caller.call(f"POST {API}/queue/clean", {})


async def _look(caller: Caller) -> None:
    for route in ("/", "/health", "/livez", "/readyz", "/openapi.json", "/docs", "/metrics"):
        await caller.call(f"GET {route}")
    await caller.call("GET /console")
    await caller.call("GET /api/console")
    for kind in ("js", "css"):
        await caller.call(f"GET /console/app.{kind}", query="?v=0")
    for route in (
        "/api/alarms",
        "/api/node",
        "/api/nodes",
        "/api/actors",
        "/api/actors/hot",
        "/api/actors/stats",
    ):
        await caller.call(f"GET {route}")
    found = await caller.call(f"GET {API}/search", query=f"?q={order_id(1)}")
    assert [each["id"] for each in found["data"]["orders"]] == [order_id(1)]
    await caller.call(f"GET {API}/search", query="?q=WO&limit=0")
    await caller.call("GET /api/history")
    await caller.call("GET /api/history", query="?minutes=0")
    await caller.call("GET /api/actors", query="?sort=largest")
    for number in (1, 5, 9):
        await caller.call("GET /api/actors/{id}", id=order_id(number))
    assert (await caller.call(f"GET {API}/detail/{{id}}", id=order_id(1)))["code"] == "OK"
    await caller.call(f"GET {API}/detail/{{id}}", id="1")
    logs = await caller.call(f"GET {API}/quantity-logs/{{id}}", id=order_id(1))
    assert logs["data"]["total"] == 2
    await caller.call(f"GET {API}/quantity-logs/{{id}}", id=order_id(1), query="?startDate=x")


async def _send_the_examples(caller: Caller) -> None:
    """Send every body that the document shows; calls without one are made as they are."""
    for route, operation in caller.document.operations():
        if "text/event-stream" in operation["responses"]["200"]["content"]:
            continue
        ids = {
            each["name"]: each["example"]
            for each in operation["parameters"]
            if each["in"] == "path"
        }
        content = operation.get("requestBody", {}).get("content", {}).values()
        bodies = [each["value"] for kind in content for each in kind["examples"].values()]
        for body in bodies:
            reply = await caller.call(route, body, **ids)
            # This node goes by no stored number of shards.
            refused = route == "POST /api/shards" and reply["code"] == "SHARDS_FIXED"
            assert reply["success"] is not refused, (route, body)
        if not bodies:
            await caller.call(route, **ids)


async def test_the_stream_of_events_says_first_how_things_are(caller: Caller) -> None:
    events = dict(caller.document.operations())["GET /api/events"]
    assert list(events["responses"]["200"]["content"]) == ["text/event-stream"]
    async with caller.http.get("/api/events") as reply:
        assert (reply.status, reply.content_type) == (200, "text/event-stream")
        async with asyncio.timeout(100):
            assert await reply.content.readuntil(b"\n\n") == b"retry: 2000\n\n"


@pytest.mark.long
@pytest.mark.timeout(1_000)
async def test_whatever_is_sent_nothing_is_answered_that_the_document_lacks(
    embedded: Backend, tmp_path: Path
) -> None:
    await embedded.add(*_FIVE)
    # What a busy machine is late with is no answer that the document lacks.
    patient = {**embedded.settings, "REQUEST_TIMEOUT_S": "100", "LEASE_TTL": "60"}
    async with ServiceProcess(patient) as process:
        await process.start()
        async with ClientSession(process.url) as http, http.get("/openapi.json") as reply:
            document = StrictDocument(await reply.json())
        said, code = await _schemathesis(document, process.url, tmp_path)
    assert code == 0, said
    cases = re.search(r"(\d+) generated", said)
    assert cases is not None, said
    assert int(cases[1]) > 20 * len(list(document.operations())), "it was hardly tried"


async def _schemathesis(document: StrictDocument, url: str, folder: Path) -> tuple[str, int]:
    """Run it in a process of its own; give what it said, and its exit code."""
    file = folder / "openapi.json"
    file.write_text(json.dumps(document.content), encoding="utf-8")
    trial = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        *("run", str(file), "--url", url),
        # A reply without an end is not for it.
        *("--exclude-path", "/api/events"),
        *("--checks", ",".join(_CHECKS), "--continue-on-failure"),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", "8"),
        *("--generation-deterministic", "--no-shrink"),
        *("--request-timeout", "100", "--suppress-health-check", "all"),
        *("--warnings", "off", "--no-color"),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(_TRIED_S):
            said, _ = await trial.communicate()
    finally:
        if trial.returncode is None:
            trial.kill()
            await trial.wait()
    assert trial.returncode is not None
    return said.decode(), trial.returncode
