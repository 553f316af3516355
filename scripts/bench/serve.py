"""Run a baseline's aiohttp application on loopback until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    import argparse

_BACKLOG = 1024


async def _ready(_request: web.Request) -> web.Response:
    return web.Response()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options every baseline has."""
    parser.add_argument("--port", type=int, required=True, help="loopback port to listen on")
    parser.add_argument(
        "--max-seconds", type=float, default=900.0, help="stop by itself after this long"
    )


async def serve(app: web.Application, args: argparse.Namespace) -> None:
    """Serve until SIGTERM, SIGINT or `--max-seconds`, so that an orphan does not stay."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    loop.call_later(args.max_seconds, stop.set)
    app.router.add_get("/readyz", _ready)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", args.port, backlog=_BACKLOG).start()
        await stop.wait()
    finally:
        await runner.cleanup()
