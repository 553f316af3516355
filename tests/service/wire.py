"""A wire to MongoDB as bad as wires get: answers are lost, requests arrive long after."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_CHUNK = 65_536


@dataclass(slots=True)
class BadWire:
    """Forward connections to a server on loopback; while `bad`, not all of it and not in time.

    Of what is sent while it is bad, a share of `late` waits up to `delay_s`, and is delivered
    even when its sender has given up by then; a share of `lost` answers ends the connection.
    As an async context manager it listens inside.
    """

    upstream: int
    late: float
    lost: float
    delay_s: float
    seed: int = 1
    port: int = 0
    bad: bool = False
    mishaps: int = 0
    _rng: Random = field(init=False)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._rng = Random(self.seed)  # noqa: S311 -- a drill, not a secret

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
        task.add_done_callback(self._tasks.discard)
        with suppress(OSError, asyncio.CancelledError):
            server, to_server = await asyncio.open_connection("127.0.0.1", self.upstream)
            try:
                await asyncio.gather(self._send(client, to_server), self._answer(server, to_client))
            finally:
                to_server.close()
        to_client.close()

    async def _send(self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            async for data in _chunks(client):
                if self._strikes(self.late):
                    await asyncio.sleep(self._rng.uniform(0, self.delay_s))
                to_server.write(data)
            to_server.write_eof()

    async def _answer(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            async for data in _chunks(server):
                if self._strikes(self.lost):
                    to_client.close()
                elif not to_client.is_closing():
                    to_client.write(data)
        to_client.close()

    def _strikes(self, share: float) -> bool:
        if not self.bad or self._rng.random() >= share:
            return False
        self.mishaps += 1
        return True


async def _chunks(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while data := await stream.read(_CHUNK):
        yield data
