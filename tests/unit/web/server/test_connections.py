"""Connections: slow heads are cut off, full houses say so, and heads have an end."""

from __future__ import annotations

import asyncio
import resource
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from web.app import Options, build_app
from web.app_context import CONTEXT
from web.server.connections import ConnectionLimit, GuardedSite, allow_files
from web.server.refusals import Refusals
from web.server.service import RUNNER_OPTIONS, bind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.web.fake_node import FakeNode

_SLOW_S = 0.3
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class House:
    """A guarded server and what to knock on it with."""

    def __init__(self, limit: ConnectionLimit, port: int) -> None:
        self.limit, self.port = limit, port
        self._writers: list[asyncio.StreamWriter] = []

    async def knock(self, *sent: bytes) -> Pair:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers.append(writer)
        for each in sent:
            writer.write(each)
        return reader, writer

    async def leave(self) -> None:
        for writer in self._writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def house(node: FakeNode, most: int = 100, head_s: float = _SLOW_S) -> AsyncIterator[House]:
    app = build_app(node.as_node(), Options())
    runner = web.AppRunner(app, **RUNNER_OPTIONS)
    await runner.setup()
    (sock,) = bind("127.0.0.1", 0)
    limit = ConnectionLimit(most, head_s, Refusals(app[CONTEXT]))
    await GuardedSite(runner, sock, limit).start()
    here = House(limit, sock.getsockname()[1])
    try:
        yield here
    finally:
        await here.leave()
        await runner.cleanup()


HEAD = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"


async def _status(reader: asyncio.StreamReader) -> int:
    async with asyncio.timeout(100):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
    return int(head.split(b" ")[1])


async def _ends(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(100):
        with suppress(ConnectionError):
            assert await reader.read() == b""


async def test_a_head_that_drips_is_cut_off(node: FakeNode) -> None:
    async with house(node) as here:
        reader, writer = await here.knock(HEAD)

        async def drip() -> None:
            with suppress(ConnectionError):
                while True:
                    writer.write(b"X-A: b\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        await _ends(reader)
        dripping.cancel()


async def test_a_head_that_drips_on_a_used_connection_is_cut_off_too(node: FakeNode) -> None:
    async with house(node) as here:
        reader, writer = await here.knock(HEAD + b"\r\n")
        assert await _status(reader) == 200
        writer.write(b"GET /li")
        await _ends(reader)


async def test_a_connection_that_is_used_again_and_again_stays(node: FakeNode) -> None:
    async with house(node, head_s=2.0) as here:
        reader, writer = await here.knock(HEAD + b"\r\n")
        assert await _status(reader) == 200
        for _ in range(4):
            await asyncio.sleep(0.6)  # in all longer than one head may take
            writer.write(HEAD)
            await asyncio.sleep(0.01)
            writer.write(b"\r\n")
            assert await _status(reader) == 200


async def test_a_call_that_takes_long_is_not_cut_off(node: FakeNode) -> None:
    node.store.gate = asyncio.Event()
    async with house(node) as here:
        line = b"GET /api/workorder/detail/00000000000000000000000a HTTP/1.1\r\n"
        reader, _ = await here.knock(line[:10], line[10:] + b"Host: localhost\r\n\r\n")
        await asyncio.sleep(2 * _SLOW_S)
        node.store.gate.set()
        assert await _status(reader) == 404


async def test_who_finds_the_house_full_is_told_so_and_may_come_again(node: FakeNode) -> None:
    async with house(node, most=2) as here:
        pairs = [await here.knock(HEAD + b"\r\n") for _ in range(2)]
        for reader, _ in pairs:
            assert await _status(reader) == 200
        reader, _ = await here.knock()
        assert await _status(reader) == 503
        await _ends(reader)
        assert here.limit.inside == 2
        pairs[0][1].close()
        async with asyncio.timeout(100):
            while here.limit.inside == 2:  # noqa: ASYNC110 has no event
                await asyncio.sleep(0.01)
        reader, _ = await here.knock(HEAD + b"\r\n")
        assert await _status(reader) == 200


@pytest.mark.parametrize(
    "head",
    [
        b"X-Long: " + b"x" * 9_000 + b"\r\n",
        b"".join(b"X-%d: y\r\n" % number for number in range(200)),
    ],
)
async def test_a_head_too_large_is_refused(node: FakeNode, head: bytes) -> None:
    async with house(node) as here:
        reader, _ = await here.knock(HEAD, head, b"\r\n")
        assert await _status(reader) == 400


def test_the_system_is_asked_for_as_many_files_as_connections_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[tuple[int, int]] = []
    let_in: list[int] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, limits: given.append(limits))
    for limits in (
        (1_024, 4_096),
        (1_024, 2_000),
        (9_999, 9_999),
        (256, resource.RLIM_INFINITY),
        (64, 64),
        (9, 9),
    ):
        monkeypatch.setattr(resource, "getrlimit", lambda _kind, limits=limits: limits)
        let_in.append(allow_files(2_000))
    # With few files fewer are let in, instead of failing at the one too many.
    assert let_in == [2_000, 1_488, 2_000, 2_000, 32, 10]
    assert given == [
        (2_512, 4_096),
        (2_000, 2_000),
        (2_512, resource.RLIM_INFINITY),
        (64, 64),
        (9, 9),
    ]
