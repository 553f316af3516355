"""Answers to what never reaches a handler: in the form of all others, quoting nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from web.app_context import Language
from web.cluster.hop import REFUSED
from web.wire.problems import SYSTEM_ERROR, Problem
from web.wire.replies import failure, new_request_id

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.web_request import BaseRequest

    from web.app_context import AppContext

_REQUEST_ID: Final = "X-Request-Id"
_UNREADABLE: Final = Problem("INVALID_REQUEST", "INVALID_REQUEST", close=True)
_UNMET: Final = Problem(
    "INVALID_HEADER", "INVALID_HEADER", {"field": "Expect"}, {"field": "Expect"}, close=True
)
_BUSY: Final = Problem("SERVICE_UNAVAILABLE", "SERVICE_UNAVAILABLE.connections", retry_after_s=1)
_FAILED: Final = Problem(SYSTEM_ERROR.code, SYSTEM_ERROR.text, close=True)
_BAD_REQUEST: Final = 400

_log = structlog.get_logger(__name__)


class Refusals:
    """Makes them; in Chinese, as no header that chooses a language was read."""

    def __init__(self, context: AppContext) -> None:
        self._context = context
        self._whole = b""

    def unreadable(
        self, request: BaseRequest, status: int, error: BaseException | None
    ) -> web.Response:
        """Answer what could not be parsed; any other `status` is an error of ours."""
        if isinstance(error, UnicodeError) and "Expect" in request.headers:
            # aiohttp quotes an expectation that it can't meet, and could not encode it.
            return self.unmet(request, error)
        if status == _BAD_REQUEST:
            # The error's text quotes the line, and the line may hold a token.
            return self._logged(request, _UNREADABLE, type(error).__name__)
        _log.error("request_failed", exc_info=error)
        return self._reply(_FAILED, new_request_id())

    def unmet(self, request: BaseRequest, error: Exception) -> web.Response:
        """Answer what aiohttp refuses before the middleware: an expectation that it can't meet."""
        return self._logged(request, _UNMET, type(error).__name__)

    def too_many(self) -> web.Response:
        """Answer a request that found no place; nothing was done with it."""
        reply = self._reply(_BUSY, new_request_id())
        reply.headers[REFUSED] = "connection"
        return reply

    def busy(self) -> bytes:
        """Return the same as a whole, for a connection that is not let in.

        There may be thousands of them in a second: nothing but the id is made anew.
        """
        if not self._whole:
            self._whole = self._written(self.too_many())
        return self._whole % new_request_id().encode()

    @staticmethod
    def _written(reply: web.Response) -> bytes:
        """Return a reply as it is sent, with %s for its id."""
        body = reply.body if isinstance(reply.body, bytes) else b""
        reply.headers.update({"Connection": "close", "Content-Length": str(len(body))})
        del reply.headers[_REQUEST_ID]
        lines = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        head = f"HTTP/1.1 {reply.status} {reply.reason}\r\n{lines}".encode()
        whole = head + f"{_REQUEST_ID}: @\r\n\r\n".encode() + body
        return whole.replace(b"%", b"%%").replace(b": @\r", b": %s\r")

    def _logged(self, request: BaseRequest, problem: Problem, error: str) -> web.Response:
        request_id = new_request_id()
        _log.debug("malformed_request", remote=request.remote, error=error, request_id=request_id)
        return self._reply(problem, request_id)

    def _reply(self, problem: Problem, request_id: str) -> web.Response:
        reply = failure(self._context, Language.CHINESE, problem)
        reply.headers[_REQUEST_ID] = request_id
        return reply
