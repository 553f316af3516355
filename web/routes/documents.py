"""The service's own description: for programs, and for people."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from web.app_context import CALL, CONTEXT, Language
from web.openapi import DOCUMENT, parameters
from web.openapi.page import CONTENT_SECURITY_POLICY
from web.route import Route

_LANGUAGES: Final = {"en": Language.ENGLISH, "zh": Language.CHINESE}


def _chosen(request: web.Request) -> Language | None:
    """Return the language that the address names; None where it names none."""
    return _LANGUAGES.get(request.query.get("lang", ""))


async def openapi(request: web.Request) -> web.Response:
    """Return the OpenAPI document."""
    body = (await request.app[DOCUMENT].texts(_chosen(request) or Language.ENGLISH)).json
    return web.Response(body=body, headers=request.app[CONTEXT].headers)


async def docs(request: web.Request) -> web.Response:
    """Show it as a page."""
    headers = request.app[CONTEXT].headers.copy()
    headers["Content-Type"] = "text/html; charset=utf-8"
    headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    # The page's addresses are relative to where it is.
    up = "../" if request.path.endswith("/") else ""
    page = (await request.app[DOCUMENT].texts(_chosen(request) or request[CALL].language)).page
    return web.Response(body=page.replace("{up}", up).encode(), headers=headers)


ROUTES: Final = (
    Route(
        name="openapi",
        method="GET",
        path="/openapi.json",
        handler=openapi,
        open=True,
        tag="Service",
        reply=dict[str, object],
        bare=True,
        parameters=(parameters.LANG,),
    ),
    Route(
        name="docs",
        method="GET",
        path="/docs",
        handler=docs,
        open=True,
        tag="Service",
        reply=str,
        bare=True,
        media="text/html",
        parameters=(parameters.LANG,),
        example="<!doctype html>…",
    ),
)
