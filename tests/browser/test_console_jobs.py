"""Jobs in the console: what failed and why, tried again alone and by filter, and forgotten."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from actors.store.schema import ORDERS
from tests.browser.console import Console
from tests.browser.floor import Floor, put_orders
from tests.contract.backdoor import MongoBackdoor
from tests.service.http.conftest import order_id

if TYPE_CHECKING:
    from typing import Any

    from tests.browser.visitors import Visitors
    from tests.service.places import Place

pytestmark = pytest.mark.asyncio(loop_scope="session")

_FULL = 5_000


async def _refuse(site: Place, rule: dict[str, Any]) -> None:
    """Let the collection of orders take only what follows the rule."""
    assert isinstance(site.backdoor, MongoBackdoor)
    await asyncio.to_thread(site.backdoor.database.command, "collMod", ORDERS, validator=rule)


async def test_a_dead_letter_is_tried_again_once_its_cause_is_gone(
    visitors: Visitors, site: Place
) -> None:
    floor, which = Floor(site.node), 21
    await put_orders(site, which)
    await _refuse(site, {"inputQuantity": {"$lt": _FULL}})
    try:
        assert await floor.update(which, quantity=_FULL, wait=False) == ["QUEUED"]
        console = Console(await visitors.come(site.node.uri))
        await console.open()
        await console.page.locator('[data-tile="failed-jobs"]').click()
        row = console.rows_of("jobs", order_id(which))
        await expect(row).to_contain_text("STORE_REJECTED")
        await expect(row).to_contain_text("dead letter")
        await expect(console.page.locator('.tabs [data-state="failed"]')).to_have_text("Failed 1")
        await row.locator("[data-job]").click()
        await expect(console.panel("job")).to_contain_text("dead letter")
        await expect(console.rows("tries")).to_contain_text("STORE_REJECTED")
        await expect(console.page.locator("[data-attempts]")).to_have_text("1")
    finally:
        await _refuse(site, {})
    await console.act("retry").click()
    assert await console.told()
    await expect(console.panel("job").locator('[data-state="completed"]')).to_be_visible()
    await expect(console.page.locator("[data-attempts]")).to_have_text("2")
    await expect(console.panel("outcome")).to_contain_text("0 → 5,000")
    await expect(console.rows("updates")).to_have_count(2)
    await expect(console.rows("updates").first).to_contain_text("applied")
    await console.open(f"#/orders/{order_id(which)}")
    await expect(console.page.locator('[data-quantity="input"]')).to_have_text("5,000")
    await expect(console.rows("timeline")).to_have_count(1)


async def test_failed_jobs_are_tried_again_by_filter_and_finished_ones_are_forgotten(
    visitors: Visitors, site: Place
) -> None:
    floor, missing = Floor(site.node), (31, 32)
    for each in missing:
        assert await floor.update(each, wait=False) == ["QUEUED"]
    console = Console(await visitors.come(site.node.uri))
    await console.open("#/jobs?state=failed")
    codes = console.page.get_by_label("Error")
    await codes.select_option("DUPLICATE_OPERATION")
    await expect(console.rows("jobs")).to_have_count(0)
    await codes.select_option("WORK_ORDER_NOT_FOUND")
    assert "code=WORK_ORDER_NOT_FOUND" in console.page.url
    for each in missing:
        row = console.rows_of("jobs", order_id(each))
        await expect(row).to_contain_text("WORK_ORDER_NOT_FOUND")
        await expect(row).not_to_contain_text("dead letter")

    await put_orders(site, *missing)
    await expect(console.page.locator('.tabs [data-state="failed"]')).to_have_text("Failed 2")
    await console.act("discard-all").click()
    await expect(console.page.get_by_role("dialog")).to_contain_text("Discard 2 failed jobs?")
    await console.answer(yes=False)
    await console.act("retry-all").click()
    await expect(console.page.get_by_role("dialog")).to_contain_text("Retry 2 failed jobs?")
    await console.answer(yes=True)
    await expect(console.rows("jobs")).to_have_count(0)
    await console.page.locator('.tabs [data-state="completed"]').click()
    done = console.rows_of("jobs", order_id(missing[0]))
    await expect(done).to_have_count(1)

    await console.act("clean").click()
    await console.answer(yes=False)
    await expect(done).to_have_count(1)
    await console.act("clean").click()
    await console.page.get_by_label("Finished more than").select_option("0")
    await console.answer(yes=True)
    await expect(console.rows("jobs")).to_have_count(0)
    applied = await floor.read(f"/api/workorder/detail/{order_id(missing[1])}")
    assert applied["inputQuantity"] == 1


async def test_failed_jobs_that_are_of_no_use_are_discarded_by_filter(
    visitors: Visitors, site: Place
) -> None:
    floor, missing = Floor(site.node), (33, 34)
    for each in missing:
        assert await floor.update(each, wait=False) == ["QUEUED"]
    console = Console(await visitors.come(site.node.uri))
    await console.open(f"#/jobs?state=failed&order={order_id(missing[0])}")
    await expect(console.rows("jobs")).to_have_count(1)
    await console.act("discard-all").click()
    await expect(console.page.get_by_role("dialog")).to_contain_text("Discard 1 failed jobs?")
    await console.answer(yes=True)
    assert "1 failed jobs forgotten" in await console.told()
    await expect(console.rows("jobs")).to_have_count(0)
    await console.open("#/jobs?state=failed")
    await expect(console.rows_of("jobs", order_id(missing[1]))).to_have_count(1)
