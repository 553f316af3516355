"""Connections: slow heads are cut off, full houses say so, and heads have an end."""

from __future__ import annotations

import asyncio
import resource
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Literal

import pytest

from actors.store import LogPage
from tests.event_loop import LoopOfTests
from tests.unit.web.fake_node import ORDER
from tests.virtual_time import in_virtual_time
from web.app import Options, build_app
from web.app_context import CONTEXT
from web.server import places
from web.server.connections import GuardedSite, Limits, allow_files
from web.server.front import FrontRunner
from web.server.places import Places
from web.server.refusals import Refusals
from web.server.service import bind
from web.wire.cuts import CUTS
from web.wire.pace import LARGE, ReplyPace
from web.wire.room import ROOM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

    from tests.unit.web.fake_node import FakeNode

_SLOW_S = 0.3
_PATIENT_S = 100.0
"""Which no head takes, however busy the machine."""
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class House:
    """A guarded server and what to knock on it with."""

    def __init__(self, limits: Limits, runner: web.AppRunner, port: int) -> None:
        self.limits, self.runner, self.port = limits, runner, port
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
async def house(
    node: FakeNode, most: int = 100, head_s: float = _PATIENT_S, unread_s: float = 30.0
) -> AsyncIterator[House]:
    app = build_app(node.as_node(), Options())
    runner = FrontRunner(app)
    await runner.setup()
    (sock,) = bind("127.0.0.1", 0)
    pace = app[ROOM].pace
    limits = Limits(Places(most), head_s, unread_s, Refusals(app[CONTEXT]), app[CUTS], pace)
    await GuardedSite(runner, sock, limits).start()
    here = House(limits, runner, sock.getsockname()[1])
    try:
        yield here
    finally:
        await here.leave()
        await runner.cleanup()


HEAD = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /api/workorder/update-quantity HTTP/1.1\r\nHost: localhost\r\n"
_ORDER = b"GET /api/workorder/detail/00000000000000000000000a HTTP/1.1\r\nHost: localhost\r\n\r\n"


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
    async with house(node, head_s=_SLOW_S) as here:
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
    async with house(node, head_s=_SLOW_S) as here:
        reader, writer = await here.knock(HEAD + b"\r\n")
        assert await _status(reader) == 200
        writer.write(b"GET /li")
        await _ends(reader)


async def test_a_connection_that_is_used_again_and_again_stays(node: FakeNode) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LoopOfTests)
    async with house(node) as here:
        reader, writer = await here.knock(HEAD + b"\r\n")
        assert await _status(reader) == 200
        for _ in range(4):
            loop.skip(_PATIENT_S / 3)  # in all longer than one head may take
            writer.write(HEAD)
            await asyncio.sleep(0.01)
            writer.write(b"\r\n")
            assert await _status(reader) == 200


