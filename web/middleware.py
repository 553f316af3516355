"""Around every request: its id and language, the translation of errors, the access line."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog
from aiohttp import web

from actors.domain.model import Trace
from actors.errors import WorkOrderError
from web.app_context import CALL, Call
from web.wire.compression import compress
from web.wire.problems import SYSTEM_ERROR, Problem, RequestError, as_sent, problem_of
from web.wire.replies import failure, new_request_id
from web.wire.texts import preferred_language

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from web.admission import Admission
    from web.app_context import AppContext
    from web.cluster.seal import Seal
    from web.observe.metrics import Traffic
    from web.tracing.port import Tracing
    from web.wire.room import ReplyRoom

REQUEST_ID: Final = "X-Request-Id"
_SANE_ID: Final = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)
_ID: Final = re.compile(r"[0-9a-fA-F]{24}")
_MAX_LOGGED_PATH: Final = 200
_CLIENT_GONE: Final = 499
"""Status in the log of a request whose caller hung up before it was read."""
_PROBES: Final = frozenset({"/livez", "/readyz", "/health", "/metrics"})
_NO_ROUTE: Final = "none"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})

_log = structlog.get_logger(__name__)


class Around(NamedTuple):
    """What every request of an application meets on its way, and back."""

    context: AppContext
    tracing: Tracing
    admission: Admission
    seal: Seal
    traffic: Traffic
    room: ReplyRoom


AROUND: Final = web.AppKey("around", Around)


@web.middleware
async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Serve a request; whatever happens, answer in the envelope and log one line."""
    started = time.perf_counter()
    around = request.app[AROUND]
    call = request[CALL] = _call(request, around)
    try:
        preflight = around.admission.preflight(request)
        if preflight is None:
            call.caller = around.admission.check(request)
            await around.seal.check(request)
        response = preflight or await handler(request)
    except Exception as error:
        if _caller_is_gone(request, error):
            _log_access(request, call, around, started, _CLIENT_GONE, 0)
            call.work.end(_CLIENT_GONE)
            raise
        problem = _translate(request, call, error)
        response = failure(around.context, call.language, problem)
    if isinstance(response, web.Response):
        await compress(request, response)
    response.headers[REQUEST_ID] = call.trace.http_request_id
    _log_access(request, call, around, started, response.status, response.content_length or 0)
    call.work.end(response.status)
    if around.room.busy:
        await around.room.send(request, response)
    return response


def _call(request: web.Request, around: Around) -> Call:
    headers = request.headers
    given = headers.get(REQUEST_ID, "")
    request_id = given if _SANE_ID.fullmatch(given) else new_request_id()
    route = _route(request)
    work = around.tracing.serve(_method(request), route, headers.get("traceparent", ""), request_id)
    language = preferred_language(headers.get("Accept-Language", ""))
    return Call(around.context, Trace(request_id, work.traceparent), language, work, route)


def _translate(request: web.Request, call: Call, error: Exception) -> Problem:
    match error:
        case RequestError():
            return error.problem
        case WorkOrderError():
            sent = call.order_as_sent or request.match_info.get("id", "")
            problem = as_sent(problem_of(error), sent)
        case web.HTTPNotFound():
            return Problem("NOT_FOUND", "NOT_FOUND")
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            params = {"method": error.method[:_MAX_LOGGED_PATH], "allowed": allowed}
            return Problem(
                "METHOD_NOT_ALLOWED", "METHOD_NOT_ALLOWED", params, headers={"Allow": allowed}
            )
        case _:
            problem = SYSTEM_ERROR
    if problem.code == SYSTEM_ERROR.code:
        _log.error(
            "request_failed",
            method=request.method,
            path=_path(request, call),
            request_id=call.trace.http_request_id,
            **call.trace.ids(),
            exc_info=error,
        )
    return problem


def _caller_is_gone(request: web.Request, error: Exception) -> bool:
    """Tell a body cut short by its caller from an error of our own."""
    return isinstance(error, ConnectionError) and request.transport is None


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return _NO_ROUTE if resource is None else resource.canonical


def _path(request: web.Request, call: Call) -> str:
    """Return the route, so that lines can be grouped; the path itself where there is no route."""
    return request.path[:_MAX_LOGGED_PATH] if call.route == _NO_ROUTE else call.route


def _method(request: web.Request) -> str:
    return request.method if request.method in _METHODS else "other"


def _named_in(request: web.Request, call: Call) -> dict[str, object]:
    """Return the order or the job that the path names."""
    named = request.match_info.get("id")
    if named is None or not _ID.fullmatch(named):
        return {}
    return {"job_id" if "/job" in call.route else "work_order_id": named}


def _log_access(
    request: web.Request, call: Call, around: Around, started: float, status: int, size: int
) -> None:
    around.traffic.note(_method(request), call.route, status)
    if call.is_told and not call.context.options.log_every_call:
        return
    path = _path(request, call)
    # Probes come every few seconds; only their bad news is of interest.
    write = _log.debug if path in _PROBES and status == 200 else _log.info  # noqa: PLR2004
    write(
        "http_request",
        method=request.method,
        path=path,
        status=status,
        duration_ms=round((time.perf_counter() - started) * 1000, 2),
        request_id=call.trace.http_request_id,
        bytes=size,
        **call.trace.ids(),
        **({"parent_span_id": call.work.parent_span_id} if call.work.parent_span_id else {}),
        remote=request.remote,
        **({"caller": call.caller} if call.caller else {}),
        **_named_in(request, call),
        **call.about,
    )
