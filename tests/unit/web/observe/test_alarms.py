"""Alarms: when each holds, that Prometheus' rules say the same, and what operators are told."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from actors.domain.model import WorkOrderId
from actors.node.status import OwnershipHistory, Tenure
from actors.operators.rows import LongestWait
from actors.orders.region import Statistics
from actors.telemetry.counters import StuckCommit
from actors.telemetry.histogram import Histogram
from actors.telemetry.oddities import Oddity
from actors.telemetry.samples import Samples
from actors.telemetry.telemetry import Telemetry
from tests.event_loop import LoopOfTests
from tests.fakes import Fault
from tests.unit.actors.owner import ORDER, update
from tests.unit.web.conftest import until
from tests.unit.web.fake_node import FakeNode, applied
from tests.unit.web.observe.test_metrics import alert_rules
from tests.unit.web.served import served
from web.app_context import Language
from web.observe.alarms import RULES, WORDINGS, render_alarm
from web.observe.alarms.conditions import Finding, LastFailure, Situation, findings
from web.observe.alarms.wording import span_text
from web.observe.metrics import Traffic

if TYPE_CHECKING:
    from tests.fake_lease import LeaseServer
    from tests.fakes import MemoryStore
    from tests.unit.web.conftest import Client
    from tests.unit.web.fake_owner import FakeOwner
    from tests.unit.web.served import Served

_STATUS = FakeNode().status()
_NOW = datetime.now(UTC)
_ONLY_PROMETHEUS = {"TWO_OWNERS", "NODE_DOWN", "BOOKS_DIFFER", "RECONCILE_LATE"}
"""What takes a look at all nodes together, or at all orders (`scripts.reconcile`)."""


class Lately:
    """Counts that rise by what a test says between a first sample and a look, 4 minutes later."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.samples = Samples(lambda: self.now)
        self.telemetry, self.lags, self.traffic = Telemetry(self.samples), Histogram(), Traffic()
        self.calls = self.traffic.calls
        self.samples.times["lag"] = self.lags
        self.samples.counters.append(self.traffic.turned_away)
        self.samples.take(None)
        self.now += 240

    def situation(self, **changes: Any) -> Situation:  # noqa: ANN401 -- fields of the situation
        statistics = Statistics(4, 2, 30, 5, 1, 9, paused=False, wait_ms=1.0)
        ordinary = Situation(
            _STATUS,
            served=True,
            reason=None,
            statistics=statistics,
            samples=self.samples,
            ownership=OwnershipHistory(),
            unlogged=0,
            oddities=self.telemetry.oddities,
            guard_broken=next(iter(self.telemetry.guards.latest), None),
        )
        return replace(ordinary, **changes)


def codes(situation: Situation) -> list[str]:
    return [each.rule.code for each in findings(situation)]


def test_an_ordinary_day_has_no_alarms() -> None:
    lately = Lately()
    lately.telemetry.outcomes["applied", "UPDATED"] += 1_000_000
    lately.telemetry.outcomes["refused", "DUPLICATE_OPERATION"] += 1_000
    lately.telemetry.commits.times.note(0.02, 10_000)
    lately.lags.note(0.001, 10_000)
    lately.calls["POST", "/x", 503] += 3
    assert codes(lately.situation(oldest=LongestWait(ORDER, "WO-1", 9.9), unlogged=5_000)) == []


def _down(name: str) -> dict[str, object]:
    server = getattr(_STATUS, name)
    return {"status": replace(_STATUS, **{name: replace(server, ok=False, since_s=12.2)})}


def _tenures(count: int, ago_s: float = 60) -> OwnershipHistory:
    tenures = OwnershipHistory()
    for number in range(count):
        tenures.seen.append(Tenure(f"n{number}", "", number, _NOW - timedelta(seconds=ago_s)))
    return tenures


