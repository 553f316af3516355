"""Make replies: the envelope, and its data in the callers' names."""

from __future__ import annotations

import secrets
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, cast

from aiohttp import HttpVersion11, web
from aiohttp.hdrs import CONTENT_TYPE, METH_HEAD
from aiohttp.helpers import rfc822_formatted_time

from web.app_context import CALL
from web.wire.json_body import encode
from web.wire.texts import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.web_request import BaseRequest

    from web.app_context import AppContext, Language
    from web.wire.problems import Problem

_NO_PARAMS: Mapping[str, object] = {}


@cache
def _series() -> tuple[str, count[int]]:
    """Return what is random per process; made at the first request, to survive a fork before."""
    return secrets.token_hex(4), count(1)


def new_request_id() -> str:
    """Return the id of a request whose caller gave none; made without a system call."""
    process, numbers = _series()
    return f"{process}{next(numbers):08x}"


def raw(context: AppContext, value: object, status: int = 200) -> web.Response:
    """Reply with `value` as it is."""
    return web.Response(body=encode(value), status=status, headers=context.headers)


def success(
    request: web.Request,
    data: object,
    text: str = "OK",
    params: Mapping[str, object] = _NO_PARAMS,
    **extra: object,
) -> web.Response:
    """Reply 200 in the envelope; the code is what `text` has before its dot."""
    call = request[CALL]
    envelope = {
        "success": True,
        "message": render(text, call.language, params),
        "data": data,
        "code": text.partition(".")[0],
        **extra,
    }
    return Reply(call.context, encode(envelope))


class Reply(web.Response):
    """A success, whose usual headers are written once for all; `headers` has only its own.

    On a connection that stays it goes out as a whole; else with all headers as aiohttp sends it.
    """

    def __init__(self, context: AppContext, body: bytes) -> None:
        super().__init__(body=body, headers={CONTENT_TYPE: context.headers[CONTENT_TYPE]})
        self._context = context

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Send it all, or begin to."""
        if self.prepared:
            return await super().prepare(request)
        is_usual = request.version == HttpVersion11 and request.method != METH_HEAD
        if not is_usual or not request.keep_alive or self.keep_alive is False:
            self.headers.update(self._context.headers)
            return await super().prepare(request)
        await request._prepare_hook(self)  # noqa: SLF001 -- as aiohttp does
        self._keep_alive = True
        body = cast("bytes", self.body)
        own = "".join([f"{name}: {value}\r\n" for name, value in self.headers.items()])
        rest = f"{own}Content-Length: {len(body)}\r\nDate: {rfc822_formatted_time()}\r\n\r\n"
        await request.writer.write(b"".join((self._context.head, rest.encode(), body)))
        self._eof_sent = True
        await request.writer.drain()  # who reads nothing is answered nothing more
        return None


def failure(context: AppContext, language: Language, problem: Problem) -> web.Response:
    """Reply in the envelope that, and why, the request failed."""
    envelope = {
        "success": False,
        "message": render(problem.text, language, problem.params),
        "data": problem.data,
        "code": problem.code,
    }
    response = raw(context, envelope, problem.status)
    response.headers.update(problem.headers)
    if problem.retry_after_s is not None:
        response.headers["Retry-After"] = str(problem.retry_after_s)
    if problem.close:
        response.force_close()
    return response
