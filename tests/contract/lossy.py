"""A TCP proxy that loses what a test wants lost: a command, or the answer to it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Coroutine

Loss = Literal["command", "answer"]


@dataclass(slots=True)
class LossyProxy:
    """Forward connections to a server on loopback until told to lose something.

    As an async context manager it listens inside.
    """

    upstream: int
    port: int = 0
    lost: int = 0
    """What was lost so far."""
    _losing: tuple[Loss, bytes] | None = None
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def lose(self, loss: Loss, command: str, collection: str) -> None:
        """Lose these from now on: the connection is cut before or after the server has them.

        `command` and `collection` are MongoDB's, as in ``{update: "orders"}``.
        """
        name = collection.encode()
        length = (len(name) + 1).to_bytes(4, "little")
        self._losing = (loss, b"\x02" + command.encode() + b"\x00" + length + name + b"\x00")

    def heal(self) -> None:
        """Lose nothing any more."""
        self._losing = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._forward(client, to_client)
        finally:
            self._tasks.discard(task)
            await _close(to_client)

    async def _forward(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection("127.0.0.1", self.upstream)
        try:
            connection = _Connection(self, client, to_client, server, to_server)
            await _until_first_ends(connection.commands(), connection.answers())
        finally:
            await _close(to_server)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@dataclass(slots=True)
class _Connection:
    proxy: LossyProxy
    client: asyncio.StreamReader
    to_client: asyncio.StreamWriter
    server: asyncio.StreamReader
    to_server: asyncio.StreamWriter
    losing_answer: bool = False

    async def commands(self) -> None:
        while message := await _message(self.client):
            loss, marker = self.proxy._losing or (None, b"")  # noqa: SLF001 its own connection
            if loss is not None and marker in message:
                self.proxy.lost += 1
                if loss == "command":
                    return
                self.losing_answer = True
            self.to_server.write(message)
            await self.to_server.drain()

    async def answers(self) -> None:
        while message := await _message(self.server):
            if self.losing_answer:
                return
            self.to_client.write(message)
            await self.to_client.drain()


async def _message(stream: asyncio.StreamReader) -> bytes:
    """Read one message of MongoDB's wire protocol; nothing at the end of the stream."""
    try:
        length = await stream.readexactly(4)
        return length + await stream.readexactly(int.from_bytes(length, "little") - 4)
    except (asyncio.IncompleteReadError, OSError):
        return b""


async def _until_first_ends(*pumps: Coroutine[None, None, None]) -> None:
    tasks = [asyncio.ensure_future(each) for each in pumps]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
