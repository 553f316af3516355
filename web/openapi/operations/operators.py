"""The table's part on the service, its actors and its nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from web.openapi import parameters
from web.openapi.failures import JSON_BODY
from web.openapi.models.actors import ActorPage, HotActors, LiveActor, RestingActor
from web.openapi.models.alarms import Alarms
from web.openapi.models.figures import ActorStats, History
from web.openapi.models.operators import (
    CleanedLocks,
    ConsoleState,
    Health,
    Live,
    LogState,
    Node,
    Nodes,
    Ready,
    Service,
)
from web.openapi.operation import AT, ORDER, Body, Operation
from web.openapi.operations.operator_examples import (
    CHANGES,
    HEALTH,
    HISTORY,
    LIVE_ACTOR,
    LOG_STATE,
    NODE,
    ROW,
    STATS,
)
from web.wire.schemas import LogLevelBody

if TYPE_CHECKING:
    from collections.abc import Mapping

_SERVICE: Final = "Service"
_ACTORS: Final = "Actors"
_NODES: Final = "Nodes"

OPERATIONS: Final[Mapping[str, Operation]] = {
    "service": Operation(
        _SERVICE,
        "Tell name, version and the endpoints",
        Service,
        {
            "service": "work-order-service",
            "version": "0.1.0",
            "status": "running",
            "description": "工单数量更新服务",
            "endpoints": {"updateQuantity": "POST /api/workorder/update-quantity"},
            "timestamp": AT,
        },
        bare=True,
    ),
    "health": Operation(
        _SERVICE,
        "Tell whether updates can be served, and the state of all they need",
        Health,
        HEALTH,
        bare=True,
        unserved=True,
    ),
    "live": Operation(_SERVICE, "Answer while the process does", Live, {"status": "ok"}, bare=True),
    "ready": Operation(
        _SERVICE,
        "Tell load balancers whether updates are taken",
        Ready,
        {"status": "ok", "role": "owner", "reason": None},
        bare=True,
        unserved=True,
    ),
    "metrics": Operation(
        _SERVICE,
        "Give this node's metrics to Prometheus",
        str,
        "# TYPE workorder_node_serving gauge\nworkorder_node_serving 1.0\n",
        bare=True,
        media="text/plain",
    ),
    "openapi": Operation(
        _SERVICE,
        "Give this document",
        dict[str, object],
        {"openapi": "3.1.0"},
        bare=True,
    ),
    "docs": Operation(
        _SERVICE,
        "Show this document as a page",
        str,
        "<!doctype html>…",
        bare=True,
        media="text/html",
    ),
    "console": Operation(
        _SERVICE,
        "Show the operators' console",
        str,
        "<!doctype html>…",
        bare=True,
        media="text/html",
    ),
    "consoleScript": Operation(
        _SERVICE,
        "Give a module of the console",
        str,
        "import { start } from './shell.js';",
        failures=("NOT_FOUND",),
        parameters=(parameters.CONSOLE_SCRIPT,),
        bare=True,
        media="text/javascript",
    ),
    "consolePart": Operation(
        _SERVICE,
        "Give a module in a folder of the console",
        str,
        "export class Poll {}",
        failures=("NOT_FOUND",),
        parameters=(parameters.CONSOLE_FOLDER, parameters.CONSOLE_SCRIPT),
        bare=True,
        media="text/javascript",
    ),
    "consoleStyle": Operation(
        _SERVICE,
        "Give a style sheet of the console",
        str,
        ":root { color-scheme: light dark; }",
        failures=("NOT_FOUND",),
        parameters=(parameters.CONSOLE_STYLE,),
        bare=True,
        media="text/css",
    ),
    "consoleState": Operation(
        _SERVICE,
        "Tell what the console may do here",
        ConsoleState,
        {
            "write": False,
            "tokens": False,
            "access": "operator",
            "service": "work-order-service",
            "version": "0.1.0",
            "node": "node-1",
        },
    ),
    "actors": Operation(
        _ACTORS,
        "List the orders with a live actor",
        ActorPage,
        {"total": 1, "page": 1, "pageSize": 20, "totalPages": 1, "actors": [ROW]},
        "OK.actors",
        failures=("INVALID_ACTOR_QUERY", "INVALID_PAGE"),
        parameters=parameters.ACTORS,
    ),
    "actorStats": Operation(
        _ACTORS, "Give the figures of all actors", ActorStats, STATS, "OK.actor_stats"
    ),
    "hotActors": Operation(
        _ACTORS,
        "Show the deepest, slowest and busiest",
        HotActors,
        {"deepest": [ROW], "slowest": [ROW], "busiest": [ROW]},
        "OK.hot",
        failures=("INVALID_PAGE",),
        parameters=(parameters.COUNT,),
    ),
    "actor": Operation(
        _ACTORS,
        "Show one order's actor, and the order's last updates",
        LiveActor | RestingActor,
        LIVE_ACTOR,
        "OK.actor",
        failures=("INVALID_WORK_ORDER_ID", "WORK_ORDER_NOT_FOUND"),
        parameters=(parameters.ORDER_ID,),
    ),
    "history": Operation(
        _ACTORS,
        "Show what was done and what waited, over the last hour",
        History,
        HISTORY,
        "OK.history",
        failures=("INVALID_PAGE",),
        parameters=(parameters.MINUTES,),
    ),
    "alarms": Operation(
        _NODES,
        "Tell what is wrong now, in plain words",
        Alarms,
        {
            "ok": False,
            "at": AT,
            "alarms": [
                {
                    "code": "STORE_DOWN",
                    "severity": "critical",
                    "sinceS": 12.1,
                    "message": "MongoDB has not answered for 12 s; updates wait; nothing is lost",
                    "advice": "Look at MongoDB and the network to it;"
                    " the service goes on by itself",
                    "workOrderId": None,
                    "show": "node",
                }
            ],
        },
        "OK.alarms",
    ),
    "node": Operation(_NODES, "Show the node that is asked", Node, NODE, "OK.node"),
    "nodes": Operation(
        _NODES,
        "Show the lease's holder, and the nodes that are heard of",
        Nodes,
        {
            "leaseHolder": "node-1",
            "leaseLeftMs": 4200,
            "toldBy": "node-1",
            "nodes": [
                NODE,
                {
                    "node": "node-2",
                    "url": "http://127.0.0.1:3002",
                    "role": "standby",
                    "reason": None,
                },
            ],
            "ownerChanges": CHANGES,
        },
        "OK.nodes",
    ),
    "logLevel": Operation(
        _NODES,
        "Show the level of this node's log",
        LogState,
        LOG_STATE,
        "OK.log_level",
        failures=("NOT_FOUND",),
    ),
    "setLogLevel": Operation(
        _NODES,
        "Change the level of this node's log, until its next start",
        LogState,
        {**LOG_STATE, "level": "debug"},
        "OK.log_level",
        failures=(*JSON_BODY, "INVALID_LOG_LEVEL", "NOT_FOUND"),
        body=Body(LogLevelBody, {"everything": {"level": "debug"}}),
    ),
    "events": Operation(
        _NODES,
        "Send what happens, as it happens: server-sent events without an end",
        str,
        f'event: applied\ndata: {{"workOrderId": "{ORDER}", "afterQuantity": 1}}\n\n',
        parameters=(parameters.LAST_EVENT,),
        bare=True,
        media="text/event-stream",
    ),
    "queueCleanLocks": Operation(
        _NODES,
        "Remove a lease that has no expiry and no live owner",
        CleanedLocks,
        {"cleaned": 0},
        "OK.clean_locks",
        failures=("SERVICE_UNAVAILABLE",),
        extra={"cleaned": 0},
    ),
}
