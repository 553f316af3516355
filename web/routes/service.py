"""What the service is and how it is: read by people, balancers and the main service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from web.app_context import CALL, CONTEXT
from web.cluster.forward import FORWARDER
from web.cluster.neighbours import NEIGHBOURS, REPORT
from web.cluster.peer import PeerHealth
from web.wire.dates import now_text
from web.wire.replies import raw
from web.wire.texts import render

if TYPE_CHECKING:
    from aiohttp import web

    from actors.node.status import Dependency, NodeStatus

_OK = 200
_UNAVAILABLE = 503


async def index(request: web.Request) -> web.Response:
    """Describe the service."""
    context = request.app[CONTEXT]
    return raw(
        context,
        {
            "service": context.options.service,
            "version": context.options.version,
            "status": "running",
            "description": render("OK.service", request[CALL].language, {}),
            "endpoints": context.endpoints,
            "timestamp": now_text(),
        },
    )


async def health(request: web.Request) -> web.Response:
    """Return whether updates are served, here or by the owner, and the state of all they need."""
    context = request.app[CONTEXT]
    if REPORT in request.headers:
        request.app[NEIGHBOURS].heard(request.headers[REPORT])
    status = context.node.status()
    owner = _owner(request, status)
    text = "OK.health" if owner else "SERVICE_UNAVAILABLE.health"
    body = {
        "status": "ok" if owner else "unavailable",
        "message": render(text, request[CALL].language, {}),
        "timestamp": now_text(),
        "service": context.options.service,
        "version": context.options.version,
        "role": status.role.value,
        "node": status.node,
        "epoch": status.epoch,
        "serving": owner is not None,
        "owner": owner and {"node": owner.node, "epoch": owner.epoch},
        "reason": None if owner else _reason(request, status),
        "paused": owner.paused if owner else status.paused,
        "dependencies": {"store": _shown(status.store), "lease": _shown(status.lease)},
    }
    return raw(context, body, _OK if owner else _UNAVAILABLE)


async def livez(request: web.Request) -> web.Response:
    """Tell that the process answers; a supervisor restarts it when it doesn't."""
    return raw(request.app[CONTEXT], {"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """Tell a load balancer whether to send updates here: a standby hands them to the owner."""
    context = request.app[CONTEXT]
    status = context.node.status()
    owner = _owner(request, status)
    body = {
        "status": "ok" if owner else "unavailable",
        "role": status.role.value,
        "reason": None if owner else _reason(request, status),
    }
    return raw(context, body, _OK if owner else _UNAVAILABLE)


def _owner(request: web.Request, status: NodeStatus) -> PeerHealth | None:
    """Return the node by which updates that come here are served; None when none can be."""
    if status.serving:
        return PeerHealth(status.node, status.epoch, status.paused)
    return request.app[FORWARDER].watch.health()


def _reason(request: web.Request, status: NodeStatus) -> str | None:
    return request.app[FORWARDER].watch.trouble() or status.reason


def _shown(dependency: Dependency) -> dict[str, Any]:
    return {
        "name": dependency.name,
        "ok": dependency.ok,
        "detail": dependency.detail,
        "since_s": round(dependency.since_s, 1),
    }
