"""Alarms in plain words: each has both languages, and comes and goes with what it is about."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes import Fault
from tests.unit.actors.owner import ORDER, order_number, update
from web.alarm_texts import ALARMS, span_text
from web.alarms import Alarm
from web.texts import Language

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes import MemoryStore
    from tests.unit.web.served import Served

_RULES = Path(__file__).parents[3] / "config" / "deploy" / "prometheus" / "alerts.yml"
_ELSEWHERE = {"TWO_OWNERS", "NODE_DOWN"}
"""What only somebody who sees all nodes can tell."""
_HERE = {"ORDERS_PAUSED"}


def test_the_console_tells_what_prometheus_watches() -> None:
    names = re.findall(r"alert: WorkOrder(\w+)", _RULES.read_text(encoding="utf-8"))
    watched = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper() for name in names}
    assert set(ALARMS) == (watched - _ELSEWHERE) | _HERE


@pytest.mark.parametrize("code", ALARMS)
def test_an_alarm_has_words_in_both_languages_with_the_same_values(code: str) -> None:
    fields = [
        {name for _, name, _, _ in Formatter().parse(text) if name}
        for text in (*ALARMS[code].message, *ALARMS[code].advice)
    ]
    assert (fields[0], fields[2]) == (fields[1], fields[3])
    alarm = Alarm(code, 12, count=3, server="mongodb", reason="why", order_id=ORDER)
    chinese, english = (" ".join(alarm.words(each)) for each in Language)
    assert re.search(r"[一-鿿]", chinese)
    assert english.isascii()
    assert "{" not in chinese + english


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [(0.25, "0.25 秒", "0.25 s"), (12.4, "12 秒", "12 s"), (600, "10 分", "10 min")],
)
def test_a_span_is_written_as_people_say_it(seconds: float, zh: str, en: str) -> None:
    assert [span_text(seconds, each) for each in Language] == [zh, en]
    assert span_text(3 * 3600, Language.ENGLISH) == "3 h"


async def _touch(node: Served, *numbers: int) -> None:
    for each in numbers:
        await node.node.region.update(update(1, order_number(each)))


async def _until(node: Served, shows: Callable[[dict[str, dict[str, Any]]], bool]) -> None:
    async with asyncio.timeout(20):
        while True:
            told = (await node.get("/api/alarms"))["alarms"]
            if shows({each["code"]: each for each in told}):
                return
            await asyncio.sleep(0.02)


async def test_a_quiet_service_has_no_alarms_and_a_paused_one_says_so_at_either_node(
    first: Served, second: Served
) -> None:
    await _touch(first, 1)
    for node in (first, second):
        quiet = await node.get("/api/alarms")
        assert (quiet["ok"], quiet["alarms"]) == (True, [])
    await first.node.region.pause()
    for node in (first, second):
        (paused,) = (await node.get("/api/alarms"))["alarms"]
        assert (paused["code"], paused["severity"]) == ("PAUSED", "warning")
        assert "nothing is lost" in paused["message"]
    await first.node.region.resume()
    await _until(second, lambda found: not found)


async def test_a_paused_order_is_named_and_led_to(first: Served) -> None:
    await _touch(first, 2)
    await first.node.region.pause_order(order_number(2))
    (alarm,) = (await first.get("/api/alarms"))["alarms"]
    assert (alarm["code"], alarm["workOrderId"]) == ("ORDERS_PAUSED", order_number(2))
    assert f"WO-{order_number(2)}" in alarm["message"]


async def test_a_paused_order_that_rests_is_named_by_its_number_too(first: Served) -> None:
    await first.node.region.pause_order(order_number(3))
    (alarm,) = (await first.get("/api/alarms"))["alarms"]
    assert f"WO-{order_number(3)}" in alarm["message"]


async def test_an_update_that_waits_long_names_its_order(
    monkeypatch: pytest.MonkeyPatch, first: Served, store: MemoryStore
) -> None:
    monkeypatch.setattr("web.alarms._LONG_WAIT_S", 0.1)
    await _touch(first, 1)
    async with store.holding("commit") as committing:
        asked = asyncio.create_task(first.node.region.update(update(1, ORDER)))
        await committing.wait()
        await _until(
            first,
            lambda found: found.get("UPDATES_WAIT", {}).get("workOrderId") == ORDER,
        )
    await asked


async def test_a_job_that_failed_is_told_for_a_while(first: Served) -> None:
    missing = update(1, order_number(999))
    async with asyncio.timeout(20):
        await first.node.region.update(replace(missing, wait=False))
    await _until(first, lambda found: found.get("DEAD_LETTERS", {}).get("show") == "jobs")
    first.node.region.clean(0)
    await first.node.jobs.clean(0)
    await _until(first, lambda found: not found)


async def test_what_grew_lately_is_told_and_forgotten_after_a_while(
    monkeypatch: pytest.MonkeyPatch, first: Served
) -> None:
    figures = first.node.region.figures
    figures.outcomes["failed", "SYSTEM_ERROR"] += 16
    figures.commits.retries += 6
    figures.commits.fenced += 1
    figures.commits.relay_errors += 1
    figures.actors.restarted += 1
    found = {each["code"] for each in (await first.get("/api/alarms"))["alarms"]}
    assert found == {
        *("UPDATES_FAIL", "COMMITS_UNANSWERED", "FENCED", "LOG_REFUSES", "ACTORS_CRASH")
    }
    monkeypatch.setattr("web.alarms._FIVE_MINUTES_S", -1.0)
    found = {each["code"] for each in (await first.get("/api/alarms"))["alarms"]}
    assert found == {"FENCED", "ACTORS_CRASH"}


async def test_a_store_without_an_answer_is_told_before_what_comes_of_it(
    first: Served, store: MemoryStore
) -> None:
    store.choose = lambda _method: Fault.REFUSE
    await _until(first, lambda found: "STORE_DOWN" in found)
    alarms = (await first.get("/api/alarms"))["alarms"]
    assert alarms[0]["code"] == "STORE_DOWN"
    assert alarms[0]["message"].startswith("memory has not answered for")
    store.choose = lambda _method: None
    await _until(first, lambda found: not found)


async def test_a_node_that_knows_no_owner_says_so(first: Served) -> None:
    await first.node.drain(5)
    assert "NO_OWNER" in {each["code"] for each in (await first.get("/api/alarms"))["alarms"]}
