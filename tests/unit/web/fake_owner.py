"""The owner that a standby forwards to, of which tests decide how it answers or fails."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from actors.lease import Holder
from actors.node.status import Role
from web.cluster.seal import SIGNATURE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from multidict import CIMultiDictProxy

    from tests.unit.web.fake_node import FakeNode

OWNER = "node-2"
HEALTHY = {"status": "ok", "role": "owner", "node": OWNER, "paused": False}


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that arrived."""

    method: str
    path: str
    headers: CIMultiDictProxy[str]
    body: bytes


@dataclass
class FakeOwner:
    """A real HTTP server; `answer` makes its replies, `/health` apart."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    health: Any = field(default_factory=lambda: dict(HEALTHY))
    status: int = 200
    body: bytes = b'{"success":true,"data":null,"message":"","code":"OK"}'
    headers: dict[str, str] = field(default_factory=lambda: {"X-Served-By": OWNER})
    gate: asyncio.Event | None = None
    refuses_signatures: bool = False
    probes: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/health":
            self.probes += 1
            if self.refuses_signatures:
                return web.Response(status=503, headers={SIGNATURE: "refused"})
            status = 200 if self.health["status"] == "ok" else 503
            return web.json_response(self.health, status=status)
        body = await request.read()
        self.seen.append(Seen(request.method, request.raw_path, request.headers, body))
        if self.gate is not None:
            await self.gate.wait()
        return web.Response(
            status=self.status,
            body=self.body,
            headers={"Content-Type": "application/json; charset=utf-8", **self.headers},
        )


@asynccontextmanager
async def running(owner: FakeOwner) -> AsyncIterator[FakeOwner]:
    """Serve on a free port."""
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", owner.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    owner.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield owner
    finally:
        await runner.cleanup()


Fail = Callable[[asyncio.StreamWriter, int], Awaitable[None]]


@dataclass
class BrokenOwner:
    """A server that reads whole requests and then does what `fail` says, given their number."""

    fail: Fail
    url: str = ""
    requests: int = 0
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
                await reader.readexactly(int(length[1]) if length else 0)
                if b" /health " in head:
                    return
                self.requests += 1
                await self.fail(writer, self.requests)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def broken(fail: Fail) -> AsyncIterator[BrokenOwner]:
    """Serve on a free port, and end what still hangs there at the end."""
    owner = BrokenOwner(fail)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(owner.serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    owner.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield owner
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def hang(_writer: asyncio.StreamWriter, _number: int) -> None:
    """Never answer."""
    await asyncio.Event().wait()


def make_standby(node: FakeNode, url: str, tenure: int = 1) -> None:
    """Let another node own the actors, at `url`; it has the lease for the `tenure`th time."""
    node.become(role=Role.STANDBY, serving=False, reason=f"{OWNER} owns the actors")
    node.owner = Holder(OWNER, url, f"token-{tenure}", 4 + tenure)
