"""Connections from this node to others: nothing is repeated, redirected or sent by a proxy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aiohttp

if TYPE_CHECKING:
    from types import SimpleNamespace

_CONNECT_S: Final = 1.0
_KEEP_ALIVE_S: Final = 15.0
"""Shorter than the other's own, so that it never closes a connection while we send on it."""


@dataclass(slots=True)
class Attempt:
    """One request, handed to aiohttp as `trace_request_ctx`."""

    connected: bool = False
    """From then on it may have been sent, and what became of it is not known."""


def open_session(connections: int, *, keep_alive: bool) -> aiohttp.ClientSession:
    """Open a client of at most that many connections; who finds none free waits for one."""
    connector = aiohttp.TCPConnector(
        limit=connections,
        keepalive_timeout=_KEEP_ALIVE_S if keep_alive else None,
        force_close=not keep_alive,
    )
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_start.append(_refuse_a_repeat)
    trace.on_connection_create_end.append(_note_connection)
    trace.on_connection_reuseconn.append(_note_connection)
    return aiohttp.ClientSession(
        connector=connector,
        # The whole has its limit where the request is made.
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept-Encoding", "Content-Type", "User-Agent"),
        trust_env=False,
        trace_configs=[trace],
    )


async def _refuse_a_repeat(
    _session: aiohttp.ClientSession,
    context: SimpleNamespace,
    _params: aiohttp.TraceConnectionCreateStartParams,
) -> None:
    # aiohttp sends a GET once more, on a new connection, when the first one broke.
    attempt = context.trace_request_ctx
    if isinstance(attempt, Attempt) and attempt.connected:
        raise aiohttp.ClientConnectionError("the connection broke; not sent twice")


async def _note_connection(
    _session: aiohttp.ClientSession,
    context: SimpleNamespace,
    _params: object,
) -> None:
    attempt = context.trace_request_ctx
    if isinstance(attempt, Attempt):
        attempt.connected = True
