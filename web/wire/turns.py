"""Readers take turns: so many rows are at work at once, and no caller has them all for itself."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from web.app_context import CALL, CONTEXT
from web.wire.problems import READ_TOO_LONG, RequestError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

_FEW: Final = 50
"""Rows of a small request: an order, a few entries. It does not wait for large ones."""
_SMALL_AT_ONCE: Final = 500
_LARGE_AT_ONCE: Final = 1_000
"""One of the largest pages. With a second one, read while the first is encoded, two threads want
the interpreter's lock beside the loop, and the slowest updates took more than twice as long."""
_EXPORTS_AT_ONCE: Final = 2
"""They last as long as their readers like, so nobody else waits for them."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    rows: int
    turn: asyncio.Future[None]


class Turns:
    """Bounds the rows that are read, or encoded, at the same time; updates have no part in it.

    Who finds no room waits in the line of its caller, which is a token's name or an address. The
    first of each line is let in by turns.
    """

    def __init__(self, rows_at_once: int) -> None:
        self._most = self._free = rows_at_once
        self._lines: OrderedDict[str, deque[_Waiting]] = OrderedDict()

    @asynccontextmanager
    async def take(self, caller: str, rows: int) -> AsyncIterator[None]:
        """Have a turn for so many rows, until the block is left."""
        rows = min(rows, self._most)
        await self._wait(caller, rows)
        try:
            yield
        finally:
            self._give_back(rows)

    async def _wait(self, caller: str, rows: int) -> None:
        waiting = _Waiting(rows, asyncio.get_running_loop().create_future())
        self._lines.setdefault(caller, deque()).append(waiting)
        self._let_in()
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting.turn.cancelled():
                self._let_in()  # those that only it kept waiting
            else:
                self._give_back(rows)
            raise

    def _give_back(self, rows: int) -> None:
        self._free += rows
        self._let_in()

    def _let_in(self) -> None:
        while self._lines:
            caller, requests = next(iter(self._lines.items()))
            first = requests[0]
            if not first.turn.done():
                if first.rows > self._free:
                    return
                self._free -= first.rows
                first.turn.set_result(None)
                self._lines.move_to_end(caller)
            requests.popleft()
            if not requests:
                del self._lines[caller]


class ReadTurns:
    """Turns of small requests, of large ones and of exports, apart."""

    def __init__(self) -> None:
        self._small, self._large = Turns(_SMALL_AT_ONCE), Turns(_LARGE_AT_ONCE)
        self._exports = Turns(_EXPORTS_AT_ONCE)

    def take(self, caller: str, rows: int) -> AbstractAsyncContextManager[None]:
        """Have a turn for so many rows, until the block is left."""
        return (self._small if rows <= _FEW else self._large).take(caller, rows)

    def export(self, caller: str) -> AbstractAsyncContextManager[None]:
        """Have a turn for an export, of as many rows as there are, a few of them at a time."""
        return self._exports.take(caller, 1)


def in_turn(request: web.Request, rows: int) -> AbstractAsyncContextManager[None]:
    """Have a turn for so many rows, as the caller that sent `request`, until the block is left."""
    return request.app[READ_TURNS].take(_caller(request), rows)


def exporting(request: web.Request) -> AbstractAsyncContextManager[None]:
    """Have a turn for an export, as the caller that sent `request`, until the block is left."""
    return request.app[READ_TURNS].export(_caller(request))


def _caller(request: web.Request) -> str:
    return request[CALL].caller or request.remote or ""


@asynccontextmanager
async def reading(request: web.Request, rows: int) -> AsyncIterator[None]:
    """Have a turn to read so many rows; raises `RequestError` when all of it takes too long."""
    try:
        async with (
            asyncio.timeout(request.app[CONTEXT].options.request_timeout_s),
            in_turn(request, rows),
        ):
            yield
    except TimeoutError:
        raise RequestError(READ_TOO_LONG) from None


READ_TURNS: Final = web.AppKey("read_turns", ReadTurns)
