"""The front finds what is called most by itself, and leaves all else to the application."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from tests.unit.web.fake_node import ORDER

if TYPE_CHECKING:
    from tests.unit.web.conftest import Client

_UPDATE = "/api/workorder/update-quantity"
_BODY = {"workOrderId": ORDER, "type": "input"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "asks_the_router"),
    [
        ("POST", _UPDATE, {}, False),
        ("POST", f"{_UPDATE}/", {}, False),
        ("POST", f"{_UPDATE}?a=1", {}, True),
        ("POST", _UPDATE, {"Expect": "100-continue"}, True),
        ("GET", f"/api/workorder/quantity-logs/{ORDER}", {}, True),
        ("GET", _UPDATE, {}, True),
    ],
)
async def test_a_path_without_parts_is_found_at_one_look(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    headers: dict[str, str],
    asks_the_router: bool,  # noqa: FBT001 -- a case's
) -> None:
    asked = []
    resolve = web.UrlDispatcher.resolve

    async def count(router: web.UrlDispatcher, request: web.Request) -> object:
        asked.append(request.path)
        return await resolve(router, request)

    monkeypatch.setattr(web.UrlDispatcher, "resolve", count)
    async with client.request(method, path, json=_BODY, headers=headers) as reply:
        assert reply.status == (405 if (method, path) == ("GET", _UPDATE) else 200)
        assert reply.headers["X-Request-Id"]
    assert bool(asked) is asks_the_router
