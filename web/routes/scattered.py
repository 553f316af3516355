"""A batch whose items are of several shards: each owner is sent its own, and the caller one reply.

One order's items stay together and in their order. What an owner does not answer fails alone.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, cast

from actors.errors import WorkOrderError
from web.app_context import CALL, CONTEXT
from web.cluster.forward import Part
from web.cluster.hop import FORWARDED_BY, refuse_if_misled
from web.cluster.shards import body_of
from web.routes.batches import ITEM_NUMBERS, batch_reply, failed_item
from web.wire.bodies import read_batch
from web.wire.problems import RequestError, problem_of
from web.wire.replies import failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web
    from aiohttp.typedefs import Handler

    from web.cluster.peer import PeerWatch
    from web.cluster.shards import ShardedCalls
    from web.wire.batches import Batch

_HTTP_OK = 200


def scattered(here: Handler, calls: ShardedCalls, batch: Batch) -> Handler:
    """Wrap the handler of a kind of batches."""

    async def handle(request: web.Request) -> web.StreamResponse:
        refuse_if_misled(request)
        if FORWARDED_BY in request.headers:
            return await here(request)
        if not calls.any_elsewhere:
            return await here(request)
        body = await read_batch(request)
        items = body.get(batch.items)
        if not isinstance(items, list) or len(items) > request.app[CONTEXT].options.max_batch:
            return await here(request)  # which says what is wrong with it
        groups = _by_owner(items, calls)
        if list(groups) in ([], [""]):
            return await here(request)
        parts = [
            _answer(
                request,
                here,
                calls,
                watch,
                _body_of(body, batch, items, numbers),
            )
            for watch, numbers in groups.values()
        ]
        replies = await asyncio.gather(*parts)
        refused = [reply for reply in replies if reply.status != _HTTP_OK]
        if len(refused) == len(replies):
            return refused[0]
        numbers = (some for _, some in groups.values())
        return _merged(request, batch, items, list(zip(numbers, replies, strict=True)))

    return handle


def _by_owner(
    items: Sequence[object], calls: ShardedCalls
) -> dict[str, tuple[PeerWatch | None, list[int]]]:
    """Group the numbers of items by the node that owns their orders; "" is this one."""
    groups: dict[str, tuple[PeerWatch | None, list[int]]] = {}
    for number, item in enumerate(items):
        shard = calls.named(item.get("workOrderId")) if isinstance(item, dict) else None
        watch = None if shard is None else calls.elsewhere(shard)
        peer = watch.peer() if watch is not None else None
        name = "" if watch is None else peer.holder.node if peer is not None else "?"
        groups.setdefault(name, (watch, []))[1].append(number)
    return groups


def _body_of(
    whole: dict[str, object], batch: Batch, items: Sequence[object], numbers: Sequence[int]
) -> bytes:
    """Return the body of a part; whatever was read can be read there as well."""
    part = {batch.items: [items[number] for number in numbers], ITEM_NUMBERS: numbers}
    return json.dumps({**whole, **part}).encode()


async def _answer(
    request: web.Request, here: Handler, calls: ShardedCalls, watch: PeerWatch | None, body: bytes
) -> web.Response:
    try:
        if watch is not None:
            return await calls.hand_on(request, watch, Part(body))
        request[CALL].part = body
        return cast("web.Response", await here(request))  # a batch is no stream
    except RequestError as error:
        problem = error.problem
    except WorkOrderError as error:
        problem = problem_of(error)
    return failure(request.app[CONTEXT], request[CALL].language, problem)


def _merged(
    request: web.Request,
    batch: Batch,
    items: Sequence[object],
    parts: Sequence[tuple[Sequence[int], web.Response]],
) -> web.Response:
    results: dict[int, dict[str, Any]] = {}
    for numbers, reply in parts:
        body = body_of(reply)
        if reply.status == _HTTP_OK:
            rows = body["data"]["results"]
        else:
            rows = [_failed(items[number], batch, body, reply) for number in numbers]
        for number, row in zip(numbers, rows, strict=True):
            results[number] = {**row, "index": number}
    return batch_reply(request, batch, [results[number] for number in range(len(items))])


def _failed(
    item: object, batch: Batch, body: dict[str, Any], reply: web.Response
) -> dict[str, Any]:
    """Return the row of an item whose owner refused the whole part, or did not answer."""
    after = reply.headers.get("Retry-After", "")
    again_s = int(after) if after.isdigit() else None
    return failed_item(
        item, batch, (body["code"], body["message"], reply.status, again_s), body["data"]
    )
