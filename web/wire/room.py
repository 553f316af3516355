"""Memory for large replies: bounded for all together, until they are read."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aiohttp import web

from web.app_context import CONTEXT
from web.wire.pace import LARGE, ReplyPace
from web.wire.problems import Problem, RequestError
from web.wire.queries import MAX_PAGE_BYTES

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from web.wire.cuts import Cuts

_STALLED_S: Final = 2.0
_LOOKS_S: Final = 0.25
_RETRY_AFTER_S: Final = 1


class _Claim:
    """What one reply takes, and how its reader gets on."""

    __slots__ = ("left", "request", "sent", "since", "size")

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.size = MAX_PAGE_BYTES
        self.sent = False
        self.left: int | None = None
        """Bytes not taken when somebody else last looked, at `since` (loop time)."""
        self.since = 0.0

    def stalled_s(self, now: float) -> float:
        """Return for how long its reader has taken next to nothing, as far as was looked."""
        transport = self.request.transport
        if transport is None or not self.sent:
            return 0.0  # gone already, or still being made
        left = transport.get_write_buffer_size()
        if self.left is None or self.left - left >= LARGE:
            self.left, self.since = left, now
        return now - self.since


_CLAIM: Final = web.RequestKey("claim", _Claim)


class ReplyRoom:
    """Room for large replies, `most_bytes` in all.

    Each takes the most that it may have before it is made, and what it has until it is read. While
    others wait, who takes nothing of his is cut off, the one that has stalled longest first.
    """

    def __init__(self, most_bytes: int, cuts: Cuts) -> None:
        self._most = max(most_bytes, MAX_PAGE_BYTES)
        self._cuts = cuts
        self.pace = ReplyPace()
        """Of all large replies, those that need no room as well."""
        self._claims: set[_Claim] = set()
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    @property
    def busy(self) -> bool:
        """Whether any reply takes room."""
        return bool(self._claims)

    @property
    def held(self) -> int:
        """Bytes that are taken now."""
        return sum(each.size for each in self._claims)

    def bound(self, handler: Handler) -> Handler:
        """Wrap a handler whose reply may be large."""

        async def handle(request: web.Request) -> web.StreamResponse:
            claim = await self._take(request)
            try:
                return await handler(request)
            except BaseException:
                self._leave(claim)
                raise

        return handle

    async def _take(self, request: web.Request) -> _Claim:
        """Wait for room; raises `RequestError` when there is none in a call's time."""
        try:
            async with (
                asyncio.timeout(request.app[CONTEXT].options.request_timeout_s),
                self._turn,
            ):
                while self.held + MAX_PAGE_BYTES > self._most:
                    self._cut_stalled()
                    self._freed.clear()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._freed.wait(), _LOOKS_S)
                claim = request[_CLAIM] = _Claim(request)
                self._claims.add(claim)
                return claim
        except TimeoutError:
            text = "SERVICE_UNAVAILABLE.replies"
            raise RequestError(
                Problem("SERVICE_UNAVAILABLE", text, retry_after_s=_RETRY_AFTER_S)
            ) from None

    def _cut_stalled(self) -> None:
        now = asyncio.get_running_loop().time()
        slowest = max(self._claims, key=lambda claim: claim.stalled_s(now))
        transport = slowest.request.transport
        if slowest.stalled_s(now) >= _STALLED_S and transport is not None:
            self._cuts.note("room", slowest.request.remote)
            transport.abort()
            self._leave(slowest)

    def _leave(self, claim: _Claim) -> None:
        self._claims.discard(claim)
        self._freed.set()

    async def send(self, request: web.Request, response: web.StreamResponse) -> None:
        """Send a reply that took room, all but the last that the system has to take."""
        claim = request.get(_CLAIM)
        if claim is None or claim not in self._claims:
            return
        try:
            body = response.body if isinstance(response, web.Response) else None
            if not isinstance(response, web.Response) or not isinstance(body, bytes):
                return
            claim.size = len(body)
            self._freed.set()
            await self.pace.wait(claim.size)
            claim.sent = True
            if claim.size >= LARGE:
                await response.prepare(request)
                await response.write_eof()
                # The server keeps the last reply of a connection until the next request.
                response.body = None
        except ConnectionError:
            pass  # the server finds out as well
        finally:
            self._leave(claim)


ROOM: Final = web.AppKey("room", ReplyRoom)