def _paused_orders(*orders: str) -> dict[str, object]:
    counts = Statistics(
        0, 0, 0, 0, 0, 0, paused=False, wait_ms=0, paused_orders=tuple(map(WorkOrderId, orders))
    )
    return {"statistics": counts}


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("STORE_DOWN", _down("store")),
        ("LEASE_DOWN", _down("lease")),
        ("NO_OWNER", {"served": False, "reason": "node-2 owns the actors"}),
        ("SHARDS_AWAY", {"served": False, "away": (1, 3)}),
        ("PAUSED", {"status": replace(_STATUS, paused=True)}),
        ("ORDERS_PAUSED", _paused_orders(ORDER)),
        ("UPDATES_WAIT", {"oldest": LongestWait(ORDER, "WO-1", 10.1)}),
        ("OUTBOXES_GROW", {"unlogged": 5_001}),
        ("COMMIT_STUCK", {"stuck": {ORDER: StuckCommit(0.0, "BSONObj size is invalid")}}),
        ("DEAD_LETTERS", {"failure": LastFailure(3, ORDER, "STORE_REJECTED", _NOW)}),
        ("OWNER_CHANGES", {"ownership": _tenures(4)}),
    ],
)
def test_a_state_makes_its_alarm_and_no_other(code: str, changes: dict[str, object]) -> None:
    assert codes(Lately().situation(**changes)) == [code]


def test_states_that_are_not_worth_it_make_none() -> None:
    lately = Lately()
    paused = replace(_STATUS, paused=True)
    assert codes(lately.situation(status=paused)) == ["PAUSED"]
    assert codes(lately.situation(ownership=_tenures(3))) == []
    assert codes(lately.situation(ownership=_tenures(9, ago_s=1_000))) == []


def _fail(lately: Lately, times: int) -> None:
    lately.telemetry.outcomes["failed", "SYSTEM_ERROR"] += times


def _refuse(lately: Lately, times: int) -> None:
    lately.telemetry.outcomes["refused", "WORK_ORDER_NOT_FOUND"] += times


def _turn_away(lately: Lately, times: int) -> None:
    lately.calls["POST", "/api/workorder/update-quantity", 429] += times


def _count(name: str) -> Any:  # noqa: ANN401 -- one of the functions below
    def rise(lately: Lately, times: int) -> None:
        setattr(lately.telemetry.commits, name, times)

    return rise


def _crash(lately: Lately, times: int) -> None:
    lately.telemetry.actors.restarted += times


def _odd(kind: str) -> Any:  # noqa: ANN401 -- changes the counts
    def rise(lately: Lately, times: int) -> None:
        oddities = lately.telemetry.oddities
        setattr(oddities, kind, getattr(oddities, kind) + times)
        setattr(oddities, f"last_{kind}", Oddity("0" * 24, "inputQuantity", "5", "3"))

    return rise


def _break_guard(lately: Lately, times: int) -> None:
    for _ in range(times):
        updated = replace(applied(update()), watched="OVER_INPUT", work_order_no="WO-1")
        lately.telemetry.guards.note(updated)


def _commit(lately: Lately, slow: int) -> None:
    lately.telemetry.commits.times.note(0.01, 98)
    lately.telemetry.commits.times.note(3.0, slow)


def _lag(lately: Lately, late: int) -> None:
    lately.lags.note(0.001, 980)
    lately.lags.note(0.3, late)


@pytest.mark.parametrize(
    ("code", "rise", "fine", "too_many"),
    [
        ("UPDATES_FAIL", _fail, 15, 16),
        ("REFUSED_FOR_ROOM", _turn_away, 0, 1),
        ("REFUSALS_JUMP", _refuse, 30, 31),
        ("COMMITS_SLOW", _commit, 0, 3),
        ("COMMITS_UNANSWERED", _count("retries"), 5, 6),
        ("LOG_REFUSES", _count("relay_errors"), 0, 1),
        ("FENCED", _count("fenced"), 0, 1),
        ("ACTORS_CRASH", _crash, 0, 1),
        ("COUNTS_UNDONE", _odd("undone"), 0, 1),
        ("ORDER_UNREADABLE", _odd("unreadable"), 0, 1),
        ("GUARD_BROKEN", _break_guard, 0, 1),
        ("LOOP_LATE", _lag, 2, 30),
    ],
)
def test_what_was_counted_lately_makes_its_alarm_and_is_forgotten(
    code: str,
    rise: Any,  # noqa: ANN401 -- changes the counts
    fine: int,
    too_many: int,
) -> None:
    quiet, loud = Lately(), Lately()
    rise(quiet, fine)
    rise(loud, too_many)
    assert codes(quiet.situation()) == []
    assert codes(loud.situation()) == [code]
    for _ in range(300):
        loud.samples.take(None)
        loud.now += 5
    assert codes(loud.situation()) == [], "long ago by now"


def test_critical_alarms_come_first_and_each_once() -> None:
    severities = [rule.severity for rule in RULES]
    assert severities == sorted(severities), "critical sorts before warning"
    assert len({rule.code for rule in RULES}) == len(RULES)


