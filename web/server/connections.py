"""Connections: how many there may be, and how long a request's head may take to arrive."""

from __future__ import annotations

import asyncio
import resource
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

import structlog
from aiohttp import web

from web.server.half_closed import PatientHandler

if TYPE_CHECKING:
    import socket

    from aiohttp.web_request import BaseRequest
    from aiohttp.web_server import Server

    from web.server.refusals import Refusals

_BACKLOG: Final = 1024
_SPARE_FILES: Final = 512
"""Open files besides connections: those of the database's client, the log and the libraries."""
_FEWEST: Final = 10

_log = structlog.get_logger(__name__)


class ConnectionLimit:
    """Lets connections in, up to a number."""

    def __init__(self, most: int, head_timeout_s: float, refusals: Refusals) -> None:
        self.most = most
        self.refusals = refusals
        self.head_timeout_s = head_timeout_s
        self.inside = 0
        self._told = False

    def enter(self) -> bool:
        """Take one in; False when there are too many."""
        if self.inside >= self.most:
            if not self._told:
                self._told = True
                _log.warning("connections_refused", most=self.most)
            return False
        self.inside += 1
        return True

    def leave(self) -> None:
        """Let one out."""
        self.inside -= 1
        if self.inside < self.most // 2:
            self._told = False


class GuardedHandler(PatientHandler):
    """aiohttp's own, which would wait for the end of a head as long as for the next request."""

    __slots__ = ("_entered", "_head_timer", "_limit")

    def __init__(
        self, server: Server, limit: ConnectionLimit, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(server, loop)
        self._limit = limit
        self._entered = False
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in, or say that there are too many."""
        self._entered = self._limit.enter()
        if self._entered:
            super().connection_made(transport)
            return
        self._force_close = True  # takes nothing that comes
        with suppress(OSError, RuntimeError):
            cast("asyncio.Transport", transport).write(self._limit.refusals.busy())
        transport.close()

    def data_received(self, data: bytes) -> None:
        """Hand it on, and watch the time from a head's first byte to its last."""
        super().data_received(data)
        if self._messages or self._current_request is not None:
            self._stop_timer()
        elif self._head_timer is None and not self._force_close:
            self._head_timer = self._loop.call_later(self._limit.head_timeout_s, self._too_slow)

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 holds what was sent, a token perhaps
    ) -> web.StreamResponse:
        """Answer what was no request, or what failed outside of the middleware.

        Raises ConnectionError, which closes the connection, when there is nobody to answer to.
        """
        if self.transport is None:
            raise ConnectionError("the caller is gone")
        if request.writer.output_size > 0:
            raise ConnectionError("a part of another reply was sent already")
        return self._limit.refusals.unreadable(request, status, exc)

    async def finish_response(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send a reply; one that aiohttp made itself, in our form."""
        if isinstance(resp, web.HTTPException):
            resp = self._limit.refusals.unmet(request, resp)
        return await super().finish_response(request, resp, start_time)

    def _too_slow(self) -> None:
        self._head_timer = None
        if not self._messages and self._current_request is None:
            self.force_close()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let it out."""
        self._stop_timer()
        if self._entered:
            self._entered = False
            self._limit.leave()
            super().connection_lost(exc)


class GuardedSite(web.SockSite):
    """A listening socket behind a door."""

    def __init__(self, runner: web.BaseRunner, sock: socket.socket, limit: ConnectionLimit) -> None:
        super().__init__(runner, sock, backlog=_BACKLOG)
        self._limit = limit

    async def start(self) -> None:
        """Listen; raises OSError."""
        await web.BaseSite.start(self)
        server = self._runner.server
        if server is None:
            raise RuntimeError("the runner is not set up")
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: GuardedHandler(server, self._limit, loop),
            sock=self._sock,
            backlog=self._backlog,
        )


def allow_files(connections: int) -> int:
    """Have the system allow that many connections; return how many there may be as it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _SPARE_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    files = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    if files < wanted:
        # At least half of a small number, as the other files are fewer than the spare ones then.
        connections = max(files - _SPARE_FILES, files // 2, _FEWEST)
        _log.warning("too_few_open_files", allowed=files, wanted=wanted, connections=connections)
    return connections
