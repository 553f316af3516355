"""What Prometheus reads: of this node alone, as each node is asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import web
from prometheus_client import generate_latest

from actors.domain.job import JobState
from actors.errors import NotOwner, StoreUnavailable
from actors.operators.job_admin import LATEST_DEAD_LETTER
from web.app_context import CONTEXT
from web.observe.metrics import METRICS
from web.route import Route

if TYPE_CHECKING:
    from actors.engine import Engine

_STORE_S: Final = 1.0


async def metrics(request: web.Request) -> web.Response:
    """Return all metrics in Prometheus' text format."""
    found, node = request.app[METRICS], request.app[CONTEXT].node
    try:
        found.node.summary = await node.inspector().summary()
        found.node.failed_jobs, found.node.dead_letters = await _failed_jobs(node)
    except NotOwner:
        found.node.summary = found.node.failed_jobs = found.node.dead_letters = None
    headers = request.app[CONTEXT].headers.copy()
    headers["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8"
    return web.Response(body=generate_latest(found.registry), headers=headers)


async def _failed_jobs(node: Engine) -> tuple[int, int] | tuple[None, None]:
    """Count the failed jobs, and the dead letters among them."""
    try:
        async with asyncio.timeout(_STORE_S):
            total, _ = await node.jobs.page(JobState.FAILED.value, None, 1, 1)
            return total, (await node.store.inbox.page(LATEST_DEAD_LETTER)).total
    except (StoreUnavailable, TimeoutError):
        return None, None


ROUTES: Final = (
    Route(
        name="metrics",
        method="GET",
        path="/metrics",
        handler=metrics,
        tag="Service",
        reply=str,
        bare=True,
        media="text/plain",
        example="# TYPE workorder_node_serving gauge\nworkorder_node_serving 1.0\n",
    ),
)
