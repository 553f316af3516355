"""Answer callers that close their side of a connection as soon as they have asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp.web_protocol import RequestHandler

if TYPE_CHECKING:
    import asyncio

    from aiohttp import web
    from aiohttp.streams import StreamReader
    from aiohttp.web_request import BaseRequest
    from aiohttp.web_server import Server


class PatientHandler(RequestHandler):
    """aiohttp's own, which would take the end of what is sent for the end of the connection."""

    __slots__ = ("_answered", "_half_closed", "_last_body")

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        # What aiohttp's server would hand to its own handlers; it has no door for another class.
        super().__init__(server, loop=loop, **server._kwargs)  # noqa: SLF001
        self._answered = 0
        self._half_closed = False
        self._last_body: StreamReader | None = None

    def data_received(self, data: bytes) -> None:
        """Hand it on, and remember the body that may still be on its way."""
        super().data_received(data)
        if self._messages:
            self._last_body = self._messages[-1][1]

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it
        """Keep the connection if all was asked and not all was answered."""
        asked_all = self._last_body is not None and self._last_body.is_eof()
        self._half_closed = asked_all and self._answered < self._request_count
        return self._half_closed

    async def finish_response(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send a reply, and close the connection behind the last that was asked for."""
        if self._half_closed and self._answered == self._request_count - 1:
            resp.force_close()
        sent = await super().finish_response(request, resp, start_time)
        self._answered += 1
        if self._half_closed and self._answered == self._request_count:
            self.close()
        return sent
