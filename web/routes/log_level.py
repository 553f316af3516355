"""The level of this node's log, which may change while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from web.app_context import CALL, CONTEXT
from web.openapi import parameters
from web.openapi.models.operators import LogState
from web.route import JSON_BODY, Body, Route
from web.wire.bodies import read_object
from web.wire.problems import Problem, RequestError
from web.wire.replies import success
from web.wire.schemas import LogLevelBody, parse_log_level

if TYPE_CHECKING:
    from aiohttp import web

    from web.app_context import LogControl

_log = structlog.get_logger(__name__)


async def show(request: web.Request) -> web.Response:
    """Show the level, and how many lines were lost."""
    return success(request, _fields(request, _control(request)), "OK.log_level")


async def change(request: web.Request) -> web.Response:
    """Log from another level on, until the next start."""
    control = _control(request)
    level = parse_log_level(await read_object(request))
    before = control.level
    control.set_level(level)
    call = request[CALL]
    call.about |= {"before": before, "after": level}
    _log.warning(
        "log_level_changed",
        before=before,
        after=level,
        request_id=call.trace.http_request_id,
        caller=call.caller,
    )
    return success(request, _fields(request, control), "OK.log_level")


def _control(request: web.Request) -> LogControl:
    control = request.app[CONTEXT].logs
    if control is None:
        raise RequestError(Problem("NOT_FOUND", "NOT_FOUND"))
    return control


def _fields(request: web.Request, control: LogControl) -> LogState:
    return {
        "node": request.app[CONTEXT].node.node_id,
        "level": control.level,
        "dropped": control.dropped,
    }


ROUTES: Final = (
    Route(
        name="logLevel",
        method="GET",
        path="/api/log-level",
        handler=show,
        tag="Nodes",
        reply=LogState,
        text="OK.log_level",
        failures=("NOT_FOUND",),
    ),
    Route(
        name="setLogLevel",
        method="PUT",
        path="/api/log-level",
        audit="log level",
        handler=change,
        tag="Nodes",
        reply=LogState,
        text="OK.log_level",
        failures=(*JSON_BODY, "INVALID_LOG_LEVEL", "NOT_FOUND"),
        body=Body(LogLevelBody, {"everything": {"level": "debug"}}),
        parameters=(parameters.REASON,),
    ),
)
