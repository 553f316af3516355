"""Pages of other sites in the browser of somebody who can reach the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.browser.elsewhere import page_of_others, serve
from tests.service.nodes import ServiceNode

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Page

    from tests.browser.visitors import Visitors

pytestmark = pytest.mark.asyncio(loop_scope="session")

_PAUSE = "/api/workorder/queue/pause"
_RESUME = "/api/workorder/queue/resume"
_STATS = "/api/workorder/queue/stats"
_CALL = """async ([url, options]) => {
  try {
    const reply = await fetch(url, options);
    return [reply.status, reply.type === 'opaque' ? null : (await reply.json()).code];
  } catch (error) {
    return [0, error.name];
  }
}"""
_JSON = {"method": "POST", "headers": {"Content-Type": "application/json"}, "body": "{}"}
_PLAIN = {"method": "POST", "headers": {"Content-Type": "text/plain"}, "body": "{}"}
_BLIND = {**_PLAIN, "mode": "no-cors"}
_UNREADABLE = [0, "TypeError"]


async def _call(page: Page, url: str, options: dict[str, Any] | None = None) -> list[Any]:
    found: list[Any] = await page.evaluate(_CALL, [url, options or {}])
    return found


# A neighbour on the same host is "same-site" to a browser, another name is "cross-site".
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_page_of_another_origin_can_neither_change_nor_read(
    visitors: Visitors, shared_node: ServiceNode, host: str
) -> None:
    async with serve(page_of_others(shared_node.uri + _PAUSE)) as port:
        elsewhere = f"http://{host}:{port}"
        visitor = await visitors.come(elsewhere, shared_node.uri)
        visitor.watch.forgive("blocked by CORS policy", "ERR_FAILED|ERR_BLOCKED", "status of 403")
        page = visitor.page
        await page.goto("/")

        assert await _call(page, shared_node.uri + _STATS) == _UNREADABLE
        for options in (_JSON, _PLAIN, _BLIND):
            assert await _call(page, shared_node.uri + _PAUSE, options) == _UNREADABLE
        await page.get_by_role("button").click()
        await expect(page.locator("body")).to_contain_text('"code":"CROSS_SITE"')

        refused = await visitor.context.request.get(shared_node.uri + _STATS)
        assert (await refused.json())["data"]["paused"] is False


async def test_a_page_of_a_listed_origin_can_do_both_and_its_neighbour_nothing(
    visitors: Visitors, tmp_path: Path
) -> None:
    async with serve(page_of_others("")) as listed, serve(page_of_others("")) as unlisted:
        environment = {"CORS_ORIGINS": f"http://127.0.0.1:{listed}"}
        node = ServiceNode(environment, tmp_path / "node")
        try:
            await node.started()
            friend = (await visitors.come(f"http://127.0.0.1:{listed}", node.uri)).page
            await friend.goto("/")
            assert await _call(friend, node.uri + _PAUSE, _JSON) == [200, "OK"]
            assert await _call(friend, node.uri + _STATS) == [200, "OK"]
            assert await _call(friend, node.uri + _RESUME, _PLAIN) == [200, "OK"]

            other = await visitors.come(f"http://127.0.0.1:{unlisted}", node.uri)
            other.watch.forgive("blocked by CORS policy", "ERR_FAILED")
            await other.page.goto("/")
            assert await _call(other.page, node.uri + _PAUSE, _JSON) == _UNREADABLE
            assert await _call(other.page, node.uri + _STATS) == _UNREADABLE
        finally:
            node.close()
