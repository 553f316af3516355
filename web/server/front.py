"""In front of the application: a path without parts to fill in finds its handler at one look.

Those are what is called all the time, updates before all. The handlers, and what stands around
each, are the application's own; everything else takes the application's way.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiohttp import hdrs, web
from aiohttp.web_urldispatcher import UrlMappingMatchInfo

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from aiohttp.typedefs import Handler
    from aiohttp.web_server import Server

RUNNER_OPTIONS: Final[Mapping[str, Any]] = {
    # The access line is our own.
    "access_log": None,
    # It would unpack on the loop, to any size; `web.wire.bodies` does it.
    "auto_decompress": False,
    # The process's signals are ours too.
    "handle_signals": False,
    # A caller that hangs up must not cancel a commit.
    "handler_cancellation": False,
    # Longer than callers and balancers keep a connection, so that they close it first.
    "keepalive_timeout": 75.0,
    # How long the rest of a refused body is read, so that its sender sees the answer.
    "lingering_time": 1.0,
    "shutdown_timeout": 2.0,
}
"""How aiohttp runs the application; times in seconds."""


class FrontRunner(web.AppRunner):
    """aiohttp's own, with the front before the application."""

    def __init__(self, app: web.Application) -> None:
        super().__init__(app, **RUNNER_OPTIONS)

    async def _make_server(self) -> Server:
        server = await super()._make_server()
        server.request_handler = Front(self.app).handle  # type: ignore[assignment]  # of its requests
        return server


class _Direct(NamedTuple):
    match: UrlMappingMatchInfo
    handler: Handler


class Front:
    """Answers requests of an application, which is complete by now."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._direct = {
            (route.method, route.resource.canonical): _direct(app, route)
            for route in app.router.routes()
            if isinstance(route.resource, web.PlainResource)
        }

    def handle(self, request: web.Request) -> Awaitable[web.StreamResponse]:
        """Answer a request."""
        found = self._direct.get((request.method, request.raw_path))
        if found is None or hdrs.EXPECT in request.headers:
            return self._app._handle(request)  # noqa: SLF001 -- what a server is given
        request._match_info = found.match  # noqa: SLF001 -- what the application would find
        return found.handler(request)


def _direct(app: web.Application, route: web.AbstractRoute) -> _Direct:
    match = UrlMappingMatchInfo({}, route)
    match.add_app(app)
    match.freeze()
    handler = route.handler
    for middleware in reversed(app.middlewares):
        handler = partial(middleware, handler=handler)
    return _Direct(match, handler)
