"""Read the JSON body, answer a constant of the size of the service's reply.

What no service on aiohttp and this machine can exceed.
"""

from __future__ import annotations

import argparse
from functools import lru_cache
from typing import TYPE_CHECKING

import orjson
import uvloop
from aiohttp import web

from scripts.bench import serve
from scripts.bench.calls import BATCH_PATH, DETAIL_PATH, LOGS_PATH, PATH

if TYPE_CHECKING:
    from collections.abc import Sequence

_REPLY = orjson.dumps(
    {
        "success": True,
        "message": "工单数量更新成功",
        "data": {
            "success": True,
            "jobId": "be0c00000000000000000000-00000000000000000000000000000000",
            "workOrderId": "be0c00000000000000000000",
            "type": "input",
            "quantity": 1,
            "queueLength": 0,
            "activeJobs": 256,
            "estimatedDelay": 0,
            "beforeQuantity": 1000,
            "afterQuantity": 1001,
            "beforeStatus": "IN_PROGRESS",
            "afterStatus": "IN_PROGRESS",
            "beforeProgress": 10,
            "afterProgress": 10,
            "seq": 1001,
            "replayed": False,
        },
        "code": "UPDATED",
    }
)


async def _update(request: web.Request) -> web.Response:
    await request.json(loads=orjson.loads)
    return web.Response(body=_REPLY, content_type="application/json")


async def _batch(request: web.Request) -> web.Response:
    updates = (await request.json(loads=orjson.loads))["updates"]
    return web.Response(body=_batch_reply(len(updates)), content_type="application/json")


@lru_cache
def _batch_reply(count: int) -> bytes:
    one = orjson.loads(_REPLY)
    return orjson.dumps(one | {"data": {"results": [one | {"index": at} for at in range(count)]}})


async def _read(_request: web.Request) -> web.Response:
    return web.Response(body=_REPLY, content_type="application/json")


def application() -> web.Application:
    """Build the application."""
    app = web.Application()
    app.router.add_post(PATH, _update)
    app.router.add_post(BATCH_PATH, _batch)
    app.router.add_get(DETAIL_PATH + "{id}", _read)
    app.router.add_get(LOGS_PATH + "{id}", _read)
    return app


def main(argv: Sequence[str]) -> int:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench empty_handler", description=__doc__
    )
    serve.add_arguments(parser)
    uvloop.run(serve.serve(application(), parser.parse_args(argv)))
    return 0
