"""The shards that the orders are cut into: who owns each, what it does, and another number."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from actors.node.status import Role
from actors.telemetry.samples import SAMPLED_EVERY_S
from web.app_context import CALL, CONTEXT
from web.cluster.forward import FORWARDER
from web.cluster.hop import in_time
from web.openapi import parameters
from web.openapi.models.shards import (
    Shard,
    ShardCounts,
    ShardHistories,
    ShardHistory,
    Shards,
    ShardsPlan,
)
from web.route import JSON_BODY, LATE, UNREAD, Body, Route
from web.wire import merging
from web.wire.bodies import read_object
from web.wire.dates import moment_text
from web.wire.queries import parse_minutes
from web.wire.replies import success
from web.wire.schemas import ShardsBody, parse_shards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from actors import engine
    from actors.telemetry.part_samples import PartSample
    from web.cluster.peer import PeerHealth


async def shards(request: web.Request) -> web.Response:
    """List the shards: who owns each, how long its lease lasts, what waits there and is done."""
    node = request.app[CONTEXT].node
    owners = request.app[FORWARDER].owners()
    rows = [_shard(index, *each) for index, each in enumerate(zip(node.parts, owners, strict=True))]
    stored = node.shards
    data: Shards = {
        "count": len(rows),
        "version": stored.version if stored else 0,
        "planned": stored.planned if stored else None,
        "shards": rows,
    }
    return success(request, data, "OK.shards")


def _shard(index: int, part: engine.Part, owner: PeerHealth | None) -> Shard:
    status, counts = part.status(), part.counts()
    left_s = status.lease_ttl_s if status.role is Role.OWNER else None
    told: ShardCounts | None = None
    if counts is not None:
        told = {
            "waiting": counts.waiting,
            "active": counts.active,
            "delayed": counts.delayed,
            "liveActors": counts.live_actors,
            "jobs": counts.jobs,
            "unlogged": counts.unlogged,
            "ratePerSecond": _rate(counts.per_s),
        }
    return {
        "shard": index,
        "node": owner.node if owner else None,
        "epoch": owner.epoch if owner else 0,
        "serving": owner is not None,
        "paused": owner.paused if owner else status.paused,
        "leaseLeftMs": None if left_s is None else round(left_s * 1000),
        "counts": told,
    }


async def shard_history(request: web.Request) -> web.Response:
    """Show the past of each shard: how much was done, what waited, what was not logged yet."""
    since = time.time() - 60 * parse_minutes(request.query)
    parts = request.app[CONTEXT].node.parts
    data: ShardHistories = {
        "everyS": round(SAMPLED_EVERY_S),
        "shards": [_past(index, part.past(since)) for index, part in enumerate(parts)],
    }
    return success(request, data, "OK.shardHistory")


def _past(index: int, found: Sequence[PartSample]) -> ShardHistory:
    return {
        "shard": index,
        "at": [moment_text(each.at) for each in found],
        "ratePerSecond": [_rate(each.per_s) for each in found],
        "waiting": [each.waiting for each in found],
        "unlogged": [each.unlogged for each in found],
    }


def _rate(per_s: float | None) -> float | None:
    return None if per_s is None else round(per_s, 1)


async def reshard(request: web.Request) -> web.Response:
    """Cut the orders into another number of shards, while they are served.

    Answered once it is written down. All nodes then finish what they own, and share out the new
    shards; calls may be told 503 meanwhile.
    """
    count = parse_shards(await read_object(request))
    left = await in_time(request, request.app[CONTEXT].node.reshard(count))
    request[CALL].about |= {"before": left.count, "after": count}
    data: ShardsPlan = {"count": left.count, "version": left.version, "planned": left.planned}
    return success(request, data, "OK.reshard")


ROUTES: Final = (
    Route(
        name="shards",
        method="GET",
        path="/api/shards",
        handler=shards,
        needs="view",
        merge=merging.shards,
        tag="Nodes",
        reply=Shards,
        text="OK.shards",
    ),
    Route(
        name="shardHistory",
        method="GET",
        path="/api/shards/history",
        handler=shard_history,
        needs="view",
        merge=merging.shard_histories,
        tag="Nodes",
        reply=ShardHistories,
        text="OK.shardHistory",
        parameters=(parameters.MINUTES,),
    ),
    Route(
        name="reshard",
        method="POST",
        path="/api/shards",
        audit="reshard",
        handler=reshard,
        tag="Nodes",
        reply=ShardsPlan,
        text="OK.reshard",
        failures=(*JSON_BODY, "INVALID_SHARDS", "SHARDS_FIXED", *UNREAD, *LATE),
        body=Body(ShardsBody, {"four": {"shards": 4}}),
        parameters=(parameters.REASON,),
    ),
)
