"""The journal: the last happenings, numbered, for readers at their own pace."""

from __future__ import annotations

import asyncio
import time

import pytest

from actors.telemetry.journal import Event, Journal


def _applied(order_id: str, at: float | None = None, took_s: float = 0.5) -> Event:
    moment = time.time() if at is None else at
    return Event(moment, "applied", order_id, f"job of {order_id}", took_s=took_s)


def test_a_reader_is_given_what_it_has_not_seen_in_order() -> None:
    journal = Journal()
    journal.note(_applied("a"))
    seen = journal.count
    journal.note(_applied("b"))
    journal.note(_applied("c"))
    missed, found = journal.after(seen, 10)
    assert (missed, [each.work_order_id for each in found]) == (0, ["b", "c"])
    assert journal.after(journal.count, 10) == (0, [])


def test_a_slow_reader_is_told_how_many_it_missed() -> None:
    journal = Journal(room=5)
    for number in range(9):
        journal.note(_applied(str(number)))
    missed, found = journal.after(1, 10)
    assert (missed, [each.work_order_id for each in found]) == (3, list("45678"))
    missed, found = journal.after(1, 2)
    assert (missed, [each.work_order_id for each in found]) == (6, ["7", "8"])


async def test_an_orders_own_come_newest_first_and_bounded() -> None:
    journal = Journal()
    for number in range(6_000):
        journal.note(_applied("a" if number % 1_000 == 0 else "b", at=float(number)))
    assert [each.at for each in await journal.of("a", 4)] == [5_000, 4_000, 3_000, 2_000]
    assert await journal.of("c", 4) == []


async def test_a_load_counts_the_last_minute_only() -> None:
    journal, now = Journal(), time.time()
    journal.note(_applied("old", at=now - 61))
    journal.note(_applied("a", at=now - 30, took_s=2))
    journal.note(_applied("a", at=now, took_s=4))
    journal.note(Event(now, "paused"))
    loads, seconds = await journal.loads()
    assert seconds == 60
    assert {order: (load.updates, load.took_s) for order, load in loads.items()} == {"a": (2, 6)}


async def test_where_more_happens_than_is_kept_the_rate_is_of_what_is() -> None:
    journal, now = Journal(room=100), time.time()
    for number in range(1_000):
        journal.note(_applied("a", at=now - 10 + number / 100))
    loads, seconds = await journal.loads()
    assert loads["a"].updates == 100
    assert seconds == pytest.approx(1, abs=0.5)


async def test_a_second_look_at_the_loads_adds_what_is_new_and_leaves_out_what_is_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal, now = Journal(), time.time()
    journal.note(_applied("a", at=now - 50, took_s=1))
    journal.note(_applied("b", at=now - 10, took_s=2))
    assert (await journal.loads())[0].keys() == {"a", "b"}
    journal.note(_applied("b", at=now + 20, took_s=4))
    monkeypatch.setattr("actors.telemetry.journal.time.time", lambda: now + 30)
    loads, _ = await journal.loads()
    assert {order: (load.updates, load.mean_s) for order, load in loads.items()} == {"b": (2, 3)}


async def test_loads_that_are_looked_at_by_many_at_once_count_each_update_once() -> None:
    journal = Journal()
    for _ in range(12_000):
        journal.note(_applied("a"))
    looks = [asyncio.create_task(journal.loads()) for _ in range(3)]
    await asyncio.sleep(0)
    journal.note(_applied("a"))
    looks.append(asyncio.create_task(journal.loads()))
    found = [loads["a"].updates for loads, _ in await asyncio.gather(*looks)]
    assert found[-1] == 12_001
    assert all(12_000 <= each <= 12_001 for each in found)


async def test_after_more_than_is_kept_between_two_looks_the_loads_are_of_what_is_kept() -> None:
    journal, now = Journal(room=100), time.time()
    for number in range(150):
        journal.note(_applied("a", at=now - 5 + number / 100))
    await journal.loads()
    for _ in range(250):
        journal.note(_applied("b", at=now))
    loads, _ = await journal.loads()
    assert {order: load.updates for order, load in loads.items()} == {"b": 100}
