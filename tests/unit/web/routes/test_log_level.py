"""The log's level, changed while the node runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession, web

from web.app import Options, build_app
from web.server.front import FrontRunner
from web.server.service import bind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.web.conftest import Client
    from tests.unit.web.fake_node import FakeNode
    from web.app_context import LogLevel

PATH = "/api/log-level"


@dataclass
class FakeLog:
    level: str = "info"
    dropped: int = 3
    given: list[str] = field(default_factory=list)

    def set_level(self, level: LogLevel) -> None:
        self.level = level
        self.given.append(level)


@pytest.fixture
def log() -> FakeLog:
    return FakeLog()


@pytest.fixture
async def session(node: FakeNode, log: FakeLog) -> AsyncIterator[ClientSession]:
    runner = FrontRunner(build_app(node.as_node(), Options(), log))
    await runner.setup()
    (sock,) = bind("127.0.0.1", 0)
    await web.SockSite(runner, sock).start()
    async with ClientSession(f"http://127.0.0.1:{sock.getsockname()[1]}") as session:
        yield session
    await runner.cleanup()


async def _put(session: ClientSession, body: Any) -> tuple[int, Any]:  # noqa: ANN401
    async with session.put(PATH, json=body) as reply:
        return reply.status, await reply.json()


async def test_the_level_is_shown_and_changed(session: ClientSession, log: FakeLog) -> None:
    async with session.get(PATH) as reply:
        shown = (await reply.json())["data"]
    assert shown == {"node": "node-1", "level": "info", "dropped": 3}
    status, body = await _put(session, {"level": "debug"})
    assert (status, body["data"]["level"], log.given) == (200, "debug", ["debug"])


@pytest.mark.parametrize("body", [{}, {"level": "loud"}, {"level": 10}, {"level": ["info"]}])
async def test_a_level_that_is_none_changes_nothing(
    session: ClientSession,
    log: FakeLog,
    body: Any,  # noqa: ANN401
) -> None:
    status, answer = await _put(session, body)
    assert (status, answer["code"]) == (400, "INVALID_LOG_LEVEL")
    assert log.given == []


async def test_lost_lines_are_in_the_metrics(session: ClientSession) -> None:
    async with session.get("/metrics") as reply:
        assert "workorder_log_lines_dropped_total 3.0" in await reply.text()


async def test_where_there_is_no_log_to_change_there_is_nothing(client: Client) -> None:
    async with client.get(PATH) as reply:
        assert reply.status == 404
