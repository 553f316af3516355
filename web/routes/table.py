"""The endpoints, in the order in which `GET /` shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from web.routes import (
    actors,
    alarms,
    audit,
    console,
    documents,
    events,
    guards,
    history,
    log_level,
    metrics,
    nodes,
    operations,
    orders,
    paused,
    queue,
    queue_jobs,
    service,
    shards,
    statistics,
    updates,
)

if TYPE_CHECKING:
    from web.route import Route

ROUTES: Final[tuple[Route, ...]] = (
    *service.ROUTES,
    *documents.ROUTES,
    *console.ROUTES,
    *updates.ROUTES,
    *orders.ROUTES,
    *paused.ROUTES,
    *operations.ROUTES,
    *queue.ROUTES,
    *queue_jobs.ROUTES,
    *metrics.ROUTES,
    *actors.ROUTES,
    *guards.ROUTES,
    *history.ROUTES,
    *statistics.ROUTES,
    *alarms.ROUTES,
    *audit.ROUTES,
    *nodes.ROUTES,
    *shards.ROUTES,
    *events.ROUTES,
    *log_level.ROUTES,
)
