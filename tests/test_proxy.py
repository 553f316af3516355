"""The proxy does to a wire what its methods say."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from tests.proxy import HOST, Weather, Wire, Wires

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

_DEADLINE_S = 100


class Echo:
    """A server that answers each line with itself, and knows what it has received."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.came = asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        with suppress(ConnectionError):
            while line := await reader.readline():
                self.received.append(line)
                self.came.set()
                writer.write(line)
        writer.close()


@asynccontextmanager
async def echo() -> AsyncIterator[tuple[Echo, int]]:
    server = Echo()
    listener = await asyncio.start_server(server.serve, HOST, 0)
    async with listener:
        yield server, listener.sockets[0].getsockname()[1]
    for writer in server.writers:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture
def wires() -> Iterator[Wires]:
    with Wires() as found:
        yield found


@asynccontextmanager
async def connected(wire: Wire) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(HOST, wire.port)
    try:
        async with asyncio.timeout(_DEADLINE_S):
            yield reader, writer
    finally:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def until(condition: Callable[[], object]) -> None:
    """Return once `condition` holds: it is the proxy's thread that brings it about."""
    async with asyncio.timeout(_DEADLINE_S):
        while not condition():  # noqa: ASYNC110 -- of another loop
            await asyncio.sleep(0.002)


async def silent(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(0.05):
            return not await reader.readline()
    except TimeoutError:
        return True


async def broken(reader: asyncio.StreamReader) -> bool:
    try:
        return not await reader.readline()
    except ConnectionError:
        return True


async def test_a_fair_wire_carries_both_ways_until_the_client_closes(wires: Wires) -> None:
    async with echo() as (_, port), connected(wires.to(port)) as (reader, writer):
        for line in (b"one\n", b"x" * 50_000 + b"\n"):
            writer.write(line)
            assert await reader.readline() == line
        writer.write_eof()
        assert await reader.read() == b""


async def test_a_cut_wire_breaks_connections_and_lets_none_come(wires: Wires) -> None:
    async with echo() as (server, port):
        wire = wires.to(port)
        async with connected(wire) as (reader, writer):
            writer.write(b"one\n")
            assert await reader.readline() == b"one\n"
            wire.cut()
            assert await broken(reader)
        async with connected(wire) as (reader, _):
            assert await broken(reader)
        wire.passes()
        async with connected(wire) as (reader, writer):
            writer.write(b"two\n")
            assert await reader.readline() == b"two\n"
        assert server.received == [b"one\n", b"two\n"]


async def test_a_black_hole_swallows_and_breaks_what_it_has_damaged(wires: Wires) -> None:
    async with echo() as (server, port):
        wire = wires.to(port)
        wire.swallow()
        async with connected(wire) as (reader, writer):
            writer.write(b"one\n")
            await until(lambda: wire.damaged)
            assert await silent(reader)
            wire.passes()
            assert await broken(reader)
        assert server.received == []


async def test_replies_alone_are_lost(wires: Wires) -> None:
    async with echo() as (server, port):
        wire = wires.to(port)
        wire.drop_replies()
        async with connected(wire) as (reader, writer):
            writer.write(b"one\n")
            await until(lambda: wire.damaged)
            assert await silent(reader)
            wire.passes()
            assert await broken(reader)
        assert server.received == [b"one\n"]


async def test_a_held_request_arrives_later_though_its_sender_is_gone(wires: Wires) -> None:
    async with echo() as (server, port):
        wire = wires.to(port)
        wire.hold_requests()
        async with connected(wire) as (reader, writer):
            writer.write(b"late\n")
            await until(lambda: wire.held == 1)
            assert await silent(reader)
        assert server.received == []
        wire.passes()
        async with asyncio.timeout(_DEADLINE_S):
            await server.came.wait()
        assert server.received == [b"late\n"]


async def test_a_held_reply_arrives_when_it_is_released(wires: Wires) -> None:
    async with echo() as (_, port):
        wire = wires.to(port)
        wire.hold_replies()
        async with connected(wire) as (reader, writer):
            writer.write(b"one\n")
            await until(lambda: wire.held == 1)
            assert await silent(reader)
            wire.passes()
            assert await reader.readline() == b"one\n"


async def test_delays_are_kept(wires: Wires) -> None:
    async with echo() as (_, port):
        wire = wires.to(port)
        wire.delay(requests_s=0.05, replies_s=0.05)
        async with connected(wire) as (reader, writer):
            began = time.monotonic()
            writer.write(b"one\n")
            assert await reader.readline() == b"one\n"
            assert time.monotonic() - began >= 0.1


def _command(text: bytes) -> bytes:
    """Return a line with the bytes that MongoDB's ``{update: "orders"}`` has."""
    return b"\x02update\x00\x07\x00\x00\x00orders\x00" + text + b"\n"


async def test_a_command_is_lost_and_what_is_not_named_passes(wires: Wires) -> None:
    async with echo() as (server, port):
        wire = wires.to(port)
        wire.lose("command", "update", "orders")
        async with connected(wire) as (reader, writer):
            writer.write(b"find\n")
            assert await reader.readline() == b"find\n"
            writer.write(_command(b"1"))
            assert await broken(reader)
        assert server.received == [b"find\n"]
        assert wire.mishaps == 1


async def test_an_answer_is_lost_though_its_command_comes_in_two_parts(wires: Wires) -> None:
    async with echo() as (server, port):
        wire = wires.to(port)
        wire.lose("answer", "update", "orders")
        async with connected(wire) as (reader, writer):
            writer.write(_command(b"1")[:9])
            assert await silent(reader)
            writer.write(_command(b"1")[9:])
            assert await broken(reader)
        assert server.received == [_command(b"1")]
        wire.passes()
        async with connected(wire) as (reader, writer):
            writer.write(_command(b"2"))
            assert await reader.readline() == _command(b"2")


async def test_a_share_of_the_replies_is_lost_and_the_request_is_not(wires: Wires) -> None:
    async with echo() as (server, port):
        wire = wires.to(port)
        wire.set(Weather(late_share=1.0, lost_share=1.0))
        async with connected(wire) as (reader, writer):
            writer.write(b"one\n")
            assert await broken(reader)
        assert server.received == [b"one\n"]
        assert wire.mishaps == 2


async def test_a_server_that_is_away_breaks_the_connection(wires: Wires) -> None:
    async with echo() as (_, port):
        pass
    async with connected(wires.to(port)) as (reader, _):
        assert await broken(reader)
