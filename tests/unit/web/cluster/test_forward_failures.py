"""A standby and an owner that fails: "not applied" only where it is certain, nothing twice."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from actors.node.status import Role
from tests.event_loop import LoopOfTests
from tests.servers import free_port
from tests.unit.web.conftest import until
from tests.unit.web.fake_node import ORDER, FakeNode
from tests.unit.web.fake_owner import broken, hang, make_standby
from web.app import Options, build_app
from web.app_context import CONTEXT
from web.cluster import forward
from web.server.refusals import Refusals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.web.conftest import Client, LogRecorder
    from tests.unit.web.fake_owner import BrokenOwner, Fail, FakeOwner

API = "/api/workorder"
UPDATE = f"{API}/update-quantity"
STATS = f"{API}/queue/stats"
PAUSE = f"{API}/queue/pause"
BODY = json.dumps({"workOrderId": ORDER, "type": "input"}).encode()
REPLY = (
    b"HTTP/1.1 200 OK\r\nX-Served-By: node-2\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\n\r\n{}"
)


@pytest.fixture
def options() -> Options:
    return Options(request_timeout_s=20)


@pytest.fixture
async def undo() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def _owner_that(fail: Fail, node: FakeNode, undo: AsyncExitStack) -> BrokenOwner:
    owner = await undo.enter_async_context(broken(fail))
    make_standby(node, owner.url)
    return owner


async def _call(client: Client, path: str) -> tuple[int, dict[str, Any], str | None]:
    call = client.get(path) if path == STATS else client.post(path, data=BODY)
    async with call as reply:
        assert reply.headers["X-Served-By"] == "node-1"
        return reply.status, await reply.json(), reply.headers.get("Retry-After")


async def _is_not_applied(client: Client, path: str) -> None:
    status, body, retry_after = await _call(client, path)
    assert (status, body["code"], retry_after) == (503, "SERVICE_UNAVAILABLE", "1")


async def _is_unknown(client: Client, path: str) -> None:
    status, body, retry_after = await _call(client, path)
    if path == STATS:
        assert (status, body["code"], retry_after) == (503, "SERVICE_UNAVAILABLE", "1")
    else:
        assert (status, body["code"], retry_after) == (504, "TIMEOUT", None)


# -- nothing was sent ----------------------------------------------------------------------


@pytest.mark.parametrize("path", [UPDATE, PAUSE, STATS])
async def test_a_refused_connection_means_not_applied(
    client: Client, node: FakeNode, forward_log: LogRecorder, path: str
) -> None:
    make_standby(node, f"http://127.0.0.1:{free_port()}")
    await _is_not_applied(client, path)
    (line,) = forward_log.named("forward_failed")
    assert (line["node"], line["sent"], line["level"]) == ("node-2", False, "warning")
    assert line["error"]
    assert line["request_id"]


async def test_an_owner_whose_machine_takes_no_connection_means_not_applied(
    client: Client, node: FakeNode
) -> None:
    with socket.socket() as full, ExitStack() as undo:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        for _ in range(2):  # fill its queue: further packets are dropped
            waiting = undo.enter_context(socket.socket())
            waiting.setblocking(False)  # noqa: FBT003 the standard library's signature
            waiting.connect_ex(address)
        make_standby(node, f"http://127.0.0.1:{address[1]}")
        async with asyncio.timeout(100):
            await _is_not_applied(client, UPDATE)


async def test_a_name_that_leads_nowhere_means_not_applied(
    client: Client, node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    make_standby(node, "http://localhost:1")
    await _is_not_applied(client, UPDATE)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1:3001",
        "http://example.com",
        "http://127.0.0.1@example.com:3001",
        "http://user:word@127.0.0.1:3001",
        "http://127.0.0.1.example.com:3001",
        "http://127.0.example.com:3001",
        "http://127.0.0.1:3001?x=1",
        "http://127.0.0.1:3001#x",
        "https://127.0.0.1:3001",
        "file:///etc/passwd",
        "http://",
        "http://127.0.0.1:99999",
        "127.0.0.1:3001",
        "",
    ],
)
async def test_an_address_that_is_not_allowed_is_refused_and_said_once(
    client: Client,
    node: FakeNode,
    forward_log: LogRecorder,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
) -> None:
    def no_connection(*_: object, **__: object) -> None:
        raise AssertionError("it connects")

    make_standby(node, url)
    monkeypatch.setattr("aiohttp.ClientSession.request", no_connection)
    for path in (UPDATE, PAUSE, STATS):
        await _is_not_applied(client, path)
    (line,) = forward_log.named("forward_refused")
    assert (line["node"], line["url"]) == ("node-2", url)


async def test_an_address_that_is_our_own_is_refused(
    client: Client, node: FakeNode, forward_log: LogRecorder
) -> None:
    make_standby(node, node.status().url)
    await _is_not_applied(client, UPDATE)
    assert forward_log.named("forward_refused")


# -- it may have been sent -----------------------------------------------------------------


async def _close(writer: asyncio.StreamWriter, _number: int) -> None:
    writer.close()


async def _reset(writer: asyncio.StreamWriter, _number: int) -> None:
    writer.transport.abort()


async def _babble(writer: asyncio.StreamWriter, _number: int) -> None:
    writer.write(b"\x00\xff220 mail.example.com ESMTP\r\n\r\n" * 9)
    await writer.drain()


async def _stop_half_way(writer: asyncio.StreamWriter, _number: int) -> None:
    writer.write(REPLY.replace(b"Content-Length: 2", b"Content-Length: 99"))
    await writer.drain()
    writer.close()


async def _be_another_service(writer: asyncio.StreamWriter, _number: int) -> None:
    writer.write(REPLY.replace(b"X-Served-By: node-2\r\n", b""))
    await writer.drain()


async def _answer_once(writer: asyncio.StreamWriter, number: int) -> None:
    if number > 1:
        writer.transport.abort()
        return
    writer.write(REPLY)
    await writer.drain()


async def _have_no_place(writer: asyncio.StreamWriter, _number: int) -> None:
    context = build_app(FakeNode().as_node(), Options())[CONTEXT]
    writer.write(Refusals(context).busy())
    await writer.drain()


@pytest.mark.parametrize("path", [UPDATE, PAUSE, STATS])
async def test_a_call_that_the_owner_had_no_connection_for_is_surely_not_applied(
    client: Client, node: FakeNode, undo: AsyncExitStack, path: str
) -> None:
    await _owner_that(_have_no_place, node, undo)
    await _is_not_applied(client, path)


@pytest.mark.parametrize("path", [UPDATE, PAUSE, STATS])
@pytest.mark.parametrize(
    "fail", [_close, _reset, _babble, _stop_half_way, _be_another_service], ids=lambda f: f.__name__
)
async def test_a_lost_answer_is_unknown_and_the_call_was_sent_once(
    client: Client,
    node: FakeNode,
    undo: AsyncExitStack,
    forward_log: LogRecorder,
    fail: Fail,
    path: str,
) -> None:
    owner = await _owner_that(fail, node, undo)
    await _is_unknown(client, path)
    assert owner.requests == 1
    assert forward_log.named("forward_failed")[0]["sent"] is True


@pytest.mark.parametrize("path", [UPDATE, PAUSE, STATS])
async def test_a_connection_that_dies_when_used_again_repeats_nothing(
    client: Client, node: FakeNode, undo: AsyncExitStack, path: str
) -> None:
    owner = await _owner_that(_answer_once, node, undo)
    async with client.get(STATS) if path == STATS else client.post(path, data=BODY) as reply:
        assert reply.status == 200
    await _is_unknown(client, path)
    assert owner.requests == 2


async def test_a_redirect_is_not_followed(
    client: Client, standby: FakeNode, owner: FakeOwner, undo: AsyncExitStack
) -> None:
    assert standby.owner is not None
    elsewhere = await undo.enter_async_context(broken(_close))
    owner.status, owner.headers["Location"] = 307, f"{elsewhere.url}{UPDATE}"
    await _is_unknown(client, UPDATE)
    assert elsewhere.connections == 0


async def test_no_proxy_of_the_environment_is_used(
    client: Client,
    standby: FakeNode,
    owner: FakeOwner,
    undo: AsyncExitStack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert standby.owner is not None
    proxy = await undo.enter_async_context(broken(_close))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    async with client.post(UPDATE, data=BODY) as reply:
        assert reply.status == 200
    assert (len(owner.seen), proxy.connections) == (1, 0)


@pytest.mark.parametrize("path", [UPDATE, PAUSE, STATS])
async def test_an_owner_that_never_answers_is_given_up_when_the_time_for_a_call_is_over(
    client: Client, node: FakeNode, undo: AsyncExitStack, options: Options, path: str
) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LoopOfTests)
    owner = await _owner_that(hang, node, undo)
    call = asyncio.create_task(_is_unknown(client, path))
    await until(lambda: owner.requests)
    loop.skip(options.request_timeout_s)
    async with asyncio.timeout(100):
        await call
    assert owner.requests == 1


async def test_the_owner_is_given_less_than_all_of_it(
    client: Client, standby: FakeNode, owner: FakeOwner, options: Options
) -> None:
    assert standby.owner is not None
    async with client.post(UPDATE, data=BODY):
        pass
    given_s = int(owner.seen[0].headers["X-Deadline-Ms"]) / 1_000
    assert options.request_timeout_s / 2 < given_s <= options.request_timeout_s - 0.5
    assert forward._owners_share_ms(0.6) == 300, "half, where there is little"  # noqa: SLF001


# -- the owner goes ------------------------------------------------------------------------


async def test_a_call_to_an_owner_that_hangs_ends_when_it_loses_the_lease(
    client: Client, node: FakeNode, undo: AsyncExitStack
) -> None:
    owner = await _owner_that(hang, node, undo)
    calls = [asyncio.create_task(_is_unknown(client, path)) for path in (UPDATE, STATS)]
    await until(lambda: owner.requests == 2)
    make_standby(node, owner.url, tenure=2)
    async with asyncio.timeout(100):
        await asyncio.gather(*calls)


async def test_a_node_that_stops_answers_the_calls_that_it_forwarded(
    client: Client, node: FakeNode, undo: AsyncExitStack
) -> None:
    owner = await _owner_that(hang, node, undo)
    call = asyncio.create_task(_is_unknown(client, UPDATE))
    await until(lambda: owner.requests == 1)
    node.become(role=Role.STOPPED)
    node.owner = None
    async with asyncio.timeout(100):
        await client.stop()
        await call


class TestWithFewConnections:
    """Waiting updates take up all connections there are for them."""

    @pytest.fixture(autouse=True)
    def few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("web.cluster.forward._UPDATES_AT_ONCE", 2)

    @pytest.fixture
    async def waiting(
        self, few: None, client: Client, standby: FakeNode, owner: FakeOwner
    ) -> AsyncIterator[list[asyncio.Task[int]]]:
        assert few is None
        assert standby.owner is not None
        owner.gate = asyncio.Event()
        calls = [asyncio.create_task(_status(client, UPDATE)) for _ in range(3)]
        await until(lambda: len(owner.seen) == 2)
        yield calls
        owner.gate.set()
        assert await asyncio.gather(*calls) == [200, 200, 200]

    async def test_they_keep_no_operator_from_resuming(
        self, client: Client, owner: FakeOwner, waiting: list[asyncio.Task[int]]
    ) -> None:
        resume = asyncio.create_task(_status(client, f"{API}/queue/resume"))
        await until(lambda: len(owner.seen) == 3)
        assert owner.seen[-1].path.endswith("/resume")
        assert not any(each.done() for each in waiting)
        assert owner.gate is not None
        owner.gate.set()
        assert await resume == 200

    async def test_one_that_finds_none_free_in_time_is_not_applied(
        self,
        client: Client,
        owner: FakeOwner,
        waiting: list[asyncio.Task[int]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("web.cluster.forward.allowed_s", lambda _request: 0.2)
        await _is_not_applied(client, UPDATE)
        assert len(owner.seen) == 2
        assert not any(each.done() for each in waiting)


async def _status(client: Client, path: str) -> int:
    async with client.post(path, data=BODY) as reply:
        return reply.status
