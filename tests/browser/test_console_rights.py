"""Who may do what in the console: nobody by default; with tokens, who has the right one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser.console import Console
from tests.browser.floor import API, put_orders
from tests.service.http.conftest import order_id
from tests.service.places import sqlite_place

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from tests.browser.visitors import Visitors

pytestmark = pytest.mark.asyncio(loop_scope="session")

_CALLER, _OPERATOR = "of-a-caller-0123456789", "of-an-operator-0123456789"
_POST = "path => fetch(path, {method: 'POST'}).then(async r => [r.status, (await r.json()).code])"


async def test_without_console_write_it_only_shows_and_the_service_sees_to_that(
    visitors: Visitors, ends: ExitStack, tmp_path: Path
) -> None:
    place = ends.enter_context(sqlite_place(tmp_path / "node", {}))
    await place.node.started()
    await put_orders(place, 1)
    visitor = await visitors.come(place.node.uri)
    visitor.watch.forgive("status of 403")
    console = Console(visitor)
    for state, act in (
        ("", "pause-all"),
        (f"#/orders/{order_id(1)}", "pause-order"),
        ("#/jobs", "clean"),
    ):
        await console.open(state)
        await expect(console.act(act)).to_be_disabled()
        await expect(console.act(act)).to_have_accessible_description(
            re.compile("the service is not set to CONSOLE_WRITE=1")
        )
    await expect(console.page.locator("[data-obstacle]")).to_contain_text("Read-only")

    paths = ["queue/pause", "queue/resume", "queue/clean", "queue/retry-failed"]
    paths += ["queue/clean-locks", f"{order_id(1)}/pause", f"queue/jobs/{order_id(1)}/retry"]
    for path in paths:
        said = await console.page.evaluate(_POST, f"{API}/{path}")
        assert said == [403, "CONSOLE_READ_ONLY"], path
    # A program is no page of ours.
    told = await visitor.context.request.post(f"{API}/queue/pause")
    assert (await told.json())["code"] == "OK"


async def test_a_token_is_asked_for_kept_in_its_tab_and_only_an_operator_s_does_things(
    visitors: Visitors, ends: ExitStack, tmp_path: Path
) -> None:
    environment = {
        "CONSOLE_WRITE": "1",
        "API_TOKENS": f"line:{_CALLER}",
        "OPERATOR_TOKENS": f"shift:{_OPERATOR}",
    }
    place = ends.enter_context(sqlite_place(tmp_path / "node", environment))
    await place.node.started()
    visitor = await visitors.come(place.node.uri)
    visitor.watch.forgive("status of 401")
    console = Console(visitor)
    page = console.page
    await console.open()

    async def use(token: str) -> None:
        await page.get_by_role("dialog").get_by_label("Token").fill(token)
        await console.answer(yes=True)

    needed = page.locator('[data-connection="token"]')
    await expect(needed).to_contain_text("asks for a token")
    await console.act("enter-token").click()
    await use("of-nobody")
    await expect(needed).to_be_visible()
    await console.act("enter-token").click()
    await use(_CALLER)
    await expect(page.locator('[data-service="serving"]')).to_be_visible()
    await expect(needed).to_have_count(0)
    await expect(console.act("pause-all")).to_be_disabled()
    await expect(page.locator("[data-obstacle]")).to_contain_text("operator's token")

    await console.act("token").click()
    await use(_OPERATOR)
    await expect(console.act("pause-all")).to_be_enabled()
    await page.reload()
    await console.act("pause-all").click()
    await console.answer(yes=True)
    await expect(page.locator('[data-service="paused"]')).to_be_visible()
    await console.see("events")
    await expect(console.panel("events")).to_contain_text("Following")

    stranger = await visitor.context.new_page()
    await stranger.goto("/console")
    await expect(stranger.locator('[data-connection="token"]')).to_be_visible()
    assert _OPERATOR not in str(await visitor.context.storage_state())
