"""The page at `/docs` as integrators use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser.axe import violations

if TYPE_CHECKING:
    from tests.browser.visitors import Visitors
    from tests.service.nodes import ServiceNode

pytestmark = pytest.mark.asyncio(loop_scope="session")

_OPEN = """each => document.querySelectorAll('details').forEach((entry, number) => {
  entry.open = number % each === 0;
})"""
"""Opens one entry in so many."""


async def test_an_entry_is_found_by_words_and_by_address_also_without_a_network(
    visitors: Visitors, shared_node: ServiceNode
) -> None:
    visitor = await visitors.come(shared_node.uri)
    page = visitor.page
    await page.goto("/docs")
    await visitor.context.set_offline(True)

    every = await page.locator("details:visible").count()
    await page.get_by_label("Filter").fill("queue/JOBS retry")
    await expect(page.locator("#retryJob")).to_be_visible()
    assert await page.locator("details:visible").count() < every / 5
    await page.get_by_label("Filter").fill("no such words")
    await expect(page.locator("details:visible")).to_have_count(0)
    await page.get_by_label("Filter").fill("")
    await expect(page.locator("details:visible")).to_have_count(every)

    await page.locator("summary", has_text="/api/workorder/update-quantity").click()
    entry = page.locator("details[open]")
    await expect(entry).to_have_count(1)
    await expect(entry).to_contain_text("requestId")
    await entry.locator("a").first.click()
    await expect(page.locator("details:target")).to_have_attribute("open", "")
    await expect(page.locator("details:target")).to_be_in_viewport()

    await visitor.context.set_offline(False)
    again = await visitor.context.new_page()
    await again.goto(page.url)
    await expect(again.locator("details[open]:target")).to_be_in_viewport()
    await again.get_by_role("link", name="openapi.json").click()
    await expect(again.locator("body")).to_contain_text('"openapi":"3.1')


async def test_the_keyboard_alone_opens_an_entry_and_shows_where_it_is(
    visitors: Visitors, shared_node: ServiceNode
) -> None:
    page = (await visitors.come(shared_node.uri)).page
    await page.goto("/docs")
    for expected in ("a", "a", "input", "summary"):
        await page.keyboard.press("Tab")
        focused = page.locator(":focus-visible")
        assert await focused.evaluate("element => element.localName") == expected
        outline = await focused.evaluate("element => getComputedStyle(element).outlineStyle")
        assert outline != "none"
    await page.keyboard.press("Enter")
    await expect(page.locator("details[open]")).to_have_count(1)
    await page.keyboard.press("Enter")
    await expect(page.locator("details[open]")).to_have_count(0)


async def test_axe_finds_nothing_wrong_with_entries_and_a_phone_need_not_scroll_sideways(
    visitors: Visitors, shared_node: ServiceNode
) -> None:
    page = (await visitors.come(shared_node.uri, width=360)).page
    await page.goto("/docs")
    await page.evaluate(_OPEN, 1)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    # All of them are made alike, and axe needs seconds for each hundred examples.
    await page.evaluate(_OPEN, 8)
    assert await violations(page) == []
    await page.emulate_media(color_scheme="dark")
    assert await violations(page, "color-contrast") == []
