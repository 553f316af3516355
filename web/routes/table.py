"""The endpoints, in the order in which `GET /` shows them."""

from __future__ import annotations

from typing import Final

from web.route import Route
from web.routes import (
    actors,
    alarms,
    console,
    documents,
    events,
    history,
    log_level,
    metrics,
    nodes,
    orders,
    queue,
    queue_jobs,
    service,
    updates,
)

__all__ = ["ROUTES"]


_API: Final = "/api/workorder"

ROUTES: Final = (
    Route("service", "GET", "/", service.index),
    Route("health", "GET", "/health", service.health),
    Route("live", "GET", "/livez", service.livez),
    Route("ready", "GET", "/readyz", service.readyz),
    Route("openapi", "GET", "/openapi.json", documents.openapi),
    Route("docs", "GET", "/docs", documents.docs),
    Route("console", "GET", "/console", console.page),
    Route("consoleScript", "GET", "/console/{name}.js", console.script),
    Route("consolePart", "GET", "/console/{folder}/{name}.js", console.script),
    Route("consoleStyle", "GET", "/console/{name}.css", console.style),
    Route("consoleState", "GET", "/api/console", console.state),
    Route("updateQuantity", "POST", f"{_API}/update-quantity", updates.update_quantity, "actors"),
    Route(
        "batchUpdateQuantity",
        "POST",
        f"{_API}/batch-update-quantity",
        updates.batch_update_quantity,
        "actors",
    ),
    Route("detail", "GET", f"{_API}/detail/{{id}}", orders.detail),
    Route("searchOrders", "GET", f"{_API}/search", orders.search, "view"),
    Route("quantityLogs", "GET", f"{_API}/quantity-logs/{{id}}", orders.quantity_logs),
    Route("queueStats", "GET", f"{_API}/queue/stats", queue.stats, "owner"),
    Route("queueLocks", "GET", f"{_API}/queue/locks", queue.locks, "owner"),
    Route("queueClean", "POST", f"{_API}/queue/clean", queue.clean, "owner"),
    Route("queuePause", "POST", f"{_API}/queue/pause", queue.pause, "owner"),
    Route("queueResume", "POST", f"{_API}/queue/resume", queue.resume, "owner"),
    Route("queueJobs", "GET", f"{_API}/queue/jobs", queue_jobs.jobs, "view"),
    Route("queueJob", "GET", f"{_API}/queue/jobs/{{id}}", queue_jobs.job, "view"),
    Route("retryJob", "POST", f"{_API}/queue/jobs/{{id}}/retry", queue_jobs.retry, "owner"),
    Route("removeJob", "DELETE", f"{_API}/queue/jobs/{{id}}", queue_jobs.remove, "owner"),
    Route("retryFailed", "POST", f"{_API}/queue/retry-failed", queue_jobs.retry_failed, "owner"),
    Route("pauseOrder", "POST", f"{_API}/{{id}}/pause", queue_jobs.pause_order, "owner"),
    Route("resumeOrder", "POST", f"{_API}/{{id}}/resume", queue_jobs.resume_order, "owner"),
    Route("metrics", "GET", "/metrics", metrics.metrics),
    Route("actors", "GET", "/api/actors", actors.actors, "owner"),
    Route("actorStats", "GET", "/api/actors/stats", actors.stats, "owner"),
    Route("hotActors", "GET", "/api/actors/hot", actors.hot, "owner"),
    Route("actor", "GET", "/api/actors/{id}", actors.actor, "owner"),
    Route("history", "GET", "/api/history", history.history, "owner"),
    Route("alarms", "GET", "/api/alarms", alarms.alarms, "nodes"),
    Route("node", "GET", "/api/node", nodes.node),
    Route("nodes", "GET", "/api/nodes", nodes.nodes, "nodes"),
    Route("events", "GET", "/api/events", events.events, "stream"),
    Route("logLevel", "GET", "/api/log-level", log_level.show),
    Route("setLogLevel", "PUT", "/api/log-level", log_level.change),
    # On every node: a lease that is stuck is one whose owner can't be asked.
    Route("queueCleanLocks", "POST", f"{_API}/queue/clean-locks", queue.clean_locks),
)
