"""The one hop from a standby to the owner: its headers, and what the receiver makes of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from multidict import CIMultiDict

from actors.errors import NotOwner
from web.app_context import CALL, CONTEXT
from web.wire.problems import Problem, RequestError
from web.wire.schemas import check_request_id

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from aiohttp import web

_Answer = TypeVar("_Answer")
FORWARDED_BY: Final = "X-Forwarded-By-Node"
"""Names the node that forwarded; a request that has it is never forwarded again.

So with a name that anybody made up: that costs nobody else anything, and no call goes round.
"""
FORWARDED_TO: Final = "X-Forwarded-To-Node"
"""Names the node it is meant for: another one may listen at that address by now."""
DEADLINE: Final = "X-Deadline-Ms"
"""Milliseconds that the receiver has for its answer."""
CALLER: Final = "X-Forwarded-Remote"
"""The address that a forwarded call came from: for people, and believed of nodes only."""
REFUSED: Final = "X-Refused"
"""Marks the answer of a node that took no connection, so that nothing of the call was read."""
_MAX_DIGITS: Final = 9
_MAX_ADDRESS: Final = 64
_KEY: Final = "Idempotency-Key"
_REQUEST_HEADERS: Final = (
    "Content-Type",
    _KEY,
    "Accept-Language",
    "Authorization",
    "Prefer",
    "tracestate",
)


def allowed_s(request: web.Request) -> float:
    """Return the seconds that `request` may take; a forwarding node can only shorten them."""
    call = request[CALL]
    limit: float = call.context.options.request_timeout_s
    if not call.believed:
        return limit
    text = request.headers.get(DEADLINE, "")
    if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS:
        return min(limit, int(text) / 1000)
    return limit


def address_of(request: web.Request) -> str | None:
    """Return the address that a call came from, also where another node handed it on."""
    forwarded = request.headers.get(CALLER, "") if request[CALL].believed else ""
    return forwarded[:_MAX_ADDRESS] or request.remote


def refuse_if_misled(request: web.Request) -> None:
    """Raise `NotOwner` for a forwarded request that is meant for another node."""
    if FORWARDED_BY in request.headers:
        node_id = request.app[CONTEXT].node.node_id
        if request.headers.get(FORWARDED_TO, node_id) != node_id:
            raise NotOwner("forwarded to a node that is gone from this address")


async def in_time(request: web.Request, answer: Awaitable[_Answer]) -> _Answer:
    """Wait for what an operator asked for, no longer than the call may take.

    Raises `RequestError` (504) after that.
    """
    try:
        async with asyncio.timeout(allowed_s(request)):
            return await answer
    except TimeoutError:
        raise RequestError(Problem("TIMEOUT", "TIMEOUT")) from None


def headers_of(request: web.Request) -> CIMultiDict[str]:
    """Take over what the caller says about its call, under the id that this node logs."""
    headers: CIMultiDict[str] = CIMultiDict()
    for name in _REQUEST_HEADERS:
        for value in request.headers.getall(name, ()):
            if value.isprintable():
                headers.add(name, value)
            elif name == _KEY:  # it can't be sent and must not be lost: refuse it as the owner does
                check_request_id(value, name)
    trace = request[CALL].trace
    headers["X-Request-Id"] = trace.http_request_id
    if trace.traceparent:
        headers["traceparent"] = trace.traceparent
    return headers
