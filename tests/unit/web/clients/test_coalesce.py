"""Updates that are asked for together: one call, and each its own answer."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.web.clients.cases import ORDER, OTHER, given_up, quick, until
from tests.unit.web.clients.fake_service import (
    FakeService,
    Fault,
    answers,
    breaks,
    envelope,
    failed,
    hangs,
    says,
)
from web.clients.python import PlanServerClient

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

    from web.clients.python import Result

_NOT_NOW = failed("SERVICE_UNAVAILABLE", 503, retryable=True, retryAfter=0)


def _ask(client: PlanServerClient, *keys: str) -> asyncio.Future[list[Result]]:
    """Ask for updates in one turn; the first letter of a key is its order."""
    orders = {"a": ORDER, "b": OTHER}
    return asyncio.gather(
        *(
            client.update_work_order_quantity(orders[key[0]], "input", request_id=key)
            for key in keys
        )
    )


def _codes(results: list[Result]) -> list[str]:
    return [result["code"] for result in results]


def _each(service: FakeService, **outcomes: dict[str, Any]) -> Fault:
    """Answer a batch once: keys that are named with that, the others by applying them."""

    async def fault(request: web.Request) -> web.StreamResponse:
        items = (await request.json())["updates"]
        results = [
            outcomes.get(item["requestId"]) or service._apply([item])[0]  # noqa: SLF001
            for item in items
        ]
        return envelope(200, "PARTIALLY_UPDATED", {"results": results})

    return fault


async def test_what_is_asked_for_in_one_turn_is_one_call_and_each_has_its_own_answer(
    service: FakeService, client: PlanServerClient
) -> None:
    service.refused[OTHER] = "WORK_ORDER_NOT_FOUND"

    results = await _ask(client, "a1", "b1", "a2")

    assert service.sizes == [3]
    assert [each["requestId"] for each in results] == ["a1", "b1", "a2"]
    assert _codes(results) == ["UPDATED", "WORK_ORDER_NOT_FOUND", "UPDATED"]
    assert service.keys == ["a1", "a2"]


async def test_one_alone_in_its_turn_is_the_single_call(
    service: FakeService, client: PlanServerClient
) -> None:
    assert _codes(await _ask(client, "a1")) == ["UPDATED"]
    assert "updates" not in service.bodies[0]


@pytest.mark.parametrize("code", [None, "WORK_ORDER_NOT_FOUND", "SYSTEM_ERROR"])
async def test_the_answer_is_the_same_together_and_alone(
    service: FakeService, client: PlanServerClient, code: str | None
) -> None:
    if code is not None:
        service.refused[ORDER] = code
    [alone] = await _ask(client, "a1")
    together = (await _ask(client, "a1", "b1"))[0]
    assert service.sizes == [1, 2]
    assert together == alone


async def test_without_coalesce_each_update_is_a_call(service: FakeService) -> None:
    async with PlanServerClient(service.url, quick(None, coalesce=False)) as client:
        await _ask(client, "a1", "a2", "b1")
    assert service.sizes == [1, 1, 1]


async def test_more_than_a_hundred_are_several_calls_and_so_are_large_ones(
    service: FakeService, client: PlanServerClient
) -> None:
    results = await _ask(client, *(f"a{number}" for number in range(120)))
    assert _codes(results) == ["UPDATED"] * 120
    assert sorted(service.sizes) == [20, 100]

    service.sizes.clear()
    large = {"remark": "x" * 200_000}
    update = client.update_work_order_quantity
    await asyncio.gather(*(update(ORDER, "input", 1, large) for _ in range(4)))
    assert service.sizes == [2, 2]


async def test_what_the_service_puts_off_is_sent_alone_later_and_its_order_is_kept(
    service: FakeService, client: PlanServerClient
) -> None:
    service.faults.append(_each(service, b1=_NOT_NOW, b2=_NOT_NOW, b3=_NOT_NOW))

    results = await _ask(client, "a1", "b1", "b2", "a2", "b3")

    assert _codes(results) == ["UPDATED"] * 5
    assert service.keys == ["a1", "a2", "b1", "b2", "b3"]
    # The first alone; those behind it, once it is through, together.
    assert service.sizes == [5, 1, 2]


async def test_an_order_that_is_stuck_holds_up_none_but_its_own(
    service: FakeService, client: PlanServerClient
) -> None:
    service.faults.append(_each(service, b1=failed("TIMEOUT", 504)))
    stuck = asyncio.Event()

    async def until_it_is_not(request: web.Request) -> web.StreamResponse:
        await stuck.wait()
        item = await request.json()
        return envelope(200, "UPDATED", service._apply([item])[0])  # noqa: SLF001

    service.faults.append(until_it_is_not)
    first = _ask(client, "a1", "b1")
    await until(lambda: service.sizes == [2, 1])
    behind = _ask(client, "b2")
    assert _codes(await _ask(client, "a2", "a3")) == ["UPDATED"] * 2
    assert service.sizes == [2, 1, 2]
    stuck.set()
    assert _codes(await first + await behind) == ["UPDATED"] * 3
    assert service.keys == ["a1", "a2", "a3", "b1", "b2"]


async def test_a_batch_says_how_long_it_waits_for_the_slowest_of_its_orders(
    service: FakeService, client: PlanServerClient
) -> None:
    preferred = []

    async def noted(request: web.Request) -> web.StreamResponse:
        preferred.append(request.headers["Prefer"])
        return await _each(service)(request)

    service.faults.append(noted)
    await _ask(client, "a1", "b1")
    assert preferred == ["wait=2"]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    "fault",
    [
        breaks,
        answers(504, "TIMEOUT"),
        answers(503, "SERVICE_UNAVAILABLE", Retry_After="0"),
        answers(429, "MAILBOX_FULL", Retry_After="0"),
        says(b"garbage"),
        says(b'{"success": true, "code": "UPDATED", "data": {"results": [{}]}}'),
    ],
)
async def test_an_answer_that_is_lost_leaves_each_open_and_its_retry_counts_once(
    service: FakeService, client: PlanServerClient, fault: Fault, *, late: bool
) -> None:
    service.faults.append(fault)
    service.late = late

    results = await _ask(client, "a1", "b1", "a2", "b2")

    assert _codes(results) == ["UPDATED"] * 4
    assert service.keys == ["a1", "b1", "a2", "b2"] if late else sorted(service.keys)
    assert service.keys.index("a1") < service.keys.index("a2")
    assert service.keys.index("b1") < service.keys.index("b2")


async def test_each_is_answered_by_its_own_deadline_and_in_doubt_where_it_was_sent(
    service: FakeService,
) -> None:
    service.always = hangs
    options = quick(None, attempt_s=120.0)
    async with PlanServerClient(service.url, options) as client:
        results = await given_up(service, options, _ask(client, "a1", "b1"))
        assert service.sizes == [2]
        await service.down()
    assert _codes(results) == ["TIMEOUT"] * 2
    assert [each["fallback"] for each in results] == [False, False]


async def test_where_nobody_listens_each_is_told_that_it_was_not_applied() -> None:
    options = quick(None, deadline_s=0.3)
    async with PlanServerClient("http://127.0.0.1:9", options) as client:
        results = await _ask(client, "a1", "b1", "a2")
    assert _codes(results) == ["SERVICE_UNAVAILABLE"] * 3
    assert all(each["fallback"] for each in results)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "INVALID_UPDATES"),
        (404, "NOT_FOUND"),
        (405, "METHOD_NOT_ALLOWED"),
        (413, "BODY_TOO_LARGE"),
    ],
)
async def test_a_batch_that_is_refused_as_one_is_sent_as_single_calls_and_so_are_later_ones(
    service: FakeService, client: PlanServerClient, status: int, code: str
) -> None:
    service.faults.append(answers(status, code))

    results = await _ask(client, "a1", "b1", "a2")
    results += await _ask(client, "a3", "a4")

    assert _codes(results) == ["UPDATED"] * 5
    assert service.sizes == [3, 1, 1, 1, 1, 1]
    assert [key for key in service.keys if key[0] == "a"] == ["a1", "a2", "a3", "a4"]


async def test_one_that_spoils_the_call_is_refused_alone(
    service: FakeService, client: PlanServerClient
) -> None:
    service.poison = "a2"
    results = await _ask(client, "a1", "a2", "b1")
    assert _codes(results) == ["UPDATED", "INVALID_JSON", "UPDATED"]


async def test_a_refusal_of_the_caller_is_told_to_each_without_another_call(
    service: FakeService, client: PlanServerClient
) -> None:
    service.faults.append(answers(401, "UNAUTHORIZED"))
    results = await _ask(client, "a1", "b1")
    assert [(each["code"], each["status"]) for each in results] == [("UNAUTHORIZED", 401)] * 2
    assert service.sizes == [2]


async def test_what_an_older_service_says_too_little_of_is_asked_alone(
    service: FakeService, client: PlanServerClient
) -> None:
    service.refused[OTHER] = "DUPLICATE_OPERATION"
    old = {"success": False, "code": "DUPLICATE_OPERATION", "retryable": False}
    service.faults.append(_each(service, b1=old))
    results = await _ask(client, "a1", "b1")
    assert [each.get("status") for each in results] == [None, 409]
    assert service.sizes == [2, 1]


async def test_who_stops_waiting_before_it_is_sent_is_not_sent(
    service: FakeService, client: PlanServerClient
) -> None:
    update = client.update_work_order_quantity
    tasks = [asyncio.ensure_future(update(ORDER, "input", request_id=key)) for key in "123"]
    await asyncio.sleep(0)
    tasks[1].cancel()
    with suppress(asyncio.CancelledError):
        await tasks[1]
    await asyncio.gather(tasks[0], tasks[2])
    assert service.keys == ["1", "3"]


async def test_who_stops_waiting_in_a_line_lets_the_others_go_on(
    service: FakeService, client: PlanServerClient
) -> None:
    service.faults += [_each(service, a1=_NOT_NOW, a2=_NOT_NOW, a3=_NOT_NOW), hangs]
    update = client.update_work_order_quantity
    tasks = [
        asyncio.ensure_future(update(ORDER, "input", request_id=key)) for key in ("a1", "a2", "a3")
    ]
    await until(lambda: service.sizes == [3, 1])
    for task in tasks[1::-1]:
        task.cancel()
    assert (await tasks[2])["code"] == "UPDATED"
    assert service.keys == ["a3"]


async def test_closing_sends_what_is_being_collected_and_waits_for_its_answer(
    service: FakeService,
) -> None:
    client = PlanServerClient(service.url, quick(None))
    await client.open()
    answers_ = _ask(client, "a1", "b1")
    await asyncio.sleep(0)
    await client.close()
    assert _codes(await answers_) == ["UPDATED"] * 2
    assert service.sizes == [2]


async def test_in_an_outage_all_are_kept_in_the_order_in_which_they_were_asked_for(
    service: FakeService, tmp_path: Path
) -> None:
    await service.down()
    # Left alone after one failure, so that a slow disk has nearly all of the time.
    alone = {"breaker_failures": 1, "breaker_open_s": 1.0}
    options = quick(tmp_path / "outbox.sqlite3", deadline_s=60.0, **alone)
    async with PlanServerClient(service.url, options) as client:
        keys = [f"a{number}" for number in range(10)]
        results = await _ask(client, *keys, "b1")
        assert _codes(results) == ["QUEUED_FALLBACK"] * 11
        await service.up()
        await until(lambda: len(service.keys) == 11)
    assert [key for key in service.keys if key[0] == "a"] == keys


async def test_with_an_outbox_updates_of_one_turn_still_go_out_together(
    service: FakeService, tmp_path: Path
) -> None:
    options = quick(tmp_path / "outbox.sqlite3", attempt_s=20.0)
    async with PlanServerClient(service.url, options) as client:
        assert _codes(await _ask(client, "a1", "b1", "a2")) == ["UPDATED"] * 3
    assert service.sizes == [3]
