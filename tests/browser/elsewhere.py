"""Small servers of a test's own: other people's pages, and proxies in front of a node."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp import web

from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_CLIENT: Final = web.AppKey("client", aiohttp.ClientSession)
_HOPS: Final = frozenset({"Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length"})
"""Headers of one hop; what is passed on is cut into parts anew."""


@asynccontextmanager
async def serve(app: web.Application) -> AsyncIterator[int]:
    """Serve `app` on a free loopback port, and give the port."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    port = free_port()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield port
    finally:
        await runner.cleanup()


def page_of_others(form_action: str) -> web.Application:
    """Show a page with a form that is sent to `form_action`."""

    async def show(_: web.Request) -> web.Response:
        text = (
            '<!doctype html><html lang="en"><title>Elsewhere</title><link rel="icon" href="data:,">'
            f'<form method="post" enctype="text/plain" action="{form_action}">'
            "<button>Win a prize</button></form></html>"
        )
        return web.Response(text=text, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", show)
    return app


def under_prefix(prefix: str, target: str) -> web.Application:
    """Stand in front of `target`, which is then at `prefix`, as a reverse proxy does."""

    async def client(app: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            app[_CLIENT] = session
            yield

    async def forward(request: web.Request) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name not in _HOPS}
        async with request.app[_CLIENT].request(
            request.method,
            target + request.path_qs.removeprefix(prefix),
            headers=headers,
            data=await request.read(),
            allow_redirects=False,
        ) as reply:
            kept = {name: value for name, value in reply.headers.items() if name not in _HOPS}
            response = web.StreamResponse(status=reply.status, headers=kept)
            # Who asked for a stream leaves it when he has seen enough.
            with suppress(ConnectionError):
                await response.prepare(request)
                async for part in reply.content.iter_any():
                    await response.write(part)
        return response

    app = web.Application()
    app.cleanup_ctx.append(client)
    app.router.add_route("*", prefix + "/{path:.*}", forward)
    return app
