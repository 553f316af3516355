"""Room for large replies: bounded in all, and taken from who reads nothing while others wait."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast
from unittest.mock import AsyncMock, Mock

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import make_mocked_request

from actors.store import LogPage
from tests.event_loop import LoopOfTests
from tests.unit.web.conftest import until
from tests.unit.web.fake_node import ORDER
from tests.virtual_time import in_virtual_time
from web.app import Options, build_app
from web.app_context import CONTEXT
from web.server.front import FrontRunner
from web.server.service import bind
from web.wire import room
from web.wire.cuts import CUTS, Cuts
from web.wire.room import ROOM, ReplyRoom

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.web.fake_node import FakeNode
    from web.app_context import AppContext

_PATH = f"/api/workorder/quantity-logs/{ORDER}"
_AS_IT_IS = {"Accept-Encoding": "identity"}
_LARGE = LogPage(1, ({"remark": "x" * 30_000_000},))
"""More than the system takes for a peer that reads nothing."""


class Place:
    """An application, and callers who ask it for a page of the log."""

    def __init__(self, app: web.Application, session: ClientSession, port: int) -> None:
        self.room: ReplyRoom = app[ROOM]
        self.cuts: Cuts = app[CUTS]
        self.session, self._port = session, port
        self._writers: list[asyncio.StreamWriter] = []

    async def ask(self) -> asyncio.StreamReader:
        """Ask on a connection of its own, and read nothing yet."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.append(writer)
        writer.write(f"GET {_PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return reader

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def _place(node: FakeNode, **options: float) -> AsyncIterator[Place]:
    app = build_app(node.as_node(), Options(max_replies_bytes=2**22, **options))  # type: ignore[arg-type]
    runner = FrontRunner(app)
    await runner.setup()
    (sock,) = bind("127.0.0.1", 0)
    await web.SockSite(runner, sock).start()
    port = sock.getsockname()[1]
    async with ClientSession(f"http://127.0.0.1:{port}") as session:
        place = Place(app, session, port)
        try:
            yield place
        finally:
            place.hang_up()
            await runner.cleanup()


async def test_who_reads_nothing_is_cut_off_when_another_waits_for_room(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_STALLED_S", 0.1)
    node.store.page = _LARGE
    async with _place(node) as place:
        unread = await place.ask()
        await until(lambda: place.room.held > 2**22)
        node.store.page = LogPage(0, ())
        async with place.session.get(_PATH) as reply:
            assert reply.status == 200
        assert place.cuts.counts == {"room": 1}
        assert place.room.held == 0
        with suppress(ConnectionError):
            assert len(await unread.read()) < 30_000_000


async def test_who_finds_no_room_in_time_is_told_to_come_again(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_STALLED_S", float("inf"))
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LoopOfTests)
    node.store.page = _LARGE
    async with _place(node, request_timeout_s=60) as place:
        await place.ask()
        await until(lambda: place.room.held > 2**22)
        asked = asyncio.ensure_future(place.session.get(_PATH))
        while not asked.done():
            loop.skip(10)
            await asyncio.sleep(0.01)
        async with await asked as reply:
            body = await reply.json()
            assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
            assert body["code"] == "SERVICE_UNAVAILABLE"
        assert len(node.store.queries) == 1  # nothing was read for the other
        async with place.session.get("/api/workorder/queue/stats") as reply:
            assert reply.status == 200  # small replies need no room
        assert not place.cuts.counts


@in_virtual_time
async def test_who_reads_is_not_cut_off_however_many_wait() -> None:
    app = web.Application()
    options = Options(request_timeout_s=100)
    app[CONTEXT] = cast("AppContext", SimpleNamespace(options=options))
    cuts = Cuts()
    here = ReplyRoom(2**22, cuts)
    transport, writer = Mock(), AsyncMock(length=None)
    unsent = 4_000_000
    transport.get_write_buffer_size = lambda: unsent
    taken = asyncio.Event()
    writer.write_eof = lambda _body: taken.wait()

    async def serve() -> None:
        request = make_mocked_request("GET", "/", app=app, writer=writer, transport=transport)
        reply = await here.bound(partial(_reply, unsent))(request)
        await here.send(request, reply)

    reading, waiting = asyncio.create_task(serve()), asyncio.create_task(serve())
    while unsent:
        await asyncio.sleep(1)  # less than a stall is
        unsent -= 100_000
    taken.set()
    await asyncio.gather(reading, waiting)
    assert not cuts.counts
    assert not here.held


async def _reply(size: int, _request: web.Request) -> web.Response:
    return web.Response(body=b"x" * size)


@pytest.mark.parametrize("failure", [None, RuntimeError("of the store")])
async def test_small_replies_and_failures_keep_no_room(
    node: FakeNode, failure: Exception | None
) -> None:
    node.store.failure = failure
    async with _place(node) as place:
        for method in ("GET", "HEAD"):
            async with place.session.request(method, _PATH) as reply:
                assert reply.status == (500 if failure else 200)
        assert place.room.held == 0


async def test_a_large_reply_is_whole_and_kept_no_longer_than_until_it_is_read(
    node: FakeNode,
) -> None:
    node.store.page = _LARGE
    async with _place(node) as place:
        async with place.session.get(_PATH, headers=_AS_IT_IS) as reply:
            body = await reply.json()
            assert len(body["data"]["logs"][0]["remark"]) == 30_000_000
            assert reply.headers["X-Request-Id"]
        await until(lambda: place.room.held == 0)
        async with place.session.head(_PATH, headers=_AS_IT_IS) as reply:
            assert int(reply.headers["Content-Length"]) > 30_000_000
