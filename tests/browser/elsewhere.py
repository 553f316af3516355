"""Small servers of a test's own: other people's pages, and proxies in front of a node."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


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
