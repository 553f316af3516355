"""The operators' console: one page of our own, its files, and what it may do."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from web.admission import ADMISSION
from web.app_context import CONTEXT
from web.openapi import parameters
from web.openapi.models.operators import ConsoleState
from web.route import Route
from web.wire.problems import Problem, RequestError
from web.wire.replies import success

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER: Final = Path(__file__).parents[1] / "console"
_PAGE: Final = _FOLDER / "index.html"
_FILES: Final[Mapping[str, Path]] = {
    each.relative_to(_FOLDER).as_posix(): each
    for suffix in ("css", "js")
    for each in _FOLDER.rglob(f"*.{suffix}")
}
"""All there are: a name that is not here is no path to anywhere."""
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Lets the page load its own files and call its own service, and nothing else."""


async def page(request: web.Request) -> web.Response:
    """Show the console."""
    # The page's addresses are relative to where it is.
    folder = "" if request.path.endswith("/") else "console/"
    text = (await asyncio.to_thread(_read, _PAGE)).replace("{folder}", folder)
    return _reply(request, text, "text/html")


async def script(request: web.Request) -> web.Response:
    """Return one of its modules."""
    return _reply(request, await _file(request, "js"), "text/javascript")


async def style(request: web.Request) -> web.Response:
    """Return one of its style sheets."""
    return _reply(request, await _file(request, "css"), "text/css")


async def state(request: web.Request) -> web.Response:
    """Tell what the console may do here, and whether the token that is shown allows it."""
    context = request.app[CONTEXT]
    data = {
        "write": context.options.console_write,
        "tokens": bool(context.options.tokens),
        "access": request.app[ADMISSION].access_of(request),
        "service": context.options.service,
        "version": context.options.version,
        "node": context.node.node_id,
    }
    return success(request, data)


async def _file(request: web.Request, suffix: str) -> str:
    folder, name = request.match_info.get("folder"), request.match_info["name"]
    path = _FILES.get(f"{folder}/{name}.{suffix}" if folder else f"{name}.{suffix}")
    if path is None:
        raise RequestError(Problem("NOT_FOUND", "NOT_FOUND"))
    return await asyncio.to_thread(_read, path)


@cache
def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _reply(request: web.Request, text: str, media: str) -> web.Response:
    headers = request.app[CONTEXT].headers.copy()
    headers["Content-Type"] = f"{media}; charset=utf-8"
    headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return web.Response(body=text.encode(), headers=headers)


ROUTES: Final = (
    Route(
        name="console",
        method="GET",
        path="/console",
        handler=page,
        open=True,
        tag="Service",
        reply=str,
        bare=True,
        media="text/html",
        example="<!doctype html>…",
    ),
    Route(
        name="consoleScript",
        method="GET",
        path="/console/{name}.js",
        handler=script,
        open=True,
        tag="Service",
        reply=str,
        failures=("NOT_FOUND",),
        parameters=(parameters.CONSOLE_SCRIPT,),
        bare=True,
        media="text/javascript",
        example="import { start } from './shell.js';",
    ),
    Route(
        name="consolePart",
        method="GET",
        path="/console/{folder}/{name}.js",
        handler=script,
        open=True,
        tag="Service",
        reply=str,
        failures=("NOT_FOUND",),
        parameters=(parameters.CONSOLE_FOLDER, parameters.CONSOLE_SCRIPT),
        bare=True,
        media="text/javascript",
        example="export class Poll {}",
    ),
    Route(
        name="consoleStyle",
        method="GET",
        path="/console/{name}.css",
        handler=style,
        open=True,
        tag="Service",
        reply=str,
        failures=("NOT_FOUND",),
        parameters=(parameters.CONSOLE_STYLE,),
        bare=True,
        media="text/css",
        example=":root { color-scheme: light dark; }",
    ),
    Route(
        name="consoleState",
        method="GET",
        path="/api/console",
        handler=state,
        open=True,
        tag="Service",
        reply=ConsoleState,
    ),
)
