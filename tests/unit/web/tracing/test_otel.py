"""Spans: which there are, how they hang together, and that they can do no harm."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from tests.servers import free_port
from tests.unit.actors.owner import ORDER, order_number
from tests.unit.web.collector import collector
from tests.unit.web.served import served
from web.tracing.otel import OpenTelemetry, exporting_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from opentelemetry.sdk.trace import ReadableSpan

    from tests.fake_lease import LeaseServer
    from tests.fakes import MemoryStore
    from tests.unit.web.conftest import LogRecorder
    from tests.unit.web.served import Served

_CHECKOUT = Path(__file__).parents[4]
_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
_SPAN = "00f067aa0ba902b7"
_UPDATE = "/api/workorder/update-quantity"


@pytest.fixture
def kept() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def _recorder(kept: InMemorySpanExporter, node: str) -> OpenTelemetry:
    return OpenTelemetry(SimpleSpanProcessor(kept), node)


@pytest.fixture
async def owner(
    store: MemoryStore, lease: LeaseServer, kept: InMemorySpanExporter
) -> AsyncIterator[Served]:
    async with served(store, lease, "a", otel=_recorder(kept, "a")) as here:
        yield here


def _named(kept: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [each for each in kept.get_finished_spans() if each.name == name]


def _one(kept: InMemorySpanExporter, name: str) -> ReadableSpan:
    (span,) = _named(kept, name)
    return span


def _ids(span: ReadableSpan) -> tuple[str, str]:
    assert span.context is not None
    return format_trace_id(span.context.trace_id), format_span_id(span.context.span_id)


def _parent(span: ReadableSpan) -> str | None:
    return format_span_id(span.parent.span_id) if span.parent else None


async def _send(here: Served, order: str = ORDER, **headers: str) -> int:
    body = {"workOrderId": order, "type": "input"}
    async with here.session.post(_UPDATE, json=body, headers=headers) as reply:
        await reply.read()
        return reply.status


async def test_an_update_is_a_call_a_wait_its_handling_and_a_commit_of_its_callers_trace(
    owner: Served, kept: InMemorySpanExporter, logged: LogRecorder
) -> None:
    assert await _send(owner, traceparent=f"00-{_TRACE}-{_SPAN}-01") == 200
    call = _one(kept, f"POST {_UPDATE}")
    assert (call.kind, _parent(call)) == (SpanKind.SERVER, _SPAN)
    trace_id, span_id = _ids(call)
    assert trace_id == _TRACE
    line = logged.named("http_request")[0]
    assert (line["trace_id"], line["span_id"]) == (trace_id, span_id)
    assert call.attributes is not None
    assert call.attributes["http.response.status_code"] == 200
    assert call.attributes["request_id"] == line["request_id"]
    for name in ("wait in mailbox", "handle update", "commit"):
        span = _one(kept, name)
        assert (_ids(span)[0], _parent(span)) == (trace_id, span_id), name
        assert span.attributes is not None
        assert (span.attributes["node"], span.attributes["epoch"]) == ("a", 1)
        assert span.start_time is not None
        assert call.start_time is not None
        assert span.end_time is not None
        # Turned from the monotonic clock, which is not set while it runs.
        assert call.start_time - 10**7 <= span.start_time <= span.end_time
    handled, commit = _one(kept, "handle update").attributes, _one(kept, "commit").attributes
    assert handled is not None
    assert commit is not None
    assert (handled["work_order_id"], handled["outcome"]) == (ORDER, "applied")
    assert len(str(handled["job_id"])) == 24
    assert (commit["orders"], commit["entries"], commit["outcome"]) == (1, 1, "committed")


async def test_a_call_out_of_nowhere_begins_a_trace_and_the_log_has_its_ids(
    owner: Served, kept: InMemorySpanExporter, logged: LogRecorder
) -> None:
    assert await _send(owner) == 200
    call = _one(kept, f"POST {_UPDATE}")
    assert call.parent is None
    line = logged.named("http_request")[0]
    assert (line["trace_id"], line["span_id"]) == _ids(call)
    assert "parent_span_id" not in line


async def test_the_hop_of_a_standby_is_a_span_between_its_own_and_the_owners(
    owner: Served, store: MemoryStore, lease: LeaseServer, kept: InMemorySpanExporter
) -> None:
    assert owner.node.status().serving
    async with served(store, lease, "b", otel=_recorder(kept, "b")) as standby:
        assert await _send(standby, traceparent=f"00-{_TRACE}-{_SPAN}-01") == 200
        spans = {
            (each.kind, (each.attributes or {})["node"]): each
            for each in _named(kept, f"POST {_UPDATE}")
        }
    here = spans[SpanKind.SERVER, "b"]
    hop = spans[SpanKind.CLIENT, "b"]
    there = spans[SpanKind.SERVER, "a"]
    assert [_ids(each)[0] for each in (here, hop, there)] == [_TRACE] * 3
    assert _parent(here) == _SPAN
    assert _parent(hop) == _ids(here)[1]
    assert _parent(there) == _ids(hop)[1]
    assert hop.attributes is not None
    assert (hop.attributes["owner"], hop.attributes["http.response.status_code"]) == ("a", 200)


async def test_a_commit_of_several_updates_is_linked_to_the_other_traces(
    store: MemoryStore, lease: LeaseServer, kept: InMemorySpanExporter
) -> None:
    async with served(store, lease, "a", otel=_recorder(kept, "a")) as owner:
        async with asyncio.timeout(100), store.holding("commit") as arrived:
            sent = [asyncio.create_task(_send(owner))]
            await arrived.wait()
            sent += [asyncio.create_task(_send(owner)) for _ in range(3)]
            while owner.node.region.statistics().waiting < 3:  # noqa: ASYNC110 -- has no event
                await asyncio.sleep(0.01)
        assert await asyncio.gather(*sent) == [200] * 4
    first, second = _named(kept, "commit")
    assert len(first.links) == 0
    assert (second.attributes or {})["entries"] == 3
    calls = {_ids(each) for each in _named(kept, f"POST {_UPDATE}")}
    linked = {
        (format_trace_id(each.context.trace_id), format_span_id(each.context.span_id))
        for each in second.links
    }
    assert len(linked) == 2
    assert linked < calls


async def test_what_became_of_an_update_is_in_its_span(
    owner: Served, kept: InMemorySpanExporter
) -> None:
    assert await _send(owner, "f" * 24) == 404
    attributes = _one(kept, "handle update").attributes
    assert attributes is not None
    assert (attributes["outcome"], attributes["code"]) == ("refused", "WORK_ORDER_NOT_FOUND")
    other, key = order_number(2), {"Idempotency-Key": "k"}
    assert (await _send(owner, other, **key), await _send(owner, other, **key)) == (200, 200)
    outcomes = [(each.attributes or {})["outcome"] for each in _named(kept, "handle update")]
    assert outcomes == ["refused", "applied", "replayed"]
    assert all(each.status.status_code is StatusCode.UNSET for each in _named(kept, "commit"))


async def test_what_its_caller_does_not_sample_and_probes_leave_no_span(
    owner: Served, kept: InMemorySpanExporter, logged: LogRecorder
) -> None:
    assert await _send(owner, traceparent=f"00-{_TRACE}-{_SPAN}-00") == 200
    async with owner.session.get("/livez"), owner.session.get("/metrics"):
        pass
    assert kept.get_finished_spans() == ()
    line = logged.named("http_request")[0]
    assert (line["trace_id"], line["parent_span_id"]) == (_TRACE, _SPAN)


async def test_a_recorder_that_fails_costs_no_update(
    owner: Served, kept: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no spans today")

    monkeypatch.setattr("web.tracing.otel._within", fail)
    assert await _send(owner, traceparent=f"00-{_TRACE}-{_SPAN}-01") == 200
    assert kept.get_finished_spans() == ()


# -- the collector -------------------------------------------------------------------------


@asynccontextmanager
async def _exporting(
    store: MemoryStore, lease: LeaseServer, endpoint: str
) -> AsyncIterator[tuple[Served, OpenTelemetry]]:
    otel = OpenTelemetry(exporting_to(endpoint), "a")
    async with served(store, lease, "a", otel=otel) as here:
        yield here, otel


async def test_a_collector_is_sent_the_spans_at_the_latest_when_the_node_stops(
    store: MemoryStore, lease: LeaseServer
) -> None:
    with collector() as (endpoint, taken):
        async with _exporting(store, lease, endpoint) as (here, otel):
            assert await _send(here) == 200
        await asyncio.to_thread(otel.close, 10)
    assert {path for path, _ in taken} == {"/v1/traces"}
    sent = b"".join(body for _, body in taken)
    for word in (b"handle update", b"commit", b"work-order-service", ORDER.encode()):
        assert word in sent


async def test_a_collector_that_is_away_costs_no_update_and_holds_up_no_end(
    store: MemoryStore, lease: LeaseServer
) -> None:
    async with _exporting(store, lease, f"http://127.0.0.1:{free_port()}") as (here, otel):
        for _ in range(600):  # more than one batch: its thread is at it meanwhile
            assert await _send(here) == 200
    async with asyncio.timeout(8):  # the exporter's own patience is longer
        await asyncio.to_thread(otel.close, 0.2)
        while any(each.name.startswith("OtelBatch") for each in threading.enumerate()):  # noqa: ASYNC110 -- has no event
            await asyncio.sleep(0.01)


# -- without -------------------------------------------------------------------------------


def test_the_setting_without_the_packages_names_the_command(tmp_path: Path) -> None:
    # A package of that name that has nothing in it goes before the one that is installed.
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry" / "__init__.py").touch()
    said = subprocess.run(
        [sys.executable, "-m", "web"],
        cwd=_CHECKOUT,
        env={
            "PYTHONPATH": f"{tmp_path}:{_CHECKOUT}",
            "PORT": "0",
            "DATA_DIR": str(tmp_path / "data"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert said.returncode == 1
    assert "OpenTelemetry is not installed" in said.stderr
    assert "scripts/start.sh --set-up" in said.stderr
