"""The endpoints, in the order in which `GET /` shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

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

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from web.admission import Access

__all__ = ["ROUTES", "Route"]


class Route(NamedTuple):
    """One endpoint."""

    name: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    handler: Handler
    needs: Literal["nothing", "actors", "owner", "view", "nodes", "stream"] = "nothing"
    """What a node that lacks it forwards the call for: order actors, or knowledge of them.

    A view is best had from the owner; where none is known, the store's is shown. What is said of
    nodes is this one's own view where the owner can't be asked. A stream has no end.
    """

    @property
    def access(self) -> Access:
        """Whose token it needs, where tokens are asked for: all that changes more than an order."""
        if self.name in _OPEN:
            return "open"
        return "caller" if self.method == "GET" or self.needs == "actors" else "operator"


_API: Final = "/api/workorder"
_PROBES: Final = frozenset({"health", "live", "ready"})
# A browser shows no token when it opens a page, and these hold no secret.
_PAGES: Final = frozenset(
    {"openapi", "docs", "console", "consoleScript", "consoleStyle", "consoleState"}
)
_OPEN: Final = _PROBES | _PAGES

ROUTES: Final = (
    Route("service", "GET", "/", service.index),
    Route("health", "GET", "/health", service.health),
    Route("live", "GET", "/livez", service.livez),
    Route("ready", "GET", "/readyz", service.readyz),
    Route("openapi", "GET", "/openapi.json", documents.openapi),
    Route("docs", "GET", "/docs", documents.docs),
    Route("console", "GET", "/console", console.page),
    Route("consoleScript", "GET", "/console/{name}.js", console.script),
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
