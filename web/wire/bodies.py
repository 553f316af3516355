"""Read a request's body within its limits of size and time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import ClientError, web

from web.app_context import CALL, CONTEXT
from web.wire.batches import decode_batch
from web.wire.json_body import MAX_TOKENS, decode_object
from web.wire.problems import Problem, RequestError
from web.wire.unpacking import (
    ENCODINGS,
    DamagedError,
    UnknownEncodingError,
    UnpackedTooLargeError,
    unpack,
)

if TYPE_CHECKING:
    from web.app_context import Options

_TOKENS_OF_AN_ITEM: Final = 100
"""More than an update with every field has; on average, in a batch."""


async def read_object(request: web.Request) -> dict[str, object]:
    """Read a body that must be a JSON object; none at all counts as ``{}``.

    Raises `RequestError` when it is no such body, or can't be read.
    """
    return decode_object(await read_body(request))


async def read_batch(request: web.Request) -> dict[str, object]:
    """Read the body of a batch, which may be a large one, as `read_object` does."""
    most_tokens = max(MAX_TOKENS, _TOKENS_OF_AN_ITEM * request.app[CONTEXT].options.max_batch)
    return await decode_batch(await read_body(request), most_tokens)


async def read_body(request: web.Request) -> bytes:
    """Read a whole body, unpacked.

    Raises `RequestError` when it is larger than `max_body_bytes`, packed or unpacked, not there
    within `body_timeout_s`, or garbled; the connection is closed then. Also when it is compressed
    in a way that is not understood.
    """
    call = request[CALL]
    if call.part is not None:
        return call.part
    options = call.context.options
    body = await _read(request, options)
    encodings = request.headers.getall("Content-Encoding", ())
    if not body or not encodings:
        return body
    encoding = ", ".join(encodings).strip().lower()
    if encoding in ("", "identity"):
        return body
    try:
        return await asyncio.to_thread(unpack, body, encoding, options.max_body_bytes)
    except UnknownEncodingError:
        code, params = "UNSUPPORTED_ENCODING", {"encodings": ENCODINGS}
        headers = {"Accept-Encoding": ENCODINGS}
        raise RequestError(Problem(code, code, params, headers=headers)) from None
    except UnpackedTooLargeError:
        raise _too_large(options) from None
    except DamagedError:
        raise RequestError(Problem("INVALID_JSON", "INVALID_JSON.packed")) from None


async def _read(request: web.Request, options: Options) -> bytes:
    if (request.content_length or 0) > options.max_body_bytes:
        raise _too_large(options)
    try:
        if request.content.is_eof():
            return _arrived(request, options)
        async with asyncio.timeout(options.body_timeout_s):
            return await request.read()
    except TimeoutError:
        params = {"limit": options.body_timeout_s}
        raise RequestError(Problem("BODY_TIMEOUT", "BODY_TIMEOUT", params, close=True)) from None
    except web.HTTPRequestEntityTooLarge:
        raise _too_large(options) from None
    except (web.RequestPayloadError, ClientError):
        # Nothing more of it can be read: else aiohttp tries, and logs a traceback.
        request.content.feed_eof()
        unreadable = Problem("INVALID_JSON", "INVALID_JSON.unreadable", close=True)
        raise RequestError(unreadable) from None


def _arrived(request: web.Request, options: Options) -> bytes:
    """Return a body that is there as a whole, as most are together with their heads: at once."""
    if request._read_bytes is None:  # noqa: SLF001 -- where `request.read` keeps it
        body = request.content.read_nowait()
        if len(body) > options.max_body_bytes:
            raise _too_large(options)
        request._read_bytes = body  # noqa: SLF001
    return request._read_bytes  # noqa: SLF001


def _too_large(options: Options) -> RequestError:
    params = {"limit": options.max_body_bytes}
    return RequestError(Problem("BODY_TOO_LARGE", "BODY_TOO_LARGE", params, params, close=True))
