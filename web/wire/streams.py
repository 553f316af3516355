"""Replies without an end: bounded in number, cut off when nobody reads, ended when we stop."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from aiohttp import web

from web.app_context import CONTEXT
from web.wire.problems import Problem, RequestError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_AT_ONCE: Final = 64
_UNREAD_S: Final = 10.0
_RETRY_AFTER_S: Final = 5


class Stream:
    """One reply under way."""

    def __init__(
        self, request: web.Request, response: web.StreamResponse, stopping: asyncio.Event
    ) -> None:
        self.response = response
        self._request = request
        self._stopping = stopping
        self._gone = request.method == "HEAD"  # who asks for no body is not to wait for its end

    async def goes_on(self, pause_s: float) -> bool:
        """Wait a while; tell whether there is still somebody to write to."""
        if not self._gone:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)
        self._gone = self._gone or self._request.transport is None
        return not (self._gone or self._stopping.is_set())

    async def send(self, data: bytes) -> None:
        """Write, unless the reader is gone or takes nothing for too long."""
        if self._gone:
            return
        try:
            async with asyncio.timeout(_UNREAD_S):
                await self.response.write(data)
        except (ConnectionError, TimeoutError):
            self._gone = True
            self.response.force_close()


class Streams:
    """All that are under way."""

    def __init__(self) -> None:
        self._open = 0
        self._stopping = asyncio.Event()

    async def end(self, _app: web.Application) -> None:
        """End them all: the server waits for them when it stops."""
        self._stopping.set()

    @asynccontextmanager
    async def open(self, request: web.Request) -> AsyncIterator[Stream]:
        """Begin a reply of server-sent events; raises `RequestError` when there are too many."""
        if self._open >= _AT_ONCE:
            text = "SERVICE_UNAVAILABLE.streams"
            raise RequestError(Problem("SERVICE_UNAVAILABLE", text, retry_after_s=_RETRY_AFTER_S))
        self._open += 1
        try:
            headers = request.app[CONTEXT].headers.copy()
            headers["Content-Type"] = "text/event-stream; charset=utf-8"
            headers["X-Accel-Buffering"] = "no"  # nginx would hold them back
            response = web.StreamResponse(headers=headers)
            await response.prepare(request)
            yield Stream(request, response, self._stopping)
        finally:
            self._open -= 1


STREAMS: Final = web.AppKey("streams", Streams)
