"""Connections: which are let in, and how long a head may take to come, a reply to be read."""

from __future__ import annotations

import asyncio
import resource
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast

import structlog
from aiohttp import web
from aiohttp.http import RawRequestMessage

from web.server.half_closed import PatientHandler
from web.server.places import Entry, Places
from web.server.unread import UnreadWatch

if TYPE_CHECKING:
    import socket

    from aiohttp.web_request import BaseRequest
    from aiohttp.web_server import Server

    from web.server.refusals import Refusals
    from web.wire.cuts import Cuts, Reason
    from web.wire.pace import ReplyPace

_BACKLOG: Final = 1024
_SPARE_FILES: Final = 512
"""Open files besides connections: those of the database's client, the log and the libraries."""
_FEWEST: Final = 10
_UNSENT: Final = 16_384
"""Bytes of a reply that may wait to be sent while the next request is answered."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What all connections of one server share; times in seconds."""

    places: Places
    head_timeout_s: float
    unread_timeout_s: float
    refusals: Refusals
    cuts: Cuts
    pace: ReplyPace


class GuardedHandler(PatientHandler):
    """aiohttp's own, which waits for ever for heads to end and for replies to be read."""

    __slots__ = ("_entered", "_head_timer", "_limits", "_newcomer", "_resting", "_unread")

    def __init__(self, server: Server, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(server, loop)
        self._limits = limits
        self._entered = False
        self._newcomer: asyncio.Transport | None = None
        """While nothing came on it: most that say nothing at once never do."""
        self._resting = True
        """Whether there is no request that is not answered."""
        self._head_timer: asyncio.TimerHandle | None = None
        self._unread = UnreadWatch(
            loop, limits.unread_timeout_s, self._unsent, partial(self.cut, "unread")
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in, or say that there are too many."""
        here = cast("asyncio.Transport", transport)
        match self._limits.places.enter(self):
            case Entry.SEATED:
                self._settle_in(here)
            case Entry.WAITING:
                self._newcomer = here
                self._wait_for_head()
            case Entry.REFUSED:
                self._force_close = True  # takes nothing that comes
                self._refuse(here)

    def _settle_in(self, transport: asyncio.Transport) -> None:
        transport.set_write_buffer_limits(high=_UNSENT)
        self._entered = True
        super().connection_made(transport)

    # -- requests ----------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Hand it on, and watch the time from a head's first byte to its last."""
        if self._newcomer is not None:
            self._settle_in(self._newcomer)
            self._newcomer = None
        super().data_received(data)
        if not self._resting or self._force_close:
            return
        if self._messages:
            self._resting = False
            self._stop_head_timer()
            message = self._messages[0][0]
            asked = message if isinstance(message, RawRequestMessage) else None
            if not self._limits.places.begin(self, asked):
                self._request_handler = self._answer_busy
        elif self._head_timer is None and (self._waiter is not None or not self._request_count):
            # Else it is the rest of a body that its request's handler did not read.
            self._wait_for_head()

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 -- aiohttp's
        """Go on; aiohttp asks twice a body, in vain where it is not paused and the body is whole.

        Of one that is not, the parser may have stopped on its own: at the many chunks before it.
        """
        request = self._current_request
        is_whole = request is not None and request.content.is_eof()
        if self._reading_paused or (resume_parser and not is_whole):
            super().resume_reading(resume_parser)

    def _wait_for_head(self) -> None:
        self._head_timer = self._loop.call_later(self._limits.head_timeout_s, self.cut, "slow")

    async def _answer_busy(self, request: BaseRequest) -> web.StreamResponse:
        self._limits.cuts.note("full", request.remote)
        return self._limits.refusals.too_many()

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
        return self._limits.refusals.unreadable(request, status, exc)

    async def finish_response(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send a reply; one that aiohttp made itself, in our form."""
        if resp.status != HTTPStatus.OK and isinstance(resp, web.HTTPException):
            resp = self._limits.refusals.unmet(request, resp)
        if not self._limits.places.may_stay(self):
            resp.force_close()
        if not resp.prepared:
            await self._limits.pace.wait(resp.content_length or 0)
        sent = await super().finish_response(request, resp, start_time)
        # Both are kept until the next request: what a connection that idles must not hold.
        request._read_bytes = None  # noqa: SLF001
        if not self._messages:
            self._resting = True
            self._limits.places.rest(self)
        return sent

    # -- replies that nobody reads -----------------------------------------------------------

    def pause_writing(self) -> None:
        """Watch whether its peer takes anything, as not all of a reply could be sent."""
        super().pause_writing()
        self._unread.begin()

    def resume_writing(self) -> None:
        """Go on, as nearly all was taken."""
        super().resume_writing()
        self._unread.end()

    def _unsent(self) -> int:
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    # -- the end -----------------------------------------------------------------------------

    def cut(self, reason: Reason) -> None:
        """Close it at once, whatever is still to be sent."""
        transport = self._newcomer or self.transport
        if transport is not None:
            self._note(reason, transport)
            self.force_close()
            transport.abort()

    def turn_away(self) -> None:
        """Close it, saying that there is no place."""
        transport = self._newcomer or self.transport
        if transport is not None:
            self._newcomer = None
            self._refuse(transport)
            self.force_close()

    def _refuse(self, transport: asyncio.Transport) -> None:
        self._note("full", transport)
        with suppress(OSError, RuntimeError):
            transport.write(self._limits.refusals.busy())
        transport.close()

    def _note(self, reason: Reason, transport: asyncio.Transport) -> None:
        peer = transport.get_extra_info("peername")
        self._limits.cuts.note(reason, peer[0] if peer else None)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let it out."""
        self._stop_head_timer()
        self._unread.end()
        self._limits.places.leave(self)
        if self._entered:
            super().connection_lost(exc)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class GuardedSite(web.SockSite):
    """A listening socket behind a door."""

    def __init__(self, runner: web.BaseRunner, sock: socket.socket, limits: Limits) -> None:
        super().__init__(runner, sock, backlog=_BACKLOG)
        self._limits = limits

    async def start(self) -> None:
        """Listen; raises OSError."""
        await web.BaseSite.start(self)
        server = self._runner.server
        if server is None:
            raise RuntimeError("the runner is not set up")
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: GuardedHandler(server, self._limits, loop),
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
