"""Larger replies compressed, for callers that say they can read that."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import web

_SMALLEST: Final = 1024
"""Bytes of a body below which compressing saves nothing."""
_AT_ONCE: Final = 16 * 1024
"""Bytes that are compressed on the loop, in some tenths of a millisecond; more goes to a thread."""
_LEVEL: Final = 6
_CODING: Final = "gzip"


async def compress(request: web.Request, response: web.Response) -> None:
    """Compress the body of a reply that is large enough, if the caller accepts it."""
    body = response.body
    if not isinstance(body, bytes) or len(body) < _SMALLEST:
        return
    response.headers.add("Vary", "Accept-Encoding")
    if not accepts_gzip(request.headers.getall("Accept-Encoding", ())):
        return
    if len(body) <= _AT_ONCE:
        response.body = _compressed(body)
    else:
        response.body = await asyncio.to_thread(_compressed, body)
    response.headers["Content-Encoding"] = _CODING


def _compressed(body: bytes) -> bytes:
    return gzip.compress(body, _LEVEL, mtime=0)


def accepts_gzip(lines: Iterable[str]) -> bool:
    """Return whether `Accept-Encoding` has gzip, or else `*`, and not with a weight of 0."""
    weights = dict(_weighed(each) for line in lines for each in line.split(","))
    return weights.get(_CODING, weights.get("*", 0.0)) > 0


def _weighed(coding: str) -> tuple[str, float]:
    name, _, parameter = coding.partition(";")
    key, _, weight = parameter.partition("=")
    try:
        return name.strip().lower(), float(weight) if key.strip().lower() == "q" else 1.0
    except ValueError:
        return name.strip().lower(), 0.0
