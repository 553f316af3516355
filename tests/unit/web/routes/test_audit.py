"""What operators did is kept: who, when, why, and what it touched, wherever it was asked for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog

from tests.fakes import Fault
from tests.unit.actors.owner import ORDER
from tests.unit.web.served import ENGLISH, served
from web.app import Options
from web.app_context import Token
from web.routes.table import ROUTES

if TYPE_CHECKING:
    import pytest

    from tests.fake_lease import LeaseServer
    from tests.fakes import MemoryStore
    from tests.unit.web.served import Served


async def _do(here: Served, method: str, path: str, body: object = None) -> int:
    async with here.session.request(method, path, json=body, headers=ENGLISH) as reply:
        await reply.read()
        return reply.status


def test_every_call_that_changes_more_than_an_order_is_audited_and_takes_a_reason() -> None:
    operators = [route for route in ROUTES if route.access == "operator"]
    assert len(operators) == 12
    for route in operators:
        assert route.audit, route.name
        assert "reason" in {each.name for each in route.parameters}, route.name


async def test_actions_are_listed_with_who_why_and_what_they_touched(
    store: MemoryStore, lease: LeaseServer
) -> None:
    options = Options(tokens=(Token("night-shift", "secret", operator=True),))
    async with (
        served(store, lease, "a", options) as first,
        served(store, lease, "b", options) as second,
    ):
        for here in (first, second):
            here.session.headers["Authorization"] = "Bearer secret"
        await _until_ready(second)
        assert await _do(second, "POST", f"/api/workorder/{ORDER}/pause?reason=recount") == 200
        assert await _do(second, "POST", f"/api/workorder/{ORDER.upper()}/resume") == 200
        assert await _do(first, "POST", "/api/workorder/queue/clean", {"grace": 0}) == 200
        filters = {"workOrderId": ORDER}
        assert await _do(first, "POST", "/api/workorder/queue/retry-failed", filters) == 200
        assert await _do(first, "POST", "/api/workorder/queue/clean-locks") == 200
        assert await _do(first, "POST", f"/api/workorder/{'f' * 24}/pause") == 404
        for here in (first, second):
            found = await here.get("/api/audit")
            assert found["total"] == 5, "what was refused changed nothing"
            actions = found["actions"][::-1]
            assert [each["action"] for each in actions] == [
                *("pause", "resume", "clean", "retry", "repair")
            ]
            assert {each["by"] for each in actions} == {"night-shift"}
            assert {each["node"] for each in actions} == {"a"}, "who did it, not who handed it on"
            assert {each["outcome"] for each in actions} == {"OK"}
            assert (actions[0]["reason"], actions[1]["reason"]) == ("recount", None)
            assert [each["workOrderId"] for each in actions] == [ORDER, ORDER, None, ORDER, None]
            assert {each["workOrderNo"] for each in actions} == {f"WO-{ORDER}", None}
            assert [each["touched"] for each in actions[2:]] == [
                {"grace": 0},
                {"retried": 0},
                {"cleaned": 0},
            ]
        page = await first.get("/api/audit?pageSize=2&page=3")
        assert (page["totalPages"], [each["action"] for each in page["actions"]]) == (3, ["pause"])
        (noted,) = [
            each.detail
            for each in first.node.telemetry.journal.after(0, 99)[1]
            if each.event == "operator" and each.detail and "recount" in each.detail
        ]
        assert noted == "pause, night-shift: recount"


async def _until_ready(here: Served) -> None:
    async with asyncio.timeout(100):
        while await _do(here, "GET", "/readyz") != 200:  # noqa: ASYNC110 -- asked anew each time
            await asyncio.sleep(0.02)


async def test_what_may_have_been_done_is_kept_as_not_known(
    first: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(first.node.region, "pause", hang)
    monkeypatch.setattr("web.cluster.hop.allowed_s", lambda _request: 0.01)
    assert await _do(first, "POST", "/api/workorder/queue/pause") == 504
    (action,) = (await _audit_of(first))["actions"]
    assert (action["action"], action["outcome"], action["by"]) == ("pause", "TIMEOUT", None)


async def _audit_of(here: Served) -> dict[str, Any]:
    async with asyncio.timeout(100):
        while True:
            async with here.session.get("/api/audit") as reply:
                if reply.status == 200:
                    data: dict[str, Any] = (await reply.json())["data"]
                    return data


async def test_an_action_is_done_and_logged_though_the_record_of_it_is_not_kept(
    first: Served, store: MemoryStore
) -> None:
    store.choose = lambda method: Fault.REFUSE if method == "records" else None
    with structlog.testing.capture_logs() as lines:
        assert await _do(first, "POST", f"/api/workorder/{ORDER}/pause?reason=x") == 200
    events = {line["event"]: line for line in lines}
    assert events["operator_acted"]["reason"] == "x"
    assert events["operator_acted"]["touched"] == {"workOrderId": ORDER}
    assert "record_not_kept" in events
    assert first.node.region.is_paused(ORDER)
    assert await _do(first, "GET", "/api/audit") == 503
