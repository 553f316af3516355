"""What the service is and how it is: read by people, balancers and the main service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from web.dates import now_text
from web.replies import raw
from web.site import CALL, SITE
from web.texts import render

if TYPE_CHECKING:
    from aiohttp import web

    from actors.status import Dependency

_OK = 200
_UNAVAILABLE = 503


async def index(request: web.Request) -> web.Response:
    """Describe the service."""
    site = request.app[SITE]
    return raw(
        site,
        {
            "service": site.options.service,
            "version": site.options.version,
            "status": "running",
            "description": render("OK.service", request[CALL].language, {}),
            "endpoints": site.endpoints,
            "timestamp": now_text(),
        },
    )


async def health(request: web.Request) -> web.Response:
    """Tell whether updates can be served, and the state of all that they need."""
    site = request.app[SITE]
    status = site.node.status()
    text = "OK.health" if status.serving else "SERVICE_UNAVAILABLE.health"
    body = {
        "status": "ok" if status.serving else "unavailable",
        "message": render(text, request[CALL].language, {}),
        "timestamp": now_text(),
        "service": site.options.service,
        "version": site.options.version,
        "role": status.role.value,
        "node": status.node,
        "epoch": status.epoch,
        "serving": status.serving,
        "reason": status.reason,
        "paused": status.paused,
        "dependencies": {"store": _shown(status.store), "lease": _shown(status.lease)},
    }
    return raw(site, body, _OK if status.serving else _UNAVAILABLE)


async def livez(request: web.Request) -> web.Response:
    """Tell that the process answers; a supervisor restarts it when it doesn't."""
    return raw(request.app[SITE], {"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """Tell a load balancer whether to send updates here."""
    site = request.app[SITE]
    status = site.node.status()
    body = {
        "status": "ok" if status.serving else "unavailable",
        "role": status.role.value,
        "reason": status.reason,
    }
    return raw(site, body, _OK if status.serving else _UNAVAILABLE)


def _shown(dependency: Dependency) -> dict[str, Any]:
    return {
        "name": dependency.name,
        "ok": dependency.ok,
        "detail": dependency.detail,
        "since_s": round(dependency.since_s, 1),
    }
