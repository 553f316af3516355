"""What is paused: a list that says since when, by whom and why, also of orders without an actor."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.fakes import Fault
from tests.unit.actors.owner import ORDER, OTHER, order_number
from tests.unit.web.served import ENGLISH, served, touch
from web.app import Options
from web.app_context import Token

if TYPE_CHECKING:
    import pytest

    from actors.store.records import Record
    from tests.fake_lease import LeaseServer
    from tests.fakes import MemoryStore
    from tests.unit.web.served import Served


async def _post(here: Served, path: str, **headers: str) -> Any:  # noqa: ANN401 -- JSON
    async with here.session.post(f"/api/workorder/{path}", headers=ENGLISH | headers) as reply:
        assert reply.status == 200, await reply.text()
        return (await reply.json())["data"]


async def _queue(here: Served, order_id: str, count: int = 1) -> None:
    body = {"workOrderId": order_id, "type": "input", "wait": False}
    for _ in range(count):
        async with here.session.post("/api/workorder/update-quantity", json=body) as reply:
            assert (await reply.json())["code"] == "QUEUED"


async def test_nothing_is_paused_on_an_ordinary_day(first: Served, second: Served) -> None:
    await touch(first, 1)
    for here in (first, second):
        found = await here.get("/api/workorder/paused")
        assert found == {"all": None, "total": 0, "orders": [], "storeRead": True}


async def test_paused_orders_are_listed_with_what_waits_whether_or_not_they_have_an_actor(
    first: Served, second: Served
) -> None:
    await touch(first, 1)
    await _post(second, f"{ORDER}/pause?reason=wrong%20material")
    # Only nodes are believed where a call came from.
    await _post(second, f"{OTHER}/pause", **{"X-Forwarded-Remote": "6.6.6.6"})
    await _queue(second, OTHER, 2)
    await _queue(second, ORDER)
    found = await second.get("/api/workorder/paused")
    rows = found["orders"]
    assert (found["all"], found["total"]) == (None, 2)
    assert [(each["workOrderId"], each["waiting"], each["live"]) for each in rows] == [
        (OTHER, 2, False),
        (ORDER, 1, True),
    ], "the one whose oldest update waits longest first"
    assert [each["reason"] for each in rows] == [None, "wrong material"]
    assert rows[0]["workOrderNo"] == f"WO-{OTHER}"
    assert rows[0]["since"] < rows[0]["oldest"] < rows[1]["oldest"]
    assert {each["address"] for each in rows} == {"127.0.0.1"}
    assert len((await first.get("/api/workorder/paused?limit=1"))["orders"]) == 1
    page = await second.get(f"/api/actors/{OTHER}")
    assert (page["live"], page["paused"], page["depth"]) == (False, True, 2)
    assert page["oldestWaitMs"] > 0


async def test_who_paused_it_is_told_by_name_and_forgotten_with_the_pause(
    store: MemoryStore, lease: LeaseServer
) -> None:
    tokens = (Token("supervisor", "secret", operator=True),)
    async with served(store, lease, "a", Options(tokens=tokens)) as here:
        token = {"Authorization": "Bearer secret"}
        here.session.headers.update(token)
        await _post(here, "queue/pause?reason=stock-taking")
        await _post(here, f"{ORDER}/pause")
        found = await here.get("/api/workorder/paused")
        assert (found["all"]["by"], found["all"]["reason"]) == ("supervisor", "stock-taking")
        assert (found["orders"][0]["by"], found["all"]["waiting"]) == ("supervisor", 0)
        await _post(here, "queue/resume")
        await _post(here, f"{ORDER}/resume")
        assert (await here.get("/api/workorder/paused"))["all"] is None
        assert not [name for kind, name in store.records.kept if kind == "pause"]


async def test_a_pause_holds_and_is_listed_though_its_note_could_not_be_kept_or_read(
    first: Served, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.choose = lambda method: Fault.REFUSE if method == "records" else None
    await _post(first, f"{ORDER}/pause")
    found = await first.get("/api/workorder/paused")
    assert not found["storeRead"]
    (row,) = found["orders"]
    assert (row["workOrderId"], row["since"], row["reason"]) == (ORDER, None, None)

    async def hang(*_what: object, **_more: object) -> list[Record]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(store.records, "read", hang)
    monkeypatch.setattr("web.observe.pauses._STORE_S", 0.01)
    assert (await first.get("/api/workorder/paused"))["total"] == 1


async def test_the_alarm_names_all_paused_orders(first: Served) -> None:
    for number in (1, 2, 3):
        await first.node.region.pause_order(order_number(number))
    (alarm,) = (await first.get("/api/alarms"))["alarms"]
    for number in (1, 2, 3):
        assert f"WO-{order_number(number)}" in alarm["message"]
    assert (alarm["workOrderId"], alarm["show"]) == (None, "paused")
