"""The console's statistics: what was counted, by what, how far plans are, and the exports."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser.console import Console
from tests.browser.floor import Floor, number_of, put_orders
from tests.service.http.conftest import order_id
from tests.workbooks import sheet

if TYPE_CHECKING:
    from tests.browser.visitors import Visitors
    from tests.service.places import Place

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_what_was_counted_is_shown_by_choice_and_exported(
    visitors: Visitors, site: Place
) -> None:
    which = 91
    await put_orders(site, which)
    await Floor(site.node).update(which, times=4)
    console = Console(await visitors.come(site.node.uri))
    page = console.page
    await console.open()
    await console.see("statistics")
    await expect(page.locator('[data-chart="quantitiesGraph"] svg[role="img"]')).to_be_visible()
    await page.locator('select[name="by"]').select_option("order")
    row = console.row("groups", order_id(which))
    await expect(row.locator('[data-cell="order"]')).to_have_text(number_of(which))
    await expect(row.locator('[data-cell="input"]')).to_have_text("4")
    await expect(console.row("plans", order_id(which))).to_be_visible()
    await page.locator('select[name="period"]').select_option("24h")
    await expect(page.locator('select[name="step"]')).to_have_value("hour")
    for form in ("csv", "xlsx"):
        async with page.expect_download() as saving:
            await console.act(f"export-{form}").click()
        saved = await saving.value
        assert saved.suggested_filename == f"quantities.{form}"
        content = await asyncio.to_thread(Path(await saved.path()).read_bytes)
        if form == "csv":
            assert order_id(which).encode() in content
        else:
            assert order_id(which) in [cells[0] for cells in sheet(content)]