# -- the same as Prometheus' -----------------------------------------------------------------


def test_the_alarms_are_those_of_prometheus_with_its_thresholds() -> None:
    alerts = {
        re.sub(r"(?<!^)(?=[A-Z])", "_", name.removeprefix("WorkOrder")).upper(): alert
        for name, alert in alert_rules().items()
    }
    assert {rule.code for rule in RULES} | _ONLY_PROMETHEUS == set(alerts)
    for rule in RULES:
        alert = alerts[rule.code]
        assert rule.severity == alert["severity"], rule.code
        windows = re.findall(r"\[(\d+)m\]|offset (\d+)m", alert["expr"])
        minutes = [int(inside or offset) for inside, offset in windows]
        assert {*minutes} == ({rule.within_s // 60} if rule.within_s else set()), rule.code
        above = re.search(r"> ([\d.]+)", alert["expr"])
        assert rule.above == (float(above[1]) if above else 0), rule.code


def test_every_alarm_has_words_in_both_languages() -> None:
    assert set(WORDINGS) == {rule.code for rule in RULES}
    for wording in WORDINGS.values():
        for text in filter(None, wording):
            fields = [set(re.findall(r"{(\w+)}", each)) for each in text]
            assert fields[0] == fields[1]
            assert re.search(r"[\u4e00-\u9fff]", text.zh)
            assert text.en.isascii()


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [(0.25, "0.25 秒", "0.25 s"), (12.4, "12 秒", "12 s"), (600, "10 分", "10 min")],
)
def test_a_span_is_written_as_people_say_it(seconds: float, zh: str, en: str) -> None:
    assert [span_text(seconds, each) for each in Language] == [zh, en]
    assert span_text(3 * 3600, Language.ENGLISH) == "3 h"


@pytest.mark.parametrize("language", list(Language))
def test_the_words_have_the_numbers_in_them(language: Language) -> None:
    (found,) = findings(Lately().situation(**_down("store")))
    message, advice, itself = render_alarm(found.rule.code, language, found.params)
    assert itself
    assert "MongoDB" in message
    assert "12" in message
    assert "ok" in advice, "the last error"


def test_orders_are_called_by_their_numbers_wherever_an_alarm_has_their_ids() -> None:
    params = {"order": "a" * 24, "work_order_id": "b" * 24, "detail": "c" * 24, "count": 2}
    finding = Finding(RULES[0], params, work_order_id="b" * 24)
    assert finding.orders() == {"a" * 24, "b" * 24}
    called = finding.called({"a" * 24: "WO-A", "b" * 24: "WO-B", "c" * 24: "WO-C"})
    assert called.params == {**params, "order": "WO-A", "work_order_id": "WO-B"}
    assert (called.work_order_id, called.work_order_no) == ("b" * 24, "WO-B")
    assert Finding(RULES[0], {"order": "?"}).orders() == set()


# -- as operators see them -------------------------------------------------------------------


async def _alarm(here: Served, code: str) -> dict[str, Any]:
    """Return the alarm `code`, as soon as it is there."""
    async with asyncio.timeout(100):
        while True:
            data = await here.get("/api/alarms")
            assert data["ok"] is all(each["overS"] is not None for each in data["alarms"])
            for each in data["alarms"]:
                if each["code"] == code:
                    found: dict[str, Any] = each
                    return found
            await asyncio.sleep(0.05)


async def test_all_is_well_from_either_node(first: Served, second: Served) -> None:
    for here in (first, second):
        data = await here.get("/api/alarms")
        assert (data["ok"], data["alarms"]) == (True, [])


@pytest.mark.parametrize("lease", [2.0], indirect=True)
async def test_a_store_that_is_away_is_told_with_the_seconds(
    first: Served, store: MemoryStore
) -> None:
    store.choose = lambda _method: Fault.REFUSE
    found = await _alarm(first, "STORE_DOWN")
    store.choose = lambda _method: None
    assert re.search(r"memory has not answered for [\d.]+ s; .* nothing is lost", found["message"])
    assert (found["severity"], found["show"], found["workOrderId"]) == ("critical", "node", None)


@pytest.mark.parametrize("lease", [100.0], indirect=True)
async def test_a_lease_server_that_is_away_is_told(first: Served, lease: LeaseServer) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LoopOfTests)
    lease.reachable = False
    loop.skip(40)  # it renews its lease by then, and still has it for long
    found = await _alarm(first, "LEASE_DOWN")
    lease.reachable = True
    assert found["severity"] == "warning"


