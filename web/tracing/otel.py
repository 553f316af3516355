"""Spans for OpenTelemetry: of calls, hops, the actors' work and commits. Needs the extra `otel`.

Imported only where the settings ask for it. Spans are put into a bounded queue and sent by a
thread of their own: a collector that is slow or away costs spans, never an update.
"""

from __future__ import annotations

import threading
import time
from functools import wraps
from typing import TYPE_CHECKING, Final, ParamSpec

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from actors.domain.commit import Committed
from web import SERVICE, VERSION
from web.tracing.port import UNTRACED, caller_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span

    from actors.domain.commit import ChangeSet, CommitResult
    from actors.runtime.delivery import Delivery
    from web.tracing.port import Work

_PATH: Final = "/v1/traces"
_EXPORT_S: Final = 5.0
_LINKS: Final = 128
_SERVER_ERROR: Final = 500
_UNSEEN: Final = frozenset({"/livez", "/readyz", "/health", "/metrics", "/api/events"})
"""Probes, which come every few seconds, and what has no end."""
_P = ParamSpec("_P")
_log = structlog.get_logger(__name__)


def exporting_to(endpoint: str) -> SpanProcessor:
    """Return what sends spans to the collector at `endpoint`, from a thread of its own."""
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}{_PATH}", timeout=_EXPORT_S)
    return BatchSpanProcessor(exporter)


def _harmless(method: Callable[_P, None]) -> Callable[_P, None]:
    """Let a mistake in here be a line of the log, and nothing to those who call."""

    @wraps(method)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception:  # noqa: BLE001 -- whatever it is, an update must not fail for it
            _log.debug("span_lost", exc_info=True)

    return call


