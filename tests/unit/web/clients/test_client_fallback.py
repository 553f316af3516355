from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.unit.web.clients.cases import ORDER, OTHER, quick, until
from tests.unit.web.clients.fake_service import (
    FakeService,
    Fault,
    answers,
    breaks,
    drips,
    envelope,
    hangs,
    says,
)
from web.clients.python import DeadLetter, OutboxUnusable, PlanServerClient
from web.clients.python.outbox_file import OutboxFile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import web


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    return tmp_path / "callers" / "outbox.sqlite3"


@pytest.fixture(autouse=True)
def patience_with_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send for the first second, and leave the rest to a disk that others keep busy."""
    monkeypatch.setattr("web.clients.python.client._FOR_THE_DISK", 0.99)
    monkeypatch.setattr("web.clients.python.client._MOST_FOR_THE_DISK_S", 20.0)


@pytest.fixture
async def client(service: FakeService, outbox: Path) -> AsyncIterator[PlanServerClient]:
    async with PlanServerClient(service.url, quick(outbox)) as client:
        yield client


async def _drained(client: PlanServerClient) -> None:
    async def empty() -> bool:
        return (await client.outbox_usage()).entries == 0

    await until(empty)


async def test_an_update_that_finds_nobody_is_kept_and_sent_when_the_service_is_back(
    service: FakeService, client: PlanServerClient
) -> None:
    await service.down()

    result = await client.update_work_order_quantity(ORDER, "input", 3, request_id="scan-1")

    assert result["success"] is True
    assert (result["code"], result["fallback"]) == ("QUEUED_FALLBACK", True)
    assert (result["jobId"], result["queueLength"]) == ("scan-1", 1)
    usage = await client.outbox_usage()
    assert usage.entries == 1
    assert usage.oldest_s is not None
    await service.up()
    await _drained(client)
    assert service.applied[ORDER, "scan-1"]["quantity"] == 3


@pytest.mark.parametrize(
    "fault",
    [
        hangs,
        drips,
        breaks,
        answers(504, "TIMEOUT"),
        answers(503, "SERVICE_UNAVAILABLE", Retry_After="60"),
        answers(429, "MAILBOX_FULL", Retry_After="60"),
        says(b"garbage"),
        says(b"<html>not the service</html>", 404),
    ],
)
@pytest.mark.parametrize("late", [False, True])
async def test_whatever_the_service_does_the_update_counts_once_in_the_end(
    service: FakeService, client: PlanServerClient, fault: Fault, *, late: bool
) -> None:
    service.always = fault
    service.late = late

    result = await client.update_work_order_quantity(ORDER, "input")

    assert (result["success"], result["code"]) == (True, "QUEUED_FALLBACK")
    service.always = None
    await _drained(client)
    assert service.keys == [result["requestId"]]


async def test_while_updates_of_an_order_wait_later_ones_go_behind_them(
    service: FakeService, client: PlanServerClient
) -> None:
    service.always = answers(503, "SERVICE_UNAVAILABLE", Retry_After="60")
    await client.update_work_order_quantity(ORDER, "input", request_id="1")
    single_calls = _single_calls(service)

    behind = await client.update_work_order_quantity(ORDER, "output", request_id="2")
    batch = await client.batch_update_work_order_quantity(
        [
            {"workOrderId": ORDER.upper(), "type": "input", "requestId": "3"},
            {"workOrderId": ORDER, "type": "input", "requestId": "4"},
        ]
    )

    assert behind["code"] == batch["code"] == "QUEUED_FALLBACK"
    assert _single_calls(service) == single_calls
    service.always = None
    await _drained(client)
    assert service.keys == ["1", "2", "3", "4"]


def _single_calls(service: FakeService) -> int:
    return sum("updates" not in body for body in service.bodies)


async def test_what_waits_for_one_order_does_not_hold_up_another(
    service: FakeService, client: PlanServerClient
) -> None:
    service.always = answers(429, "MAILBOX_FULL", Retry_After="60")
    await client.update_work_order_quantity(ORDER, "input", request_id="1")
    service.always = None
    result = await client.update_work_order_quantity(OTHER, "input")
    assert result["code"] == "UPDATED"


async def test_an_order_that_is_put_off_waits_alone(
    service: FakeService, client: PlanServerClient
) -> None:
    async def first_is_put_off(request: web.Request) -> web.StreamResponse:
        items = (await request.json())["updates"]
        put_off = {"success": False, "code": "MAILBOX_FULL", "retryable": True}
        results = [
            put_off if item["workOrderId"] == ORDER else service._apply([item])[0]  # noqa: SLF001
            for item in items
        ]
        return envelope(200, "PARTIALLY_UPDATED", {"results": results})

    await service.down()
    for order, key in ((ORDER, "1"), (OTHER, "2"), (ORDER, "3"), (OTHER, "4")):
        await client.update_work_order_quantity(order, "input", request_id=key)
    service.always = first_is_put_off
    await service.up()
    await until(lambda: service.keys == ["2", "4"])
    service.always = None
    await _drained(client)
    assert service.keys == ["2", "4", "1", "3"]


async def test_the_same_key_waits_once_and_is_not_another_content(
    service: FakeService, client: PlanServerClient
) -> None:
    await service.down()
    first = await client.update_work_order_quantity(ORDER, "input", 1, request_id="1")
    again = await client.update_work_order_quantity(ORDER, "input", 1, request_id="1")
    other = await client.update_work_order_quantity(ORDER, "input", 2, request_id="1")

    assert (first["jobId"], again["jobId"]) == ("1", "1")
    assert (await client.outbox_usage()).entries == 1
    assert (other["success"], other["code"]) == (False, "REQUEST_ID_CONFLICT")


@pytest.mark.parametrize("limit", [{"max_entries": 2}, {"max_bytes": 300}])
async def test_a_full_outbox_takes_no_more_and_says_so(
    service: FakeService, outbox: Path, limit: dict[str, int]
) -> None:
    await service.down()
    async with PlanServerClient(service.url, quick(outbox, **limit)) as client:
        results = [await client.update_work_order_quantity(ORDER, "input") for _ in range(3)]
        assert [each["success"] for each in results] == [True, True, False]
        assert (results[2]["code"], results[2]["fallback"]) == ("OUTBOX_FULL", True)
        await service.up()
        await _drained(client)
        assert service.keys == [each["requestId"] for each in results[:2]]
        assert (await client.update_work_order_quantity(ORDER, "input"))["code"] == "UPDATED"


async def test_what_may_have_been_applied_is_not_called_unapplied_by_a_full_outbox(
    service: FakeService, outbox: Path
) -> None:
    async with PlanServerClient(service.url, quick(outbox, max_bytes=1)) as client:
        service.always = hangs
        result = await client.update_work_order_quantity(ORDER, "input")
    assert (result["success"], result["code"], result["fallback"]) == (False, "TIMEOUT", False)


@pytest.mark.parametrize("code", ["WORK_ORDER_NOT_FOUND", "DUPLICATE_OPERATION"])
async def test_a_refusal_on_replay_is_a_dead_letter_that_the_callback_is_told_of(
    service: FakeService, outbox: Path, code: str
) -> None:
    told: list[DeadLetter] = []

    async def callback(letter: DeadLetter) -> None:
        told.append(letter)
        if len(told) == 1:
            raise RuntimeError("a callback that fails is asked again")

    service.refused[OTHER] = code
    await service.down()
    async with PlanServerClient(service.url, quick(outbox), on_dead_letter=callback) as client:
        await client.update_work_order_quantity(OTHER, "input", request_id="1")
        await client.update_work_order_quantity(ORDER, "input", request_id="2")
        await service.up()
        await until(lambda: len(told) == 2)
        await _drained(client)

        [letter] = await client.dead_letters()
        assert told == [letter, letter]
        assert (letter.work_order_id, letter.request_id, letter.code) == (OTHER, "1", code)
        assert letter.reason == f"about {code}"
        assert (await client.outbox_usage()).dead_letters == 1
        assert service.keys == ["2"]
        await client.update_work_order_quantity(ORDER, "input")
        await client.forget_dead_letter(letter)
        assert await client.dead_letters() == []
    assert len(told) == 2


async def test_an_update_on_which_the_service_fails_is_tried_again_before_it_is_given_up(
    service: FakeService, client: PlanServerClient
) -> None:
    service.refused[OTHER] = "SYSTEM_ERROR"
    await service.down()
    await client.update_work_order_quantity(OTHER, "input")
    await service.up()
    await until(lambda: len(service.sizes) >= 2)
    del service.refused[OTHER]
    await _drained(client)
    assert await client.dead_letters() == []
    assert len(service.keys) == 1


async def test_one_update_that_spoils_a_whole_call_is_found_and_the_others_go_on(
    service: FakeService, client: PlanServerClient
) -> None:
    await service.down()
    for number in range(20):
        await client.update_work_order_quantity(ORDER, "input", request_id=f"{number}")
    service.poison = "7"
    await service.up()
    await _drained(client)
    [letter] = await client.dead_letters()
    assert (letter.request_id, letter.code) == ("7", "INVALID_JSON")
    assert service.keys == [f"{number}" for number in range(20) if number != 7]


async def test_an_address_of_something_else_does_not_make_dead_letters(
    service: FakeService, client: PlanServerClient
) -> None:
    await service.down()
    await client.update_work_order_quantity(ORDER, "input")
    service.always = answers(404, "NOT_FOUND")
    await service.up()
    await until(lambda: len(service.sizes) >= 2)
    assert (await client.outbox_usage()).entries == 1
    service.always = None
    await _drained(client)
    assert await client.dead_letters() == []


async def test_two_clients_on_one_file_see_each_others_updates_and_replay_them_once(
    service: FakeService, outbox: Path
) -> None:
    await service.down()
    async with (
        PlanServerClient(service.url, quick(outbox)) as one,
        PlanServerClient(service.url, quick(outbox)) as two,
    ):
        for number in range(0, 20, 2):
            await one.update_work_order_quantity(ORDER, "input", request_id=f"{number}")
            await two.update_work_order_quantity(ORDER, "input", request_id=f"{number + 1}")
        await service.up()
        await _drained(one)
    assert service.keys == [f"{number}" for number in range(20)]


async def test_what_waits_survives_the_client_and_goes_out_with_the_next_one(
    service: FakeService, outbox: Path
) -> None:
    await service.down()
    async with PlanServerClient(service.url, quick(outbox)) as client:
        await client.update_work_order_quantity(ORDER, "input", request_id="1")
    await service.up()
    async with PlanServerClient(service.url, quick(outbox)) as client:
        await _drained(client)
    assert service.keys == ["1"]


async def test_nobody_replays_while_another_process_has_the_lock(
    service: FakeService, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[bool] = []
    start_replaying = OutboxFile.start_replaying

    def noted(file: OutboxFile) -> bool:
        tries.append(start_replaying(file))
        return tries[-1]

    monkeypatch.setattr(OutboxFile, "start_replaying", noted)
    outbox.parent.mkdir()
    lock = os.open(outbox.with_name(f"{outbox.name}.lock"), os.O_RDWR | os.O_CREAT)
    await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
    service.faults.append(answers(503, "SERVICE_UNAVAILABLE", Retry_After="60"))
    async with PlanServerClient(service.url, quick(outbox)) as client:
        await client.update_work_order_quantity(ORDER, "input")
        seen = len(tries)
        await until(lambda: len(tries) >= seen + 3)
        assert not any(tries)
        assert len(service.sizes) == 1
        os.close(lock)
        await _drained(client)
    assert len(service.keys) == 1


@pytest.mark.parametrize("content", [b"not a database, but long enough" * 40, None])
async def test_a_file_that_is_no_outbox_is_refused_and_left_as_it_is(
    service: FakeService, tmp_path: Path, content: bytes | None
) -> None:
    outbox = tmp_path / "outbox.sqlite3"
    if content is None:
        with closing(sqlite3.connect(outbox)) as other:
            other.execute("CREATE TABLE theirs (x)")
        content = outbox.read_bytes()
    else:
        outbox.write_bytes(content)

    with pytest.raises(OutboxUnusable, match=r"outbox\.sqlite3"):
        await PlanServerClient(service.url, quick(outbox)).open()

    assert outbox.stat().st_size >= len(content)


async def test_an_outbox_that_breaks_under_way_is_told_and_nothing_is_called_success(
    service: FakeService, outbox: Path
) -> None:
    await service.down()
    async with PlanServerClient(service.url, quick(outbox)) as client:
        with closing(sqlite3.connect(outbox)) as other:
            other.execute("DROP TABLE entries")
        result = await client.update_work_order_quantity(ORDER, "input")
    assert (result["success"], result["code"], result["fallback"]) == (
        False,
        "OUTBOX_FAILED",
        False,
    )


async def test_a_client_that_is_not_open_keeps_nothing_and_says_so(outbox: Path) -> None:
    client = PlanServerClient("http://127.0.0.1:9", quick(outbox))
    result = await client.update_work_order_quantity(ORDER, "input")
    assert (result["success"], result["code"]) == (False, "OUTBOX_FAILED")
    with pytest.raises(OutboxUnusable):
        await client.outbox_usage()
    with pytest.raises(OutboxUnusable):
        await PlanServerClient("http://127.0.0.1:9", quick(None)).dead_letters()


async def test_the_loop_never_waits_for_a_slow_disk_and_a_call_never_beyond_its_deadline(
    service: FakeService, outbox: Path
) -> None:
    await service.down()
    async with PlanServerClient(service.url, quick(outbox, deadline_s=0.5)) as client:
        with closing(sqlite3.connect(outbox, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            # Whoever holds the file goes on holding it: were it waited for, this would not end.
            result = await client.update_work_order_quantity(ORDER, "input", request_id="1")
            other.execute("ROLLBACK")
        assert (result["success"], result["code"]) == (False, "OUTBOX_FAILED")
        assert result["fallback"] is False