async def test_a_pause_is_told_by_a_standby_too_and_goes(first: Served, second: Served) -> None:
    await first.node.region.pause()
    assert (await _alarm(second, "PAUSED"))["severity"] == "warning"
    await first.node.region.resume()
    assert (await second.get("/api/alarms"))["ok"]


async def test_a_paused_order_leads_to_its_page(first: Served, second: Served) -> None:
    await first.node.region.pause_order(ORDER)
    found = await _alarm(second, "ORDERS_PAUSED")
    assert (found["show"], found["workOrderId"]) == ("order", ORDER)
    assert found["workOrderNo"] == f"WO-{ORDER}"
    assert f"WO-{ORDER}" in found["message"], "by its number, though it rests"


async def test_the_order_that_waits_longest_is_named(first: Served, store: MemoryStore) -> None:
    async with store.holding("commit") as committing:
        asked = asyncio.create_task(first.node.region.update(update(5, ORDER)))
        await committing.wait()
        assert (await first.get("/api/alarms"))["ok"], "it waits, but not for long"
        view = first.node.region._directory  # noqa: SLF001 -- so that nobody waits ten seconds
        assert view is not None
        view.made[ORDER].actor.current.waits_from -= 60  # type: ignore[union-attr]
        found = await _alarm(first, "UPDATES_WAIT")
    await asked
    assert (found["workOrderId"], found["show"]) == (ORDER, "order")
    assert found["sinceS"] >= 60


async def test_what_was_given_up_is_told_even_while_the_store_hangs_and_what_is_refused_is_not(
    monkeypatch: pytest.MonkeyPatch, first: Served, second: Served, store: MemoryStore
) -> None:
    monkeypatch.setattr("web.observe.alarms.watch._JOBS_EVERY_S", 0.0)
    body = {"workOrderId": "f" * 24, "type": "input", "wait": False}
    async with first.session.post("/api/workorder/update-quantity", json=body) as reply:
        assert (await reply.json())["code"] == "QUEUED"
    failed = "/api/workorder/queue/jobs?state=failed"
    async with asyncio.timeout(100):
        while not (await first.get(failed))["total"]:  # noqa: ASYNC110 -- asked anew each time
            await asyncio.sleep(0.02)
    assert (await second.get("/api/alarms"))["ok"], "an unknown order is no dead letter"
    book = store.inbox.book.jobs
    for job_id, job in book.items():
        book[job_id] = replace(job, dead=True, work_order_id=ORDER)
    found = await _alarm(second, "DEAD_LETTERS")
    assert found["show"] == "jobs"
    assert f"WO-{ORDER}" in found["message"], "by its number, as people know it"
    assert "WORK_ORDER_NOT_FOUND" in found["message"]
    async with first.session.get("/metrics") as reply:
        assert "workorder_dead_letters 1.0" in await reply.text()

    async def hang(*_what: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("web.observe.alarms.watch._STORE_S", 0.01)
    monkeypatch.setattr(store.inbox, "page", hang)
    assert await _alarm(first, "DEAD_LETTERS")


async def test_a_node_without_an_owner_says_why(store: MemoryStore, lease: LeaseServer) -> None:
    lease.reachable = False
    async with served(store, lease, "alone") as here:
        cause = await _alarm(here, "LEASE_DOWN")
        (found,) = cause["consequences"]
        assert (found["code"], cause["severity"]) == ("NO_OWNER", "critical")
        assert "the lease's server does not answer" in found["message"]
        lease.reachable = True
        await until(lambda: here.node.status().serving)
        assert (await here.get("/api/alarms"))["ok"]


async def test_a_standby_whose_owner_hangs_answers_itself(
    monkeypatch: pytest.MonkeyPatch, client: Client, standby: FakeNode, owner: FakeOwner
) -> None:
    monkeypatch.setattr("web.cluster.forward._VIEW_S", 0.1)
    assert standby.owner_elsewhere() is not None
    async with asyncio.timeout(100):
        while True:
            async with client.get("/readyz") as ready:
                if ready.status == 200:
                    break
    owner.gate = asyncio.Event()
    async with client.get("/api/alarms") as reply:
        assert reply.status == 200
        assert (await reply.json())["data"]["ok"] is True
    assert [each.path for each in owner.seen] == ["/api/alarms"]
    owner.gate.set()
