"""Kinds of greed: what a client can do to have a node for itself.

Each is an async function of a `Target` that is greedy until it is cancelled. It takes what happens
to it, such as being cut off, and begins again. A new kind is a function and its line in `KINDS`.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

_READERS: Final = 40
_PAGE_READERS: Final = 16
_PIPELINERS: Final = 200
_SILENT: Final = 3_000
_SMALL_BUFFER: Final = 4_096
_LARGE_BUFFER: Final = 2**20
_AGAIN_S: Final = 0.2
_LOOKS_S: Final = 1.0
_ESTABLISHED: Final = 1
"""The state of a TCP connection that no side has closed."""


@dataclass(frozen=True, slots=True)
class Target:
    """The node, and an order with a large log."""

    host: str
    port: int
    order: str

    @property
    def url(self) -> str:
        """Return where the node is."""
        return f"http://{self.host}:{self.port}"

    def get(self, path: str) -> bytes:
        """Return a whole request for `path`."""
        return f"GET {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n\r\n".encode()

    @property
    def log(self) -> str:
        """Return the path of the largest page of the order's log."""
        return f"/api/workorder/quantity-logs/{self.order}?pageSize=1000"


Kind: TypeAlias = "Callable[[Target], Coroutine[object, object, None]]"


async def unread(target: Target) -> None:
    """Ask for large pages on many connections, and read nothing of them."""
    await _many(_READERS, lambda: _unread(target, target.get(target.log)))


async def readers(target: Target) -> None:
    """Read large pages on many connections, one after the other as fast as they come."""
    request = target.get(target.log)[:-2] + b"Connection: close\r\n\r\n"
    await _many(_PAGE_READERS, lambda: _read(target, request))


async def pipelined(target: Target) -> None:
    """Ask for small things, as often as the connection takes, and read nothing of the answers."""
    await _many(_PIPELINERS, lambda: _unread(target, target.get("/openapi.json") * 500))


async def silent(target: Target) -> None:
    """Hold more connections than there are places, and say nothing on them."""
    await _many(_SILENT, lambda: _unread(target, b""))


async def half_heads(target: Target) -> None:
    """Hold more connections than there are places, each with a request that does not end."""
    head = target.get("/livez")[:-2]
    await _many(_SILENT, lambda: _dribble(target, head))


async def _many(count: int, once: Callable[[], Coroutine[object, object, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(_again(once))


async def _again(once: Callable[[], Coroutine[object, object, None]]) -> None:
    while True:
        with suppress(OSError):  # cut off, or not let in
            await once()
        await asyncio.sleep(_AGAIN_S)


async def _connected(target: Target) -> socket.socket:
    connection = socket.socket()
    connection.setblocking(False)  # noqa: FBT003 the standard library's signature
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
    try:
        await asyncio.get_running_loop().sock_connect(connection, (target.host, target.port))
    except BaseException:
        connection.close()
        raise
    return connection


async def _unread(target: Target, request: bytes) -> None:
    """Send `request`; then read nothing until cut off, which shows in that nothing can be sent."""
    loop = asyncio.get_running_loop()
    with await _connected(target) as connection:
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOKS_S):
                await loop.sock_sendall(connection, request)  # for ever, where it is not taken
        while not _is_cut_off(connection):  # noqa: ASYNC110 the system tells it only when asked
            await asyncio.sleep(_LOOKS_S)


async def _read(target: Target, request: bytes) -> None:
    """Send `request` and read its answer to the end, again and again."""
    while True:
        reader, writer = await asyncio.open_connection(target.host, target.port)
        try:
            writer.write(request)
            while await reader.read(_LARGE_BUFFER):
                pass
        finally:
            writer.close()


async def _dribble(target: Target, head: bytes) -> None:
    loop = asyncio.get_running_loop()
    with await _connected(target) as connection:
        await loop.sock_sendall(connection, head)
        while not _is_cut_off(connection):
            await asyncio.sleep(_LOOKS_S)
            await loop.sock_sendall(connection, b"X: 1\r\n")


def _is_cut_off(connection: socket.socket) -> bool:
    """Tell whether the peer has closed or reset, without taking what waits to be read."""
    if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        return True
    state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state != _ESTABLISHED


KINDS: Final[Mapping[str, Kind]] = {
    "unread": unread,
    "readers": readers,
    "pipelined": pipelined,
    "silent": silent,
    "half-heads": half_heads,
}
