"""Connections: how many there may be, and how long a request's head may take to arrive."""

from __future__ import annotations

import asyncio
import resource
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

if TYPE_CHECKING:
    import socket

    from aiohttp.web_server import Server

_BACKLOG: Final = 1024
_SPARE_FILES: Final = 512
"""Open files besides connections: those of the database's client, the log and the libraries."""
_BUSY_BODY: Final = (
    b'{"success":false,"message":"too many connections","data":null,"code":"SERVICE_UNAVAILABLE"}'
)
BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json; charset=utf-8\r\n"
    b"Retry-After: 1\r\nX-Refused: connection\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
) % (len(_BUSY_BODY), _BUSY_BODY)
"""The answer to a connection that is not let in; a standby passes it on as not applied."""

_log = structlog.get_logger(__name__)


class ConnectionLimit:
    """Lets connections in, up to a number."""

    def __init__(self, most: int, head_timeout_s: float) -> None:
        self.most = most
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


class GuardedHandler(RequestHandler):
    """aiohttp's own, which would wait for the end of a head as long as for the next request."""

    __slots__ = ("_door", "_entered", "_head_timer")

    def __init__(
        self, server: Server, door: ConnectionLimit, loop: asyncio.AbstractEventLoop
    ) -> None:
        # What aiohttp's server would hand to its own handlers; it has no door for another class.
        super().__init__(server, loop=loop, **server._kwargs)  # noqa: SLF001
        self._door = door
        self._entered = False
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in, or say that there are too many."""
        self._entered = self._door.enter()
        if self._entered:
            super().connection_made(transport)
            return
        self._force_close = True  # takes nothing that comes
        with suppress(OSError, RuntimeError):
            cast("asyncio.Transport", transport).write(BUSY)
        transport.close()

    def data_received(self, data: bytes) -> None:
        """Hand it on, and watch the time from a head's first byte to its last."""
        super().data_received(data)
        if self._messages or self._current_request is not None:
            self._stop_timer()
        elif self._head_timer is None and not self._force_close:
            self._head_timer = self._loop.call_later(self._door.head_timeout_s, self._too_slow)

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
            self._door.leave()
            super().connection_lost(exc)


class GuardedSite(web.SockSite):
    """A listening socket behind a door."""

    def __init__(self, runner: web.BaseRunner, sock: socket.socket, door: ConnectionLimit) -> None:
        super().__init__(runner, sock, backlog=_BACKLOG)
        self._door = door

    async def start(self) -> None:
        """Listen; raises OSError."""
        await web.BaseSite.start(self)
        server = self._runner.server
        if server is None:
            raise RuntimeError("the runner is not set up")
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: GuardedHandler(server, self._door, loop),
            sock=self._sock,
            backlog=self._backlog,
        )


def allow_files(connections: int) -> None:
    """Have the system allow that many connections, as far as it lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if most < wanted:
            _log.warning("too_few_open_files", allowed=most, wanted=wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
