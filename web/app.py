"""Put the endpoints together into one aiohttp application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web
from multidict import CIMultiDict

from web.admission import ADMISSION, Admission
from web.cluster.forward import FORWARDER, Forwarder
from web.cluster.neighbours import NEIGHBOURS, Neighbours
from web.middleware import answer
from web.observe.alarms import ALARMS, Alarms
from web.observe.metrics import METRICS, Metrics
from web.observe.pulse import PULSE, Pulse
from web.openapi import DOCUMENT, Document
from web.routes.table import ROUTES
from web.site import SITE, Options, Site
from web.tracing.port import TRACING, UNTRACED
from web.wire.streams import STREAMS, Streams

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from actors.node.node import Node
    from web.route import Route
    from web.site import LogControl
    from web.tracing.port import Tracing

__all__ = ["Options", "build_app"]


_ADD: Final = {
    "GET": web.UrlDispatcher.add_get,  # and HEAD
    "POST": web.UrlDispatcher.add_post,
    "PUT": web.UrlDispatcher.add_put,
    "DELETE": web.UrlDispatcher.add_delete,
}


def build_app(
    node: Node,
    options: Options,
    logs: LogControl | None = None,
    tracing: Tracing = UNTRACED,
) -> web.Application:
    """Make the application that serves `node`; starting and closing it stays with the caller."""
    app = web.Application(middlewares=[answer], client_max_size=options.max_body_bytes)
    app[SITE] = Site(
        node,
        options,
        CIMultiDict(
            {
                "Content-Type": "application/json; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff",
                "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
                "Cross-Origin-Resource-Policy": "same-origin",
                "Referrer-Policy": "no-referrer",
                "X-Served-By": node.node_id,
                "Server": options.service,
            }
        ),
        {route.name: f"{route.method} {route.path}" for route in ROUTES},
        logs,
    )
    app[TRACING] = tracing
    app[DOCUMENT] = Document(ROUTES, options)
    forwarder = app[FORWARDER] = Forwarder(app[SITE], tracing)
    app.cleanup_ctx.append(forwarder.open)
    app[NEIGHBOURS] = Neighbours()
    pulse = app[PULSE] = Pulse(node.region)
    app.cleanup_ctx.append(pulse.run)
    admission = app[ADMISSION] = Admission(
        options, {(route.method, route.path): route.access for route in ROUTES}
    )
    app.on_response_prepare.append(admission.mark)
    metrics = app[METRICS] = Metrics(app[SITE], pulse)
    alarms = app[ALARMS] = Alarms(app[SITE], pulse, metrics.traffic, forwarder.watch)
    pulse.followers.append(alarms.note)
    streams = app[STREAMS] = Streams()
    app.on_shutdown.append(streams.end)
    for route in ROUTES:
        handler = _wherever_it_belongs(route, forwarder)
        add = _ADD[route.method]
        add(app.router, route.path, handler)
        if not route.path.endswith("/"):
            # The service that this one replaces took a closing slash as well.
            add(app.router, f"{route.path}/", handler)
    return app


def _wherever_it_belongs(route: Route, forwarder: Forwarder) -> Handler:
    match route.needs:
        case "actors":
            return forwarder.update(route.handler)
        case "owner":
            return forwarder.operate(route.handler)
        case "view":
            return forwarder.view(route.handler)
        case "nodes":
            return forwarder.view(route.handler, always=True)
        case "stream":
            return forwarder.stream(route.handler)
        case _:
            return route.handler