class OpenTelemetry:
    """Implements `actors.telemetry.spans.Spans` and `web.tracing.port.Tracing` for one node."""

    def __init__(self, processor: SpanProcessor, node: str) -> None:
        resource = Resource.create({"service.version": VERSION, "service.instance.id": node})
        if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
            # Else OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say it.
            resource = resource.merge(Resource({"service.name": SERVICE}))
        self._node = node
        self._processor = processor
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer(SERVICE, VERSION)

    def close(self, within_s: float) -> None:
        """Send what is left, for that long; what is not sent by then is lost."""
        # Not of the pool: the process waits for those threads, and must not for a dead collector.
        last = threading.Thread(target=self._provider.shutdown, daemon=True)
        last.start()
        last.join(within_s)
        if last.is_alive() and isinstance(self._processor, BatchSpanProcessor):
            self._processor.span_exporter.shutdown()  # it would try again for a while

    # -- calls -------------------------------------------------------------------------------

    def serve(self, method: str, route: str, traceparent: str, request_id: str) -> Work:
        """Begin to serve a call, in its caller's trace or in one of its own."""
        span = None
        if route not in _UNSEEN:
            attributes = {"http.route": route, "request_id": request_id}
            span = self._begin(SpanKind.SERVER, method, route, traceparent, attributes)
        if span is None:
            return UNTRACED.serve(method, route, traceparent, request_id)
        caller = caller_of(traceparent)
        return _Recorded(span, caller.span_id if caller else "")

    def hop(self, method: str, route: str, traceparent: str, node: str) -> Work:
        """Begin to hand a call on: the owner's span becomes a child of this one."""
        span = None
        if traceparent:
            span = self._begin(SpanKind.CLIENT, method, route, traceparent, {"owner": node})
        return UNTRACED.hop(method, route, traceparent, node) if span is None else _Recorded(span)

    def _begin(
        self, kind: SpanKind, method: str, route: str, traceparent: str, more: dict[str, str]
    ) -> Span | None:
        """Begin a span; None where that fails, or OTEL_SDK_DISABLED is set."""
        attributes = {"http.request.method": method, "node": self._node, **more}
        try:
            context = _within(traceparent) or Context()
            span = self._tracer.start_span(f"{method} {route}", context, kind, attributes)
        except Exception:  # noqa: BLE001 -- whatever it is, no call may fail for it
            _log.debug("span_lost", exc_info=True)
            return None
        return span if span.get_span_context().is_valid else None

    # -- actors ------------------------------------------------------------------------------

    @_harmless
    def answered(self, delivery: Delivery, epoch: int, outcome: str, code: str) -> None:
        """Record an update's time in the mailbox, and its actor's work on it."""
        message = delivery.message
        if not _is_sampled(message.trace.traceparent):
            return
        context, clock = _within(message.trace.traceparent), _Clock()
        taken_at = delivery.taken_at or delivery.enqueued_at
        attributes = {
            "work_order_id": message.work_order_id,
            "job_id": message.change.job_id,
            "node": self._node,
            "epoch": epoch,
            "outcome": outcome,
            "code": code,
        }
        for name, began, ended in (
            ("wait in mailbox", clock.at(delivery.enqueued_at), clock.at(taken_at)),
            ("handle update", clock.at(taken_at), clock.now),
        ):
            span = self._tracer.start_span(name, context, attributes=attributes, start_time=began)
            if outcome == "failed":
                span.set_status(Status(StatusCode.ERROR, code))
            span.end(ended)

    def carried(self, deliveries: Sequence[Delivery]) -> tuple[str, ...]:
        """Return the traceparents that are sampled, each once."""
        found = (each.message.trace.traceparent for each in deliveries)
        return tuple(dict.fromkeys(each for each in found if _is_sampled(each)))

    @_harmless
    def committed(
        self,
        changes: Sequence[ChangeSet],
        results: Sequence[CommitResult],
        epoch: int,
        began: float,
    ) -> None:
        """Record a batch in the trace of its first update, linked to those of all others."""
        parents = list(dict.fromkeys(each for one in changes for each in one.traceparents))
        if not parents:
            return
        clock = _Clock()
        committed = sum(isinstance(each, Committed) for each in results)
        span = self._tracer.start_span(
            "commit",
            _within(parents[0]),
            links=[Link(_remote(each)) for each in parents[1:_LINKS]],
            attributes={
                "orders": len(changes),
                "entries": sum(len(each.outcomes) for each in changes),
                "committed": committed,
                "conflicts": len(results) - committed,
                "node": self._node,
                "epoch": epoch,
                "outcome": "committed" if committed == len(results) else "conflict",
            },
            start_time=clock.at(began),
        )
        span.end(clock.now)


class _Recorded:
    """Work that has a span."""

    __slots__ = ("_span", "parent_span_id", "traceparent")

    def __init__(self, span: Span, parent_span_id: str = "") -> None:
        self._span = span
        found = span.get_span_context()
        self.traceparent = f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"
        self.parent_span_id = parent_span_id

    def end(self, status: int | None) -> None:
        """End the span; without a status there was no answer."""
        self._end(status)

    @_harmless
    def _end(self, status: int | None) -> None:
        if status is not None:
            self._span.set_attribute("http.response.status_code", status)
        if status is None or status >= _SERVER_ERROR:
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class _Clock:
    """Turns monotonic seconds into the nanoseconds since 1970 that spans have."""

    __slots__ = ("_monotonic", "now")

    def __init__(self) -> None:
        self.now = time.time_ns()
        self._monotonic = time.monotonic()

    def at(self, monotonic: float) -> int:
        """Return that moment."""
        return self.now - int((self._monotonic - monotonic) * 1e9)


def _is_sampled(traceparent: str) -> bool:
    return traceparent[-1:] in {"1", "3", "5", "7", "9", "b", "d", "f"}


def _remote(traceparent: str) -> SpanContext:
    _, trace_id, span_id, flags = traceparent.split("-")[:4]
    return SpanContext(int(trace_id, 16), int(span_id, 16), True, TraceFlags(int(flags, 16)))  # noqa: FBT003 -- OpenTelemetry's signature


def _within(traceparent: str) -> Context | None:
    if caller_of(traceparent) is None:
        return None
    return set_span_in_context(NonRecordingSpan(_remote(traceparent)), Context())
