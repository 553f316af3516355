"""What the service is and how it is: read by people, balancers and the main service."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Final

from web.app_context import CALL, CONTEXT
from web.cluster.forward import FORWARDER
from web.cluster.neighbours import NEIGHBOURS, REPORT
from web.openapi.models.operators import Health, Live, Ready, Service
from web.route import Route
from web.wire.dates import now_text
from web.wire.replies import raw
from web.wire.texts import render

if TYPE_CHECKING:
    from aiohttp import web

    from actors.node.status import Dependency, NodeStatus
    from actors.telemetry.counters import CommitStats
    from web.cluster.peer import PeerHealth
    from web.openapi.models.operators import HealthDependency, HealthShard, Stuck

_OK = 200
_UNAVAILABLE = 503
_SHOWN = 10


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
    if REPORT in request.headers and request[CALL].believed:
        request.app[NEIGHBOURS].heard(request.headers[REPORT])
    status = context.node.status()
    forwarder = request.app[FORWARDER]
    owner = forwarder.owner()
    text = "OK.health" if owner else "SERVICE_UNAVAILABLE.health"
    body: Health = {
        "status": "ok" if owner else "unavailable",
        "message": render(text, request[CALL].language, {}),
        "timestamp": now_text(),
        "service": context.options.service,
        "version": context.options.version,
        "role": status.role,
        "node": status.node,
        "epoch": status.epoch,
        "serving": owner is not None,
        "owner": {"node": owner.node, "epoch": owner.epoch} if owner else None,
        "reason": None if owner else _reason(request, status),
        "paused": owner.paused if owner else status.paused,
        "dependencies": {"store": _shown(status.store), "lease": _shown(status.lease)},
        "leaseNote": status.lease_note,
        "stuckCommits": _stuck(context.node.telemetry.commits),
    }
    if status.shards:
        body["shards"] = [_shard(*each) for each in enumerate(forwarder.owners())]
    return raw(context, body, _OK if owner else _UNAVAILABLE)


async def livez(request: web.Request) -> web.Response:
    """Tell that the process answers; a supervisor restarts it when it doesn't."""
    return raw(request.app[CONTEXT], {"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """Tell a load balancer whether to send updates here: a standby hands them to the owner."""
    context = request.app[CONTEXT]
    status = context.node.status()
    forwarder = request.app[FORWARDER]
    owner = any(forwarder.owners())
    body: Ready = {
        "status": "ok" if owner else "unavailable",
        "role": status.role,
        "reason": None if owner else _reason(request, status),
    }
    return raw(context, body, _OK if owner else _UNAVAILABLE)


def _shard(index: int, owner: PeerHealth | None) -> HealthShard:
    if owner is None:
        return {"shard": index, "node": None, "epoch": 0, "serving": False}
    return {"shard": index, "node": owner.node, "epoch": owner.epoch, "serving": True}


def _reason(request: web.Request, status: NodeStatus) -> str | None:
    idle = [each.reason for each in status.shards if not each.serving and each.reason]
    return request.app[FORWARDER].trouble() or status.reason or next(iter(idle), None)


def _stuck(commits: CommitStats) -> list[Stuck]:
    now = time.monotonic()
    return [
        {"workOrderId": order_id, "sinceS": round(now - each.since, 1), "error": each.error}
        for order_id, each in islice(commits.stuck.items(), _SHOWN)
    ]


def _shown(dependency: Dependency) -> HealthDependency:
    return {
        "name": dependency.name,
        "ok": dependency.ok,
        "detail": dependency.detail,
        "since_s": round(dependency.since_s, 1),
    }


ROUTES: Final = (
    Route(
        name="service",
        method="GET",
        path="/",
        handler=index,
        tag="Service",
        reply=Service,
        bare=True,
    ),
    Route(
        name="health",
        method="GET",
        path="/health",
        handler=health,
        open=True,
        tag="Service",
        reply=Health,
        bare=True,
        unserved=True,
    ),
    Route(
        name="live",
        method="GET",
        path="/livez",
        handler=livez,
        open=True,
        tag="Service",
        reply=Live,
        bare=True,
    ),
    Route(
        name="ready",
        method="GET",
        path="/readyz",
        handler=readyz,
        open=True,
        tag="Service",
        reply=Ready,
        bare=True,
        unserved=True,
    ),
)
