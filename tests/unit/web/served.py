"""A real node on a store and a lease in memory, behind its application."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession, web

from actors.domain.messages import Updated
from actors.node.node import Node, NodeOptions
from actors.node.term import TermOptions
from actors.orders.supervisor import Limits
from actors.telemetry.spans import NO_SPANS
from tests.fake_lease import LeaseServer, MemoryLease
from tests.unit.actors.owner import order_number, update
from web.app import Options, build_app
from web.server.front import FrontRunner
from web.server.service import bind
from web.tracing.port import UNTRACED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.fakes import MemoryStore
    from web.tracing.otel import OpenTelemetry

ENGLISH = {"Accept-Language": "en"}


@dataclass
class Served:
    """A node behind its application."""

    node: Node
    session: ClientSession
    runner: web.AppRunner

    async def get(self, path: str, status: int = 200) -> Any:  # noqa: ANN401
        async with self.session.get(path, headers=ENGLISH) as reply:
            body = await reply.json()
            assert reply.status == status, body
            return body["data"] if status == 200 else body

    async def stop(self) -> None:
        await self.node.drain(5)
        await self.runner.cleanup()
        await self.node.close()


@asynccontextmanager
async def served(
    store: MemoryStore,
    server: LeaseServer,
    name: str,
    options: Options | None = None,
    otel: OpenTelemetry | None = None,
) -> AsyncIterator[Served]:
    (sock,) = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    who = NodeOptions(name, url, server.ttl_s, TermOptions(Limits()))
    node = Node(store, MemoryLease(server), who, otel or NO_SPANS)
    app = build_app(node, options or Options(), tracing=otel or UNTRACED)
    runner = FrontRunner(app)
    await runner.setup()
    await node.start()
    await web.SockSite(runner, sock).start()
    async with ClientSession(url) as session:
        here = Served(node, session, runner)
        try:
            yield here
        finally:
            await here.stop()


async def touch(owner: Served, *numbers: int) -> None:
    for number in numbers:
        assert isinstance(await owner.node.region.update(update(1, order_number(number))), Updated)
