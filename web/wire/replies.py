"""Make replies: the envelope, and its data in the callers' names."""

from __future__ import annotations

import secrets
from itertools import count
from typing import TYPE_CHECKING, Final

from aiohttp import web

from web.app_context import CALL, CONTEXT
from web.wire.json_body import encode
from web.wire.texts import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from web.app_context import AppContext, Language
    from web.wire.problems import Problem

_NO_PARAMS: Mapping[str, object] = {}

# An id per request without a system call: random per process, counted within it.
_PROCESS: Final = secrets.token_hex(4)
_numbers: Final = count(1)


def new_request_id() -> str:
    """Return the id of a request whose caller gave none."""
    return f"{_PROCESS}{next(_numbers):08x}"


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
    envelope = {
        "success": True,
        "message": render(text, request[CALL].language, params),
        "data": data,
        "code": text.partition(".")[0],
        **extra,
    }
    return raw(request.app[CONTEXT], envelope)


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
