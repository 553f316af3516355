"""The HTTP application around a node of which the test decides what it answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import ClientSession, TCPConnector, web

from actors.node.status import Role
from tests.fake_lease import LeaseServer
from tests.fakes import MemoryStore
from tests.unit.actors.owner import order_number
from tests.unit.web.documented import missing_in_document
from tests.unit.web.fake_node import FakeNode
from tests.unit.web.fake_owner import FakeOwner, make_standby, running
from tests.unit.web.served import Served, served
from web.app import Options, build_app
from web.server.front import FrontRunner
from web.server.service import bind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection

    from aiohttp.client import _RequestContextManager
    from yarl import URL


async def until(condition: Callable[[], object]) -> None:
    """Return as soon as `condition` holds; raises TimeoutError after a hang."""
    async with asyncio.timeout(100):
        while not condition():  # noqa: ASYNC110 -- any condition
            await asyncio.sleep(0.001)


class Client:
    """Calls the application over a real connection, run as in production."""

    def __init__(self, session: ClientSession, runner: web.AppRunner) -> None:
        self._session = session
        self._runner = runner
        self.port: int = runner.addresses[0][1]

    @property
    def connections(self) -> int:
        """The open connections that the server knows of."""
        assert self._runner.server is not None
        return sum(each.transport is not None for each in self._runner.server.connections)

    @property
    def routes(self) -> Collection[web.AbstractRoute]:
        """The routes of the application."""
        return self._runner.app.router.routes()

    @property
    def app(self) -> web.Application:
        """The application."""
        return self._runner.app

    async def stop(self) -> None:
        """Stop the server, as a node does once it is drained."""
        await self._runner.cleanup()

    def get(self, path: str | URL, **options: Any) -> _RequestContextManager:  # noqa: ANN401
        return self._session.get(path, **options)

    def head(self, path: str, **options: Any) -> _RequestContextManager:  # noqa: ANN401
        return self._session.head(path, **options)

    def post(self, path: str | URL, **options: Any) -> _RequestContextManager:  # noqa: ANN401
        return self._session.post(path, **options)

    def request(self, method: str, path: str, **options: Any) -> _RequestContextManager:  # noqa: ANN401
        return self._session.request(method, path, **options)

    def delete(self, path: str | URL, **options: Any) -> _RequestContextManager:  # noqa: ANN401
        return self._session.delete(path, **options)


class LogRecorder:
    """Keeps the events that a module logs."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def __getattr__(self, level: str) -> Any:  # noqa: ANN401 any level's method
        def record(event: str, **fields: object) -> None:
            self.events.append({"level": level, "event": event, **fields})

        return record

    def named(self, event: str) -> list[dict[str, Any]]:
        return [each for each in self.events if each["event"] == event]


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> LogRecorder:
    recorder = LogRecorder()
    monkeypatch.setattr("web.middleware._log", recorder)
    return recorder


@pytest.fixture
def node() -> FakeNode:
    return FakeNode()


@pytest.fixture
def options() -> Options:
    return Options(
        max_batch=3,
        max_body_bytes=4096,
        body_timeout_s=60,
        request_timeout_s=20,
        log_every_call=True,
        time_zone=ZoneInfo("Asia/Shanghai"),
    )


@pytest.fixture
async def client(node: FakeNode, options: Options, logged: LogRecorder) -> AsyncIterator[Client]:
    assert not logged.events
    app = build_app(node.as_node(), options)
    undocumented: list[str] = []

    async def look_up(request: web.Request, response: web.StreamResponse) -> None:
        undocumented.extend(missing_in_document(request, response))

    app.on_response_prepare.append(look_up)
    runner = FrontRunner(app)
    await runner.setup()
    (sock,) = bind("127.0.0.1", 0)
    await web.SockSite(runner, sock).start()
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    async with ClientSession(url, connector=TCPConnector(limit=0)) as session:
        yield Client(session, runner)
    await runner.cleanup()
    assert undocumented == [], "the OpenAPI document lacks these"


@pytest.fixture
def forward_log(monkeypatch: pytest.MonkeyPatch) -> LogRecorder:
    recorder = LogRecorder()
    monkeypatch.setattr("web.cluster.forward._log", recorder)
    monkeypatch.setattr("web.cluster.peer._log", recorder)
    return recorder


@pytest.fixture
async def owner() -> AsyncIterator[FakeOwner]:
    async with running(FakeOwner()) as server:
        yield server


@pytest.fixture
def standby(node: FakeNode, owner: FakeOwner) -> FakeNode:
    make_standby(node, owner.url)
    return node


# -- a real node ----------------------------------------------------------------------------


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    for number in range(1, 6):
        store.put(order_number(number))
    return store


@pytest.fixture
async def first(store: MemoryStore, lease: LeaseServer) -> AsyncIterator[Served]:
    async with served(store, lease, "a") as here:
        assert here.node.status().role is Role.OWNER
        yield here


@pytest.fixture
def lease(request: pytest.FixtureRequest) -> LeaseServer:
    """Return a lease that no slow machine loses; who waits for a renewal asks for a short one."""
    return LeaseServer(getattr(request, "param", 60.0))


@pytest.fixture
async def second(store: MemoryStore, lease: LeaseServer, first: Served) -> AsyncIterator[Served]:
    assert first.node.status().serving
    async with served(store, lease, "b") as here:
        async with asyncio.timeout(100):
            while True:
                async with here.session.get("/readyz") as reply:
                    if reply.status == 200:
                        break
        yield here
