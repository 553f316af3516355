"""Put the endpoints together into one aiohttp application."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aiohttp import web
from multidict import CIMultiDict

from web.admission import ADMISSION, Admission
from web.app_context import CONTEXT, AppContext, Options
from web.cluster.fleet import FLEET, Fleet
from web.cluster.forward import FORWARDER, Forwarder
from web.cluster.neighbours import NEIGHBOURS, Neighbours
from web.cluster.seal import Seal
from web.cluster.shards import ShardedCalls
from web.middleware import AROUND, Around, answer
from web.observe.alarms import ALARMS, Alarms
from web.observe.audit import audited
from web.observe.loop_monitor import LOOP_MONITOR, LoopMonitor
from web.observe.metrics import METRICS, Metrics
from web.observe.recorder import Recorder
from web.openapi import DOCUMENT, Document
from web.routes.scattered import scattered
from web.routes.table import ROUTES
from web.tracing.port import UNTRACED
from web.wire.cuts import CUTS, Cuts
from web.wire.room import ROOM, ReplyRoom
from web.wire.streams import STREAMS, Streams
from web.wire.turns import READ_TURNS, ReadTurns

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from actors.engine import Engine
    from web.app_context import LogControl
    from web.route import Route
    from web.tracing.port import Tracing

__all__ = ["Options", "build_app"]


_ADD: Final = {
    "GET": web.UrlDispatcher.add_get,  # and HEAD
    "POST": web.UrlDispatcher.add_post,
    "PUT": web.UrlDispatcher.add_put,
    "DELETE": web.UrlDispatcher.add_delete,
}


def build_app(
    node: Engine,
    options: Options,
    logs: LogControl | None = None,
    tracing: Tracing = UNTRACED,
) -> web.Application:
    """Make the application that serves `node`; starting and closing it stays with the caller."""
    app = web.Application(middlewares=[answer], client_max_size=options.max_body_bytes)
    app[CONTEXT] = AppContext(
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
    app[DOCUMENT] = Document(ROUTES, options)
    seal = Seal(options.cluster_secret)
    forwarder = app[FORWARDER] = Forwarder(app[CONTEXT], seal, tracing)
    app.cleanup_ctx.append(forwarder.open)
    neighbours = app[NEIGHBOURS] = Neighbours(node.roster)
    fleet = app[FLEET] = Fleet(node, neighbours, options.version, options.expected_nodes)
    app.cleanup_ctx.append(fleet.run)
    app.cleanup_ctx.append(Recorder(node, options.version).run)
    monitor = app[LOOP_MONITOR] = LoopMonitor()
    forwarder.tell(
        lambda: {
            "version": options.version,
            "upS": round(monitor.up_s),
            "lagMs": round(monitor.worst_s() * 1000, 1),
        }
    )
    app.cleanup_ctx.append(monitor.run)
    admission = app[ADMISSION] = Admission(
        options, {(route.method, route.path): route.access for route in ROUTES}
    )
    if options.cors_origins:
        app.on_response_prepare.append(admission.mark)
    cuts = app[CUTS] = Cuts()
    room = app[ROOM] = ReplyRoom(options.max_replies_bytes, cuts)
    metrics = app[METRICS] = Metrics(app[CONTEXT], monitor, cuts, fleet)
    app[AROUND] = Around(app[CONTEXT], tracing, admission, seal, metrics.traffic, room)
    alarms = app[ALARMS] = Alarms(app[CONTEXT], forwarder, fleet)
    monitor.followers.append(alarms.note)
    node.telemetry.samples.times["lag"] = monitor.lags
    node.telemetry.samples.counters.append(metrics.traffic.turned_away)
    app[READ_TURNS] = ReadTurns()
    streams = app[STREAMS] = Streams()
    app.on_shutdown.append(streams.end)
    calls = ShardedCalls(app[CONTEXT], forwarder) if node.shards is not None else None
    for route in ROUTES:
        # Kept by the node that does it, not by one that hands it on.
        kept = replace(route, handler=audited(route.audit, route.handler)) if route.audit else route
        handler = (
            _wherever_it_belongs(kept, forwarder) if calls is None else _by_shards(kept, calls)
        )
        if route.large:
            handler = room.bound(handler)
        add = _ADD[route.method]
        add(app.router, route.path, handler)
        if not route.path.endswith("/"):
            # The service that this one replaces took a closing slash as well.
            add(app.router, f"{route.path}/", handler)
    return app


def _by_shards(route: Route, calls: ShardedCalls) -> Handler:
    return (
        scattered(route.handler, calls, route.batch)
        if route.scope == "items"
        else calls.wrap(route)
    )


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
