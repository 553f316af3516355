"""The console while servers and nodes go away and come back."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser.axe import violations
from tests.browser.console import Console
from tests.browser.floor import Floor, number_of, put_orders
from tests.contract.backdoor import MongoBackdoor
from tests.servers import MongoServer, RedisServer
from tests.service.http.conftest import order_id
from tests.service.nodes import ServiceNode
from tests.service.places import Place, mongo_place

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from tests.browser.visitors import Visitors

pytestmark = pytest.mark.asyncio(loop_scope="session")

_UNSERVED = r"status of 50[0-9]"
_GONE = r"ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE|ERR_SOCKET|ERR_FAILED"


async def test_a_killed_owner_is_seen_to_be_replaced(
    visitors: Visitors,
    ends: ExitStack,
    mongo_standalone: MongoServer,
    database_name: str,
    tmp_path: Path,
) -> None:
    redis = ends.enter_context(RedisServer(tmp_path / "redis"))
    settings = {
        "MONGODB_URI": mongo_standalone.uri,
        "MONGODB_DB": database_name,
        "REDIS_HOST": redis.host,
        "REDIS_PORT": str(redis.port),
        "LEASE_TTL": "60",  # slow machines keep it
        "EXPECTED_NODES": "2",
    }
    first, second = (
        ServiceNode(settings | {"NODE_ID": name}, tmp_path / name) for name in ("first", "second")
    )
    for node in (first, second):
        ends.callback(node.close)
        await node.started()
    client = ends.enter_context(mongo_standalone.client())
    place = Place("mongo", first, MongoBackdoor(client, database_name), redis)
    await put_orders(place, 1)
    floor = Floor(second)
    assert set(await floor.update(1, times=20)) == {"UPDATED"}

    visitor = await visitors.come(second.uri)
    visitor.watch.forgive(_UNSERVED)
    console = Console(visitor)
    page = console.page
    await console.open()
    await expect(page.locator("[data-owner]")).to_have_text("first")
    await expect(page.locator("[data-epoch]")).to_have_text("1")
    await place.killed()
    await expect(page.locator("[data-owner]")).to_have_text("second")
    await expect(page.locator("[data-epoch]")).to_have_text("2")
    await expect(page.locator('[data-service="serving"]')).to_be_visible()

    await asyncio.to_thread(second.wait_until_ready)
    assert set(await floor.update(1, times=20)) == {"UPDATED"}
    await console.see("nodes")
    owner = console.row("nodes", "second").locator('[data-state="owner"]')
    await expect(owner).to_be_visible()
    await expect(console.rows("changes")).to_have_count(2)
    await expect(console.rows("changes").first).to_contain_text("second")
    await console.open(f"#/orders/{order_id(1)}")
    await expect(page.locator('[data-quantity="input"]')).to_have_text("40")
    await expect(console.panel("timeline")).to_contain_text("40 in all")

    await console.see("overview")
    alarm = console.alarm("NO_STANDBY")
    await expect(alarm).to_contain_text("missing: first")
    await alarm.get_by_role("link").click()
    await expect(console.row("nodes", "first")).to_be_visible()


async def test_a_frozen_or_stopped_store_and_a_killed_node_are_told_in_plain_words_and_pass(
    visitors: Visitors, ends: ExitStack, tmp_path: Path
) -> None:
    mongo = ends.enter_context(MongoServer(tmp_path / "mongo"))
    place = ends.enter_context(mongo_place("mongo", mongo, "factory", tmp_path, {"LEASE_TTL": "1"}))
    await place.node.started()
    await put_orders(place, 1)
    visitor = await visitors.come(place.node.uri)
    visitor.watch.forgive(_UNSERVED, _GONE)
    console = Console(visitor)
    page = console.page
    await console.open()
    await expect(console.panel("alarms")).to_contain_text("No alarms")

    for away, back in ((mongo.pause, mongo.resume), (mongo.stop, mongo.start)):
        await asyncio.to_thread(away)
        alarm = console.alarm("STORE_DOWN")
        await expect(alarm).to_contain_text(re.compile(r"MongoDB has not answered for \d+ s"))
        await expect(alarm).to_contain_text("nothing is lost")
        await expect(page.locator('[data-service="down"]')).to_be_visible()
        await console.see("actors")
        await expect(page.locator("[data-alarms]")).to_contain_text("MongoDB")
        await console.see("overview")
        await asyncio.to_thread(back)
        await expect(console.panel("alarms")).to_contain_text("No alarms")
        await expect(page.locator('[data-service="serving"]')).to_be_visible()
        await expect(page.locator('[data-tile="rate"]')).to_be_visible()

    await place.node.killed()
    lost = page.locator('[data-connection="lost"]')
    await expect(lost).to_contain_text("The service has not answered since")
    await expect(page.locator("[data-as-of]")).to_contain_text("As of")
    await expect(page).to_have_title(re.compile(r"^\(1\) "))
    await expect(page.locator('link[rel="icon"]')).to_have_attribute("data-alarm", "critical")
    await expect(page.locator('.stale [data-tile="rate"]')).to_be_visible()
    await place.node.started()
    await expect(lost).to_have_count(0)
    assert await Floor(place.node).update(1) == ["UPDATED"]
    await expect(console.row("hotBusiest", order_id(1))).to_contain_text(number_of(1))


async def test_shards_are_listed_beside_the_nodes_where_there_are_any(
    visitors: Visitors, shared_node: ServiceNode
) -> None:
    """Canned: what the call itself tells is shown in tests/unit/web/cluster."""
    visitor = await visitors.come(shared_node.uri)
    console = Console(visitor)
    await console.open("#/nodes")
    await expect(console.panel("nodes")).to_be_visible()
    await expect(console.panel("shards")).to_have_count(0)
    counts = {"waiting": 3, "jobs": 7, "unlogged": 17, "ratePerSecond": 12.5}
    rows: list[dict[str, object]] = [
        {"shard": 0, "node": "north", "epoch": 7, "serving": True, "paused": False},
        {"shard": 1, "node": None, "epoch": 0, "serving": False, "paused": False},
    ]
    rows[0] |= {"leaseLeftMs": 4000, "counts": counts}
    rows[1] |= {"leaseLeftMs": None, "counts": None}
    told = {"count": 2, "version": 3, "planned": 4, "shards": rows}
    body = {"success": True, "message": "", "code": "OK", "data": told}
    await visitor.context.route("**/api/shards", lambda route: route.fulfill(json=body))
    at = [f"2026-11-26T10:00:{second:02}.000+00:00" for second in (0, 5, 10)]
    grew = {"at": at, "ratePerSecond": [None, 8, 12.5], "waiting": [0, 1, 3]}
    grew["unlogged"] = [0, 9, 17]
    columns: list[dict[str, object]] = [
        {"shard": 0, **grew},
        {"shard": 1, **{name: [] for name in grew}},
    ]
    past = {**body, "data": {"everyS": 5, "shards": columns}}
    await visitor.context.route("**/api/shards/history*", lambda route: route.fulfill(json=past))
    await expect(console.rows("shards")).to_have_count(2)
    served = console.row("shards", "0")
    for text in ("north", "served", "12.5", "3", "7", "17"):
        await expect(served).to_contain_text(text)
    await expect(served.locator("svg path")).to_have_count(3)
    waited = served.locator('[data-cell="waiting"]').get_by_role("img")
    await expect(waited).to_have_accessible_name(re.compile("Shard 0, last 15 minutes.*now 3, hi"))
    await expect(console.row("shards", "1")).to_contain_text("not served")
    await expect(console.row("shards", "1").locator("svg")).to_have_count(0)
    await expect(console.panel("shards")).to_contain_text("To be 4 in a moment")
    assert await violations(console.page) == []
    await visitor.context.close()
