"""A node as a process, which sends its spans to a collector, or to where there is none."""

from __future__ import annotations

import signal
from typing import Any

import aiohttp

from tests.servers import free_port
from tests.service.http.conftest import Backend, order, order_id
from tests.service.http.service_process import ServiceProcess
from tests.unit.web.collector import collector

_ORDER = order_id(1)


async def _one_update(backend: Backend, endpoint: str) -> tuple[int, list[dict[str, Any]]]:
    """Start a node, send it one update, stop it; give its exit code and its log."""
    await backend.add(order(1))
    settings = {**backend.settings, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    async with ServiceProcess(settings) as service:
        await service.start()
        async with aiohttp.ClientSession(service.url) as session:
            body = {"workOrderId": _ORDER, "type": "input"}
            async with session.post("/api/workorder/update-quantity", json=body) as reply:
                assert reply.status == 200
        service.signal(signal.SIGTERM)
        return await service.ended(), service.events


async def test_what_a_node_did_is_at_the_collector_when_it_has_stopped(embedded: Backend) -> None:
    with collector() as (endpoint, taken):
        code, events = await _one_update(embedded, endpoint)
    assert code == 0
    assert {path for path, _ in taken} == {"/v1/traces"}
    sent = b"".join(body for _, body in taken)
    assert b"handle update" in sent
    (line,) = [each for each in events if each["event"] == "update_applied"]
    # The ids of the log are those that the collector was told.
    assert bytes.fromhex(line["trace_id"]) in sent
    assert bytes.fromhex(line["span_id"]) in sent


async def test_a_node_without_its_collector_serves_and_stops_in_good_order(
    embedded: Backend,
) -> None:
    code, _ = await _one_update(embedded, f"http://127.0.0.1:{free_port()}")
    assert code == 0
