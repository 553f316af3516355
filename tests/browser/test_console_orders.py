"""Orders in the console: hot ones, searched ones, paused ones, and what waits meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.browser.console import Console
from tests.browser.floor import Floor, number_of, put_orders
from tests.service.http.conftest import order_id

if TYPE_CHECKING:
    from tests.browser.visitors import Visitors
    from tests.service.places import Place

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_hot_order_is_seen_paused_waits_and_goes_on(
    visitors: Visitors, site: Place
) -> None:
    floor, hot = Floor(site.node), 11
    await put_orders(site, hot, planProductionQuantity=1000)
    console = Console(await visitors.come(site.node.uri))
    page = console.page
    await console.open()
    assert set(await floor.update(hot, times=200)) == {"UPDATED"}

    # -- seen, and read ----------------------------------------------------------------------
    await console.row("hotBusiest", order_id(hot)).get_by_text(number_of(hot)).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(f"Order {number_of(hot)}")
    await expect(page.locator('[data-quantity="input"]')).to_have_text("200")
    newest = console.rows("timeline").first
    await expect(newest.locator('[data-cell="after"]')).to_have_text("200")
    await expect(newest.locator('[data-cell="seq"]')).to_have_text("200")
    await expect(console.panel("timeline")).to_contain_text("200 in all")
    await console.panel("timeline").get_by_label("Type").select_option("output")
    await expect(console.panel("timeline")).to_contain_text("No changes")
    await page.go_back()
    await expect(console.rows("timeline")).to_have_count(15)

    # -- paused ------------------------------------------------------------------------------
    await console.act("pause-order").click()
    await console.answer(yes=False)
    await expect(page.locator("[data-paused]")).to_have_count(0)
    await console.act("pause-order").click()
    await page.get_by_label("Why").fill("wrong material")
    await console.answer(yes=True)
    assert await console.told()
    await expect(page.locator("[data-paused]")).to_be_visible()
    assert set(await floor.update(hot, times=3)) == {"QUEUED"}
    await expect(page.locator("[data-depth]")).to_have_text("3")
    await expect(page.locator('[data-quantity="input"]')).to_have_text("200")

    # -- and is in the list of what is paused, with the reason ---------------------------------
    await console.see("operations")
    listed = console.row("paused", order_id(hot))
    await expect(listed.locator('[data-cell="depth"]')).to_have_text("3")
    await expect(listed.locator('[data-cell="reason"]')).to_have_text("wrong material")
    await listed.get_by_text(number_of(hot)).click()

    # -- one of those that wait is taken back -------------------------------------------------
    await expect(page.locator('[data-jobs="waiting"]')).to_contain_text("3")
    await page.locator('[data-jobs="waiting"]').click()
    await expect(console.rows("jobs")).to_have_count(3)
    await console.rows("jobs").first.locator('[data-act="remove"]').click()
    await console.answer(yes=True)
    await expect(console.rows("jobs")).to_have_count(2)

    await page.go_back()
    await console.act("resume-order").click()
    await expect(page.locator('[data-quantity="input"]')).to_have_text("202")
    await expect(page.locator("[data-paused]")).to_have_count(0)
    await expect(newest.locator('[data-cell="after"]')).to_have_text("202")


async def test_all_is_paused_and_goes_on_while_the_events_are_followed(
    visitors: Visitors, site: Place
) -> None:
    floor, which, resting = Floor(site.node), 12, 13
    await put_orders(site, which, resting)
    await floor.update(which)
    follower = Console(await visitors.come(site.node.uri))
    await follower.open("#/events")
    await expect(follower.panel("events")).to_contain_text("Following")
    console = Console(await visitors.come(site.node.uri, language="zh-CN"))
    await console.open()
    await expect(console.page.locator("[data-service]")).to_have_text("正常处理")

    await console.act("pause-all").click()
    await console.answer(yes=True)
    await expect(console.page.locator('[data-service="paused"]')).to_have_text("已暂停")
    assert await floor.update(which, times=2) == ["QUEUED", "QUEUED"]
    assert await floor.update(resting) == ["QUEUED"]
    waiting = console.page.locator('[data-tile="waiting"]')
    await expect(waiting.locator(".tile-value")).to_have_text("3")
    await expect(console.row("hotDeepest", order_id(which))).to_contain_text(number_of(which))
    await console.act("resume-all").click()
    await expect(console.page.locator('[data-service="serving"]')).to_be_visible()
    await expect(waiting.locator(".tile-value")).to_have_text("0")

    events = follower.rows("events").locator('[data-cell="event"]')
    for event in ("paused", "resumed"):
        await expect(events.get_by_text(event, exact=True)).to_have_count(1)
    applied = follower.rows_of("events", order_id(which))
    await expect(applied).to_have_count(2)


async def test_an_order_that_rests_is_found_by_its_number_and_has_an_address_that_lasts(
    visitors: Visitors, site: Place
) -> None:
    await put_orders(site, 7001, 7002)
    await Floor(site.node).update(7001, times=16)
    console = Console(await visitors.come(site.node.uri))
    page = console.page
    await console.open()
    await console.see("actors")
    await expect(console.panel("stored")).to_contain_text("Newest orders in the store")
    await expect(console.rows("stored").first).to_be_visible()
    search = page.get_by_label("Search")
    await search.fill("no such order")
    await expect(console.panel("stored")).to_contain_text("Nothing in the store fits")
    await search.fill("wo-700")
    await expect(console.rows("stored")).to_have_count(2)
    assert "search=wo-700" in page.url
    await page.reload()
    await expect(search).to_have_value("wo-700")
    await console.row("stored", order_id(7002)).get_by_text(number_of(7002)).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(f"Order {number_of(7002)}")
    await expect(console.panel("mailbox")).to_contain_text("Not in memory")

    await console.open(f"#/orders/{order_id(7001)}?page=2&type=input")
    await expect(console.rows("timeline")).to_have_count(1)
    other = Console(await visitors.come(site.node.uri, language="zh-CN"))
    await other.page.goto(page.url)
    await expect(other.page.get_by_role("heading", level=1)).to_have_text(f"工单 {number_of(7001)}")
    await expect(other.rows("timeline")).to_have_count(1)
    await expect(other.panel("timeline").get_by_label("类型")).to_have_value("input")


async def test_from_an_alarm_to_the_right_order_takes_no_more_than_three_clicks(
    visitors: Visitors, site: Place
) -> None:
    floor, right = Floor(site.node), 71
    await put_orders(site, right, 72)
    await floor.post(f"{order_id(right)}/pause")
    assert set(await floor.update(right, times=4)) == {"QUEUED"}
    await floor.update(72)
    console = Console(await visitors.come(site.node.uri))
    await console.open("#/jobs")
    await console.page.locator("[data-alarms]").click()
    alarm = console.alarm("ORDERS_PAUSED")
    await expect(alarm).to_contain_text(number_of(right))
    await alarm.get_by_role("link").click()
    await expect(console.page.get_by_role("heading", level=1)).to_have_text(
        f"Order {number_of(right)}"
    )
    await console.act("resume-order").click()
    await expect(console.page.locator('[data-quantity="input"]')).to_have_text("4")
    await console.see("overview")
    await expect(alarm).to_have_count(0)


async def test_an_order_is_operated_once_it_is_confirmed_and_its_timeline_shows_it(
    visitors: Visitors, site: Place
) -> None:
    which = 7101
    line = f"{which:024}"
    plan = {"planQuantity": 10, "planProductionQuantity": 10}
    await put_orders(site, which, status="PENDING", productionLineId=line, **plan)
    console = Console(await visitors.come(site.node.uri))
    page = console.page
    await console.open(f"#/orders/{order_id(which)}")
    offered = page.locator("[data-operations] button")
    await expect(offered).to_have_text(["Start", "Change plan", "Cancel order"])

    await console.act("op-start").click()
    await console.answer(yes=False)
    await expect(offered.first).to_have_text("Start")
    await console.act("op-start").click()
    await page.get_by_label("Why").fill("first shift")
    await console.answer(yes=True)
    assert await console.told()
    await expect(offered).to_have_text(["Pause", "Complete", "Scrap"])

    assert await Floor(site.node).update(which) == ["UPDATED"]
    await console.act("op-scrap").click()
    await page.locator('[name="relatedBarcode"]').fill("SN-7101")
    await console.answer(yes=True)
    assert await console.told()
    kinds = console.rows("timeline").locator('[data-cell="type"]')
    await expect(kinds).to_have_text(["Scrap", "Input", "Start"])
    first = console.rows("timeline").first
    await expect(first.locator('[data-cell="barcode"]')).to_have_text("SN-7101")
    await expect(console.rows("timeline").last).to_contain_text("first shift")

    console.visitor.watch.forgive("status of 409")
    await console.act("op-scrap").click()
    await page.locator('[name="relatedBarcode"]').fill("SN-7101")
    await console.answer(yes=True)
    assert "scrap already" in await console.told("bad")
    await console.act("op-pause").click()
    await console.answer(yes=True)
    await expect(console.act("op-supplement")).to_be_visible()
    await console.act("op-change-plan").click()
    await page.locator('[name="planProductionQuantity"]').fill("8")
    await console.answer(yes=True)
    await expect(kinds.first).to_have_text("Change plan")


async def test_an_absurd_quantity_is_found_from_the_alarm_that_it_raises_and_taken_back(
    visitors: Visitors, site: Place
) -> None:
    floor, poisoned, absurd = Floor(site.node), 73, 9_007_199_254_740_000
    await put_orders(site, poisoned)
    assert await floor.update(poisoned, quantity=absurd) == ["UPDATED"]
    assert set(await floor.update(poisoned, times=60, quantity=5_000)) == {"INVALID_QUANTITY"}
    console = Console(await visitors.come(site.node.uri))
    await console.open()
    alarm = console.alarm("REFUSALS_JUMP")
    await expect(alarm).to_contain_text(number_of(poisoned))
    await alarm.get_by_role("link").click()
    await expect(console.rows("updates").first).to_contain_text("INVALID_QUANTITY")
    await expect(console.rows("timeline")).to_contain_text("+9,007,199,254,740,000")
    assert await floor.update(poisoned, quantity=-absurd) == ["UPDATED"]
    assert await floor.update(poisoned, quantity=5_000) == ["UPDATED"]
    await expect(console.page.locator('[data-quantity="input"]')).to_have_text("5,000")


async def test_a_refused_barcode_leads_to_its_order_and_the_reason(
    visitors: Visitors, site: Place
) -> None:
    floor, which = Floor(site.node), 74
    await put_orders(site, which)
    said = {"relatedBarcode": "SN-74-REFUSED", "processStepId": f"{5:024}"}
    scan: dict[str, Any] = {"logContext": {**said, "barcodeOperation": "SCAN_PROCESS"}}
    assert await floor.update(which, requestId="scan-74-1", **scan) == ["UPDATED"]
    assert await floor.update(which, requestId="scan-74-2", **scan) == ["DUPLICATE_OPERATION"]
    console = Console(await visitors.come(site.node.uri))
    await console.open("#/actors")
    await console.page.locator('select[name="by"]').select_option("barcode")
    await console.page.get_by_label("Search", exact=True).fill("SN-74-REFUSED")
    await console.row("stored", order_id(which)).get_by_text(number_of(which)).click()
    await expect(console.rows("updates").first).to_contain_text("DUPLICATE_OPERATION")
    await expect(console.rows("timeline")).to_contain_text("SN-74-REFUSED")
