"""The operators' console: one page of our own, its files, and what it may do."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING, Final

from aiohttp import web

from web.admission import ADMISSION
from web.app_context import CONTEXT
from web.openapi import parameters
from web.openapi.models.operators import ConsoleState
from web.route import Route
from web.routes import console_bundle
from web.wire.replies import success

if TYPE_CHECKING:
    from web.routes.console_bundle import Bundle

_PAGE: Final = console_bundle.FOLDER / "index.html"
_FOR_EVER: Final = "public, max-age=31536000, immutable"
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Lets the page load its own files and call its own service, and nothing else."""


async def page(request: web.Request) -> web.Response:
    """Show the console."""
    # The page's addresses are relative to where it is.
    folder = "" if request.path.endswith("/") else "console/"
    text = await asyncio.to_thread(_page)
    return _reply(request, text.replace("{folder}", folder).encode(), "text/html")


async def script(request: web.Request) -> web.Response:
    """Return its script; under the address that the page has for it, to be kept for good."""
    return _file(request, await asyncio.to_thread(console_bundle.script), "text/javascript")


async def style(request: web.Request) -> web.Response:
    """Return its style sheet, in the same way."""
    return _file(request, await asyncio.to_thread(console_bundle.style), "text/css")


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
        "environment": context.options.environment,
    }
    return success(request, data)


@cache
def _page() -> str:
    return (
        _PAGE.read_text(encoding="utf-8")
        .replace("{script}", console_bundle.script().digest)
        .replace("{style}", console_bundle.style().digest)
    )


def _file(request: web.Request, bundle: Bundle, media: str) -> web.Response:
    response = _reply(request, bundle.body, media)
    if request.query.get("v") == bundle.digest:
        response.headers["Cache-Control"] = _FOR_EVER
    return response


def _reply(request: web.Request, body: bytes, media: str) -> web.Response:
    headers = request.app[CONTEXT].headers.copy()
    headers["Content-Type"] = f"{media}; charset=utf-8"
    headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return web.Response(body=body, headers=headers)


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
        path="/console/app.js",
        handler=script,
        open=True,
        tag="Service",
        reply=str,
        parameters=(parameters.HASH,),
        bare=True,
        media="text/javascript",
        example="const from_main = (() => {})();",
    ),
    Route(
        name="consoleStyle",
        method="GET",
        path="/console/app.css",
        handler=style,
        open=True,
        tag="Service",
        reply=str,
        parameters=(parameters.HASH,),
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
