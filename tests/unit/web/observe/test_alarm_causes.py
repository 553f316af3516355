"""Causes before consequences: what follows is below its cause, and what is over says so."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from actors.telemetry.journal import Event
from tests.unit.actors.owner import ORDER
from tests.unit.web.fake_node import FakeNode
from tests.unit.web.observe.test_alarms import Lately, codes
from tests.unit.web.served import ENGLISH, served
from tests.virtual_time import in_virtual_time
from web.app_context import Options
from web.observe.alarms import RULES
from web.observe.alarms.watch import Alarm, Alarms, folded

if TYPE_CHECKING:
    from tests.fake_lease import LeaseServer
    from tests.fakes import MemoryStore

_STATUS = FakeNode().status()
_DOWN = replace(_STATUS, store=replace(_STATUS.store, ok=False, since_s=3.0))
_OWNERLESS = {"status": _DOWN, "served": False}


class _Watcher:
    """Looks at what a test says, and is told what operators are."""

    def __init__(self, lately: Lately) -> None:
        self.lately = lately
        self._alarms = Alarms(cast("Any", None), cast("Any", None), cast("Any", None))

    def sees(self, **changes: object) -> list[Alarm]:
        return folded(self._alarms._dated(self.lately.situation(**changes)))  # noqa: SLF001


def _codes(alarms: tuple[Alarm, ...] | list[Alarm]) -> list[str]:
    return [each.finding.rule.code for each in alarms]


def _fails(lately: Lately) -> None:
    lately.telemetry.outcomes["failed", "SERVICE_UNAVAILABLE"] += 100
    lately.telemetry.commits.retries += 100


def test_no_alarm_explains_itself() -> None:
    follows = {rule.code: rule.follows for rule in RULES}

    def causes(code: str) -> set[str]:
        return {*follows[code]}.union(*map(causes, follows[code]))  # an endless one fails

    assert [code for code in follows if code in causes(code)] == []


def test_a_cause_is_as_severe_as_what_follows_from_it() -> None:
    down = replace(_STATUS, lease=replace(_STATUS.lease, ok=False, since_s=3.0))
    (cause,) = _Watcher(Lately()).sees(status=down, served=False)
    assert (cause.finding.rule.code, cause.severity) == ("LEASE_DOWN", "critical")
    assert _codes(cause.consequences) == ["NO_OWNER"]


@in_virtual_time
async def test_one_cause_is_one_alarm_with_the_rest_below_and_is_over_with_them() -> None:
    lately = Lately()
    watcher = _Watcher(lately)
    _fails(lately)
    (cause,) = watcher.sees(**_OWNERLESS)
    assert (cause.finding.rule.code, cause.over_s) == ("STORE_DOWN", None)
    assert _codes(cause.consequences) == ["NO_OWNER", "UPDATES_FAIL", "COMMITS_UNANSWERED"]
    # It answers again; what was counted is remembered for five minutes.
    for _ in range(10):
        lately.now += 5
        lately.samples.take(None)
    (cause,) = watcher.sees()
    assert cause.finding.rule.code == "STORE_DOWN"
    assert cause.over_s is not None
    assert [each.over_s is not None for each in cause.consequences] == [True, True, True]
    lately.now += 300
    lately.samples.take(None)
    assert watcher.sees() == []


@in_virtual_time
async def test_what_goes_on_by_itself_is_no_consequence_of_what_is_over() -> None:
    lately = Lately()
    watcher = _Watcher(lately)
    watcher.sees(status=_DOWN)
    _fails(lately)
    told = watcher.sees()
    assert _codes(told) == ["UPDATES_FAIL", "COMMITS_UNANSWERED"]


def test_a_jump_is_measured_by_the_hour_and_names_the_order_that_is_refused() -> None:
    lately = Lately()
    outcomes = lately.telemetry.outcomes
    outcomes["refused", "INVALID_QUANTITY"] += 40
    event = Event(0.0, "refused", ORDER, code="INVALID_QUANTITY", detail="out of range")
    lately.telemetry.journal.note(event)
    watcher = _Watcher(lately)
    last = partial(lately.telemetry.journal.last, "refused")
    (found,) = watcher.sees(last_refusal=last)
    assert found.finding.params["detail"] == "out of range"
    assert found.finding.work_order_id == ORDER
    assert last("OTHER") is None

    steady = Lately()
    for _ in range(100):
        steady.now += 30
        steady.telemetry.outcomes["refused", "INVALID_QUANTITY"] += 10
        steady.samples.take(None)
    assert codes(steady.situation()) == [], "it was always so"


async def test_an_absurd_quantity_is_refused_where_a_most_is_set(
    store: MemoryStore, lease: LeaseServer
) -> None:
    path = "/api/workorder/update-quantity"
    async with served(store, lease, "a", Options(max_quantity=1000)) as here:
        for quantity in (9_007_199_254_740_000, -1001, 1000.5):
            body = {"workOrderId": ORDER, "type": "input", "quantity": quantity}
            async with here.session.post(path, json=body, headers=ENGLISH) as reply:
                answer = await reply.json()
            assert (reply.status, answer["code"]) == (400, "INVALID_QUANTITY")
            assert "1000" in answer["message"]
        body = {"workOrderId": ORDER, "type": "input", "quantity": 1000}
        async with here.session.post(path, json=body) as reply:
            assert reply.status == 200