class _Gate(asyncio.Event):
    """One that tells when somebody waits at it."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def wait(self) -> Literal[True]:
        self.reached.set()
        return await super().wait()


async def test_a_call_that_takes_long_is_not_cut_off(node: FakeNode) -> None:
    node.store.gate = gate = _Gate()
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LoopOfTests)
    async with house(node, head_s=10.0) as here:
        line = b"GET /api/workorder/detail/00000000000000000000000a HTTP/1.1\r\n"
        reader, _ = await here.knock(line[:10], line[10:] + b"Host: localhost\r\n\r\n")
        await gate.reached.wait()
        loop.skip(15)
        await asyncio.sleep(0.01)
        gate.set()
        assert await _status(reader) == 404


async def test_who_finds_the_house_full_is_told_so_and_may_come_again(node: FakeNode) -> None:
    async with house(node, most=2) as here:
        pairs = [await here.knock(HEAD + b"\r\n") for _ in range(2)]
        for reader, _ in pairs:
            assert await _status(reader) == 200
        reader, _ = await here.knock(_ORDER)
        assert await _status(reader) == 503
        await _ends(reader)
        assert here.limits.places.inside == 2
        pairs[0][1].close()
        async with asyncio.timeout(100):
            while here.limits.places.inside == 2:  # noqa: ASYNC110 has no event
                await asyncio.sleep(0.01)
        reader, _ = await here.knock(HEAD + b"\r\n")
        assert await _status(reader) == 200


async def test_probes_and_calls_of_other_nodes_get_through_when_the_house_is_full(
    node: FakeNode,
) -> None:
    forwarded = b"X-Forwarded-By-Node: node-2\r\n\r\n"
    async with house(node, most=1) as here:
        first, writer = await here.knock(HEAD + b"\r\n")
        assert await _status(first) == 200
        for sent, status in (
            (HEAD + b"\r\n", 200),
            (HEAD.replace(b"/livez", b"/readyz/?x=1") + b"\r\n", 200),
            (_ORDER.removesuffix(b"\r\n") + forwarded, 404),
            (_ORDER, 503),
            (b"no request\r\n\r\n", 400),
        ):
            reader, _ = await here.knock(sent)
            assert await _status(reader) == status
            await _ends(reader)
        writer.write(HEAD + b"\r\n")
        assert await _status(first) == 200
        assert here.limits.cuts.counts == {"full": 1}


@pytest.mark.parametrize("said", [b"", HEAD])
async def test_who_does_not_say_what_it_wants_is_not_waited_for(
    node: FakeNode, said: bytes
) -> None:
    async with house(node, most=1, head_s=_SLOW_S) as here:
        first, _ = await here.knock(HEAD + b"\r\n")
        assert await _status(first) == 200
        reader, _ = await here.knock(said)
        await _ends(reader)
        assert here.limits.cuts.counts == {"slow": 1}


async def test_who_asks_takes_the_place_of_who_says_nothing(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "_NEW_S", 0.0)
    async with house(node, most=2) as here:
        silent, _ = await here.knock()
        busy, writer = await here.knock(HEAD + b"\r\n")
        assert await _status(busy) == 200
        reader, _ = await here.knock(_ORDER)
        assert await _status(reader) == 404
        await _ends(silent)
        writer.write(HEAD + b"\r\n")
        assert await _status(busy) == 200
        assert here.limits.cuts.counts == {"silent": 1}


async def test_who_reads_nothing_of_a_reply_is_cut_off(node: FakeNode) -> None:
    node.store.page = LogPage(1, ({"remark": "x" * 30_000_000},))
    async with house(node, unread_s=0.2) as here:
        reader, _ = await here.knock(_ORDER.replace(b"detail", b"quantity-logs"))
        async with asyncio.timeout(100):
            while not here.limits.cuts.counts:  # noqa: ASYNC110 has no event
                await asyncio.sleep(0.01)
        with suppress(ConnectionError):
            assert len(await reader.read()) < 30_000_000
        assert here.limits.cuts.counts == {"unread": 1}
        assert here.limits.places.inside == 0


async def test_a_connection_that_idles_holds_nothing_of_its_last_request(node: FakeNode) -> None:
    async with house(node) as here:
        body = b'{"grace": ' + b" " * 500_000 + b"1}"
        head = b"POST /api/workorder/queue/clean HTTP/1.1\r\nHost: localhost\r\n"
        length = b"Content-Length: %d\r\n\r\n" % len(body)
        reader, _ = await here.knock(head, length, body)
        assert await _status(reader) == 200
        (handler,) = here.runner.server.connections  # type: ignore[union-attr]
        # The frame of its task lives on, with the last request.
        task = handler._task_handler  # noqa: SLF001
        kept = task.get_coro().cr_frame.f_locals["request"]  # type: ignore[union-attr]
        assert kept._read_bytes is None  # noqa: SLF001


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


@pytest.mark.parametrize("path", ["/openapi.json", f"/api/workorder/quantity-logs/{ORDER}"])
async def test_each_large_reply_takes_its_turn_once(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    node.store.page = LogPage(1, ({"remark": "x" * LARGE},))
    sizes: list[int] = []

    async def wait(pace: ReplyPace, size: int) -> None:
        sizes.append(size)
        await unpatched(pace, size)

    unpatched = ReplyPace.wait
    monkeypatch.setattr(ReplyPace, "wait", wait)
    async with house(node) as here:
        reader, _ = await here.knock(HEAD.replace(b"/livez", path.encode()) + b"\r\n")
        assert await _status(reader) == 200
    assert [size >= LARGE for size in sizes] == [True]


async def test_many_chunks_of_one_body_hold_up_no_later_one(node: FakeNode) -> None:
    # As many as make reading pause at the last one: the parser stops in the next body, too.
    chunks = b"1\r\n \r\n" * (2**18 // 16 + 1) + b"0\r\n\r\n"
    later = b"Content-Length: 2\r\n\r\n{}"
    async with house(node) as here:
        reader, writer = await here.knock(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
        assert await _status(reader) == 400
        writer.write(POST + later)
        assert await _status(reader) == 400


@in_virtual_time
async def test_large_replies_leave_time_between_them_and_small_ones_do_not_wait() -> None:
    pace, loop = ReplyPace(), asyncio.get_running_loop()
    began = loop.time()

    async def at(size: int) -> float:
        await pace.wait(size)
        return round(loop.time() - began, 6)

    times = await asyncio.gather(at(LARGE), at(LARGE), at(LARGE), at(LARGE - 1))
    assert tuple(times) == (0, 0.004, 0.008, 0)
    await asyncio.sleep(1)
    assert await at(LARGE) == 1.008
