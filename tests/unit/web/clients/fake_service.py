"""A service that counts what it is sent, each key once, and fails in the ways a test asks for."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]

REFUSED = {"WORK_ORDER_NOT_FOUND": 404, "DUPLICATE_OPERATION": 409, "SYSTEM_ERROR": 500}


def envelope(
    status: int, code: str, data: object = None, headers: dict[str, str] | None = None
) -> web.Response:
    """Answer as the service does."""
    body = {"success": status == 200, "message": f"about {code}", "data": data, "code": code}
    return web.json_response(body, status=status, headers=headers)


def failed(code: str, status: int, **more: object) -> dict[str, Any]:
    """Return an item that failed, as a service tells of it."""
    about = {"message": f"about {code}", "status": status, "data": {"field": "f"}}
    return {"success": False, "code": code, **about, **more}


def answers(status: int, code: str, **headers: str) -> Fault:
    """Refuse once."""

    async def fault(_request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return envelope(status, code, headers=named)

    return fault


def says(body: bytes, status: int = 200) -> Fault:
    """Answer with that, whatever it is."""

    async def fault(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, content_type="application/json")

    return fault


async def hangs(_request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def breaks(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    await asyncio.Event().wait()
    raise AssertionError


async def drips(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    while True:
        await response.write(b"{")
        await asyncio.sleep(0.02)


@dataclass
class FakeService:
    """A real HTTP server on one port, up and down; as a context manager up inside."""

    port: int = 0
    faults: deque[Fault] = field(default_factory=deque)
    """What the next calls meet, one each; after them all goes well."""
    always: Fault | None = None
    late: bool = False
    """Whether calls that meet a fault are applied all the same, as one whose answer is lost."""
    applied: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    """Orders that are refused, and the code they are refused with."""
    poison: str | None = None
    """A key that spoils the whole call it comes with."""
    sizes: list[int] = field(default_factory=list)
    """Updates in each call that arrived."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    """When each call arrived, in loop time."""
    probes: int = 0
    health: dict[str, Any] = field(default_factory=lambda: {"status": "ok", "role": "owner"})
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def keys(self) -> list[str]:
        """The keys of what was applied, in that order."""
        return [key for _, key in self.applied]

    async def up(self) -> None:
        """Listen, on the same port as before."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01)
        await self._runner.setup()
        context = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await context.start()
        self.port = self._runner.addresses[0][1]

    async def down(self) -> None:
        """Listen no more, and cut all connections."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.down()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/health":
            self.probes += 1
            return web.json_response(
                self.health, status=200 if self.health["status"] == "ok" else 503
            )
        self.at.append(asyncio.get_running_loop().time())
        body = await request.json() if request.method == "POST" else {}
        self.bodies.append(body)
        items = body.get("updates", [body] if "workOrderId" in body else [])
        self.sizes.append(len(items))
        fault = self.faults.popleft() if self.faults else self.always
        if fault is not None:
            if self.late:
                self._apply(items)
            with suppress(ConnectionError):
                return await fault(request)
        if self.poison in {item["requestId"] for item in items}:
            return envelope(400, "INVALID_JSON")
        results = self._apply(items)
        if "updates" in body:
            return envelope(200, "UPDATED", {"total": len(items), "results": results})
        if request.method == "GET":
            return envelope(200, "OK", {"path": request.path, **request.query})
        [result] = results
        status, data = result.get("status", 200), result.get("data", result)
        return envelope(status, result["code"], data)

    def _apply(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        results = []
        for item in items:
            order, key = item["workOrderId"], item["requestId"]
            if order in self.refused:
                code = self.refused[order]
                results.append(failed(code, REFUSED[code]))
                continue
            first = self.applied.setdefault((order, key), item)
            assert json.dumps(first) == json.dumps(item), "the same key with another content"
            about = {"message": "about UPDATED", "jobId": key, "queueLength": 0}
            results.append({"success": True, "code": "UPDATED", **about})
        return results
