"""Who owns the actors: this node, its neighbours, and those before them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from web.app_context import CONTEXT
from web.cluster.fleet import FLEET, Seen
from web.cluster.neighbours import NEIGHBOURS
from web.observe.loop_monitor import LOOP_MONITOR
from web.openapi.models.operators import Node, Nodes
from web.route import Route
from web.wire.replies import success

if TYPE_CHECKING:
    from aiohttp import web

    from actors.node.status import Dependency, OwnershipHistory
    from web.cluster import neighbours as cluster
    from web.openapi.models.operators import Neighbour, NodeDependency, OwnerChange


async def node(request: web.Request) -> web.Response:
    """Show this node."""
    return success(request, _of(request), "OK.node")


async def nodes(request: web.Request) -> web.Response:
    """Show the holder of the lease, and the nodes that are heard of."""
    mine = _of(request)
    others = [_neighbour(each) for each in request.app[NEIGHBOURS].present()]
    fleet = request.app[FLEET].state()
    others += [_gone(each) for each in fleet.gone] if fleet else []
    engine = request.app[CONTEXT].node
    status = engine.status()
    known = {each["node"] for each in others} | {mine["node"]}
    # Where the leases are of processes that are no nodes, their holders are none that is missing.
    told = None if engine.roster is not None else status.lease_holder
    if told is not None and told not in known:
        others.append(_gone(Seen(told, mine["ownerUrl"] or "", None, None), "not heard of"))
    data: Nodes = {
        "leaseHolder": mine["leaseHolder"],
        "leaseLeftMs": mine["leaseLeftMs"],
        "toldBy": mine["node"],
        "nodes": [mine, *others],
        "ownerChanges": mine["ownerChanges"],
        "expected": fleet.expected if fleet else None,
    }
    return success(request, data, "OK.nodes")


def _of(request: web.Request) -> Node:
    context = request.app[CONTEXT]
    status, ownership = context.node.status(), context.node.ownership()
    elsewhere = context.node.owner_elsewhere()
    monitor = request.app[LOOP_MONITOR]
    left_s = status.lease_ttl_s
    return {
        "node": status.node,
        "url": status.url,
        "version": context.options.version,
        "role": status.role,
        "epoch": status.epoch,
        "serving": status.serving,
        "reason": status.reason,
        "paused": status.paused,
        "leaseHolder": status.lease_holder,
        "leaseLeftMs": None if left_s is None else round(left_s * 1000),
        "ownerUrl": elsewhere.url if elsewhere else status.url if status.epoch else None,
        "takenOver": ownership.taken_over,
        "steppedDown": ownership.stepped_down,
        "ownerChanges": _changes(ownership),
        "upS": round(monitor.up_s),
        "loopLagMs": round(monitor.worst_s() * 1000, 1),
        "store": _dependency(status.store),
        "lease": _dependency(status.lease),
    }


def _changes(ownership: OwnershipHistory) -> list[OwnerChange]:
    return [
        {"node": each.node, "url": each.url, "epoch": each.epoch, "since": each.since}
        for each in reversed(ownership.seen)
    ]


def _dependency(each: Dependency) -> NodeDependency:
    return {
        "name": each.name,
        "ok": each.ok,
        "detail": each.detail,
        "sinceS": round(each.since_s, 1),
        "failures": each.failures,
    }


def _neighbour(each: cluster.Neighbour) -> Neighbour:
    return {
        "node": each.node,
        "url": each.url,
        "role": each.role,
        "reason": each.reason or None,
        "version": each.version,
        "upS": None if each.up_s is None else round(each.up_s),
        "loopLagMs": each.lag_ms,
        "storeOk": each.store_ok,
        "leaseOk": each.lease_ok,
        "lastHeard": datetime.now(UTC) - timedelta(seconds=time.monotonic() - each.heard_at),
    }


def _gone(each: Seen, reason: str | None = None) -> Neighbour:
    return {
        "node": each.node,
        "url": each.url or None,
        "role": None,
        "reason": reason,
        "version": each.version,
        "upS": None,
        "loopLagMs": None,
        "storeOk": None,
        "leaseOk": None,
        "lastHeard": each.heard,
    }


ROUTES: Final = (
    Route(
        name="node",
        method="GET",
        path="/api/node",
        handler=node,
        tag="Nodes",
        reply=Node,
        text="OK.node",
    ),
    Route(
        name="nodes",
        method="GET",
        path="/api/nodes",
        handler=nodes,
        needs="nodes",
        tag="Nodes",
        reply=Nodes,
        text="OK.nodes",
    ),
)
