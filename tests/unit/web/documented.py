"""Looks a reply up in the OpenAPI document: its status, and the code in its envelope."""

from __future__ import annotations

import gzip
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from aiohttp import web

from web.app_context import Options
from web.cluster.hop import FORWARDED_BY
from web.openapi.document import write_document
from web.routes.table import ROUTES

if TYPE_CHECKING:
    from collections.abc import Iterator


@cache
def document() -> dict[str, Any]:
    """Return the document of the product's routes."""
    return write_document(ROUTES, Options())


def missing_in_document(request: web.Request, response: web.StreamResponse) -> Iterator[str]:
    """Return what the document lacks of `response`.

    A path that no route takes is no operation, what a made-up owner answers is not ours, and
    to a caller that hung up aiohttp says something that nobody reads.
    """
    resource = request.match_info.route.resource
    if resource is None or request.transport is None or FORWARDED_BY in response.headers:
        return
    path = resource.canonical.rstrip("/") or "/"
    method = "get" if request.method == "HEAD" else request.method.lower()
    replies = document()["paths"][path][method]["responses"]
    name = f"{request.method} {path} {response.status}"
    if str(response.status) not in replies:
        yield name
        return
    (media,) = replies[str(response.status)]["content"]
    if response.content_type != media:
        yield f"{name} {response.content_type}"
    schema = replies[str(response.status)]["content"][media]["schema"]
    codes = schema.get("properties", {}).get("code", {}).get("enum")
    if codes and isinstance(response, web.Response) and isinstance(response.body, bytes):
        packed = "Content-Encoding" in response.headers
        code = json.loads(gzip.decompress(response.body) if packed else response.body)["code"]
        if code not in codes:
            yield f"{name} {code}"
