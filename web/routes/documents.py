"""The service's own description: for programs, and for people."""

from __future__ import annotations

from aiohttp import web

from web.app_context import CONTEXT
from web.openapi import DOCUMENT
from web.openapi.page import CONTENT_SECURITY_POLICY


async def openapi(request: web.Request) -> web.Response:
    """Return the OpenAPI document."""
    body = await request.app[DOCUMENT].encoded()
    return web.Response(body=body, headers=request.app[CONTEXT].headers)


async def docs(request: web.Request) -> web.Response:
    """Show it as a page."""
    headers = request.app[CONTEXT].headers.copy()
    headers["Content-Type"] = "text/html; charset=utf-8"
    headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    # The page's addresses are relative to where it is.
    up = "../" if request.path.endswith("/") else ""
    page = await request.app[DOCUMENT].page()
    return web.Response(body=page.replace("{up}", up).encode(), headers=headers)
