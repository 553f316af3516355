"""The console behind a path prefix, on a phone, in both languages, colours, and by keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser.axe import violations
from tests.browser.console import Console
from tests.browser.elsewhere import serve, under_prefix
from tests.browser.floor import Floor, number_of, put_orders
from tests.service.http.conftest import order_id

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.browser.visitors import Scheme, Visitors
    from tests.service.nodes import ServiceNode
    from tests.service.places import Place

pytestmark = pytest.mark.asyncio(loop_scope="session")

_PHONE_PX = 360


@pytest.mark.parametrize(("slash", "which"), [("", 41), ("/", 42)])
async def test_it_works_behind_a_path_prefix(
    visitors: Visitors, site: Place, slash: str, which: int
) -> None:
    await put_orders(site, which)
    await Floor(site.node).update(which, times=3)
    async with serve(under_prefix("/plan", site.node.uri)) as port:
        visitor = await visitors.come(f"http://127.0.0.1:{port}")
        asked: list[str] = []
        visitor.context.on("request", lambda request: asked.append(request.url))
        console = Console(visitor, f"/plan/console{slash}")
        await console.open(f"#/actors?search={order_id(which)}")
        await console.row("actors", order_id(which)).get_by_role("link").click()
        await expect(console.rows("timeline")).to_have_count(3)
        await console.act("pause-order").click()
        await console.answer(yes=True)
        await console.act("resume-order").click()
        await expect(console.act("pause-order")).to_be_visible()
        await console.see("events")
        await expect(console.panel("events")).to_contain_text("Following")
        own = (f"http://127.0.0.1:{port}/plan/", "data:")
        assert [url for url in asked if not url.startswith(own)] == []
        await visitor.context.close()


async def test_it_is_never_blank_loads_in_few_requests_and_names_the_installation(
    visitors: Visitors, shared_node: ServiceNode
) -> None:
    visitor = await visitors.come(shared_node.uri)
    page, asked = visitor.page, list[str]()
    visitor.context.on("request", lambda request: asked.append(request.url))
    await visitor.context.route(
        "**/app.js*", lambda route: route.fulfill(content_type="text/javascript")
    )
    await page.goto("/console")
    await expect(page.get_by_text("If this stays, the service does not answer")).to_be_visible()
    await visitor.context.unroute("**/app.js*")
    asked.clear()
    await page.get_by_role("link", name="Retry").click()
    await expect(page.locator('.brand [data-environment="production"].bad')).to_be_visible()
    assert len([each for each in asked if "/api/" not in each and each[:5] != "data:"]) <= 3


@pytest.mark.parametrize(("scheme", "language"), [("light", "en"), ("dark", "zh-CN")])
async def test_axe_finds_nothing_wrong_with_any_view_and_a_phone_need_not_scroll_sideways(
    visitors: Visitors, site: Place, scheme: Scheme, language: str
) -> None:
    busy, held, missing = (50, 51, 52) if scheme == "light" else (53, 54, 55)
    floor = Floor(site.node)
    await put_orders(site, busy, held)
    barcode = {"relatedBarcode": "SN-" + "0" * 60, "operatorName": "张三", "remark": "早班 " * 20}
    await floor.update(busy, times=20, logContext=barcode)
    await floor.post(f"{order_id(held)}/pause")
    await floor.update(held, times=2)
    await floor.update(missing, wait=False)
    console = Console(
        await visitors.come(site.node.uri, scheme=scheme, language=language, width=_PHONE_PX)
    )
    page = console.page
    try:
        for state, shown in (
            ("", '[data-panel="hot"] [data-order]'),
            (f"#/actors?search=WO-{busy}", '[data-table="stored"] [data-order]'),
            (f"#/orders/{order_id(busy)}", '[data-table="timeline"] [data-row]'),
            (f"#/orders/{order_id(held)}", "[data-paused]"),
            ("#/jobs?state=failed", '[data-table="jobs"] [data-row]'),
            ("#/nodes", '[data-table="nodes"] [data-row]'),
            ("#/operations", '[data-table="paused"] [data-row]'),
            ("#/statistics?by=order", '[data-table="plans"] [data-row]'),
            ("#/events", '[data-panel="events"] .badge.ok'),
        ):
            await page.set_viewport_size({"width": _PHONE_PX, "height": 640})
            await console.open(state)
            await expect(page.locator(shown).first).to_be_visible()
            assert await page.evaluate("document.documentElement.scrollWidth") <= _PHONE_PX, state
            cells = "[...document.querySelectorAll('td[data-cell]')]"
            # All that the desk shows.
            assert await page.evaluate(f"{cells}.every((each) => each.offsetHeight > 0)"), state
            await page.set_viewport_size({"width": 1280, "height": 800})
            assert await violations(page) == [], state
        await console.open()
        await console.act("pause-all").click()
        assert await violations(page) == []
        await console.answer(yes=False)
    finally:
        await floor.post(f"{order_id(held)}/resume")


async def test_the_language_follows_the_browser_until_another_one_is_chosen(
    visitors: Visitors, site: Place
) -> None:
    visitor = await visitors.come(site.node.uri, language="zh-CN")
    console = Console(visitor)
    await console.open("#/nodes")
    title, lang = console.page.get_by_role("heading", level=1), console.page.locator("html")
    await expect(title).to_have_text("节点")
    await console.act("language").click()
    await expect(title).to_have_text("Nodes")
    await expect(lang).to_have_attribute("lang", "en")
    await console.page.reload()
    await expect(title).to_have_text("Nodes")
    await console.act("language").click()
    await expect(title).to_have_text("节点")
    await expect(lang).to_have_attribute("lang", "zh-CN")


async def test_the_keyboard_alone_is_enough(visitors: Visitors, site: Place) -> None:
    which = 61
    await put_orders(site, which)
    await Floor(site.node).update(which, times=5)
    console = Console(await visitors.come(site.node.uri))
    page = console.page
    await console.open(f"#/orders/{order_id(which)}")
    await expect(console.act("pause-order")).to_be_enabled()

    await page.keyboard.press("Tab")
    assert await _focused(page) == "Skip to content"
    await page.keyboard.press("Enter")
    await _tab_to(page, "Pause this order")
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    seen = set()
    for _ in range(6):
        seen.add(await _focused(page))
        await page.keyboard.press("Tab")
    # Besides its own buttons there is only the browser's frame to go to.
    assert seen - {""} == {"Cancel", "Pause this order", "Why (optional; it is kept)"}
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    assert await _focused(page) == "Pause this order"
    await expect(page.locator("[data-paused]")).to_have_count(0)

    await page.keyboard.press("Enter")
    await expect(dialog).to_be_visible()
    # Fingers may be faster than the news that the dialog was closed.
    await page.evaluate(_CLOSE_AND_ASK_AGAIN)
    await page.evaluate("new Promise(requestAnimationFrame)")
    await expect(dialog).to_be_visible()
    await _tab_to(page, "Pause this order")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-paused]")).to_be_visible()
    await expect(console.act("resume-order")).to_be_enabled()
    await _tab_to(page, "Resume this order")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-paused]")).to_have_count(0)

    await _tab_to(page, "Orders")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Orders in memory")
    await expect(page.locator("main")).to_be_focused()
    await _tab_to(page, "Search")
    await page.keyboard.type(number_of(which))
    await expect(console.rows("actors")).to_have_count(1)
    await _tab_to(page, "Per second")
    await page.keyboard.press("Enter")
    await expect(page.locator('[aria-sort="descending"]')).to_contain_text("Per second")
    async with page.expect_response(lambda reply: "/api/actors?" in reply.url):
        pass
    await page.keyboard.press("Enter")
    await expect(page.locator('[aria-sort="ascending"]')).to_contain_text("Per second")


_CLOSE_AND_ASK_AGAIN = """() => {
  document.querySelector('dialog').close();
  document.querySelector('[data-act="pause-order"]').click();
}"""
_FOCUSED = """() => {
  const element = document.activeElement;
  if (element === document.body || element === null) return ['', true];
  const style = getComputedStyle(element);
  const visible = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
  const label = element.getAttribute('aria-label') ?? element.labels?.[0]?.innerText;
  return [(label ?? element.innerText).trim().split('\\n')[0], visible || element.id === 'main'];
}"""


async def _focused(page: Page) -> str:
    """Return the name of what has the focus, which must be seen to have it."""
    name, visible = await page.evaluate(_FOCUSED)
    assert visible, f"nothing shows that {name} has the focus"
    return str(name)


async def _tab_to(page: Page, name: str) -> None:
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await _focused(page) == name:
            return
    raise AssertionError(f"{name} is not reached by Tab")
