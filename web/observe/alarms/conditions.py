"""When an alarm holds: the thresholds of config/deploy/prometheus/alerts.yml, on what a node knows.

There a condition must hold for a while before somebody is woken; here it shows at once, with the
time since when it does. What only all nodes together show (two owners, a node that is down) is
left to Prometheus.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from actors.errors import DuplicateOperation
from actors.telemetry.histogram import percentile
from actors.telemetry.oddities import Oddities, Oddity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from actors.domain.model import WorkOrderId
    from actors.node.status import Dependency, NodeStatus, OwnershipHistory
    from actors.operators.rows import LongestWait
    from actors.orders.region import Statistics
    from actors.telemetry.counters import StuckCommit
    from actors.telemetry.findings import GuardFinding
    from actors.telemetry.journal import Event
    from actors.telemetry.samples import Samples
    from web.cluster.fleet import FleetState

MINUTE_S: Final = 60
Severity = Literal["critical", "warning"]
Show = Literal["node", "order", "actors", "jobs", "paused"]
"""The page of the console that has more of it."""
_ORDERS: Final = ("order", "work_order_id")
"""What an order is called among the values of a message."""
_ID: Final = re.compile("[0-9a-f]{24}")
_NAMES: Final = {"mongodb": "MongoDB", "sqlite": "SQLite", "redis": "Redis"}


class LastFailure(NamedTuple):
    """The latest update that was given up, and how many there are."""

    total: int
    work_order_id: str
    code: str
    at: datetime


_BEATS_A_SECOND: Final = 10
_FRESH_S: Final = 30
"""What was not so for this long is over."""
_JUMP: Final = 5
_HOUR_S: Final = 60 * MINUTE_S
NAMED: Final = 50
"""So many paused orders are named in an alarm; the list of them has all."""


@dataclass(frozen=True, slots=True)
class Situation:
    """All that is known. Without actors here, the figures are those of a node with none."""

    status: NodeStatus
    served: bool
    """Whether updates that come to this node are served, here or by the owner."""
    reason: str | None
    statistics: Statistics
    samples: Samples
    ownership: OwnershipHistory
    unlogged: int
    """Entries that are committed and not yet in the log."""
    stuck: Mapping[WorkOrderId, StuckCommit] = field(default_factory=dict)
    """Commits that are sent again without progress, though the store answers others."""
    oldest: LongestWait | None = None
    failure: LastFailure | None = None
    numbers: Mapping[str, str] = field(default_factory=dict)
    """What people call the orders that are named, where it is known."""
    fleet: FleetState | None = None
    """The nodes, as the owner knows them."""
    away: tuple[int, ...] = ()
    """The shards that no node serves, where others are served."""
    last_refusal: Callable[[str], Event | None] = lambda _code: None
    """Finds the latest update that was refused with a code."""
    oddities: Oddities = field(default_factory=Oddities)
    guard_broken: GuardFinding | None = None
    """The latest change that broke a guard which is only watched."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An alarm that holds; `since_s` is None where only its first sight tells."""

    rule: Rule
    params: Mapping[str, object] = field(default_factory=dict)
    since_s: float | None = None
    work_order_id: str | None = None
    work_order_no: str | None = None

    def orders(self) -> set[str]:
        """Return the ids of the orders that it names."""
        named = {self.work_order_id, *(self.params.get(each) for each in _ORDERS)}
        return {each for each in named if isinstance(each, str) and _ID.fullmatch(each)}

    def called(self, numbers: Mapping[str, str]) -> Finding:
        """Return it with what people call its orders in the place of their ids, where known."""
        shown = {
            name: numbers.get(str(value), value) if name in _ORDERS else value
            for name, value in self.params.items()
        }
        number = numbers.get(self.work_order_id or "")
        return replace(self, params=shown, work_order_no=number)


@dataclass(frozen=True, slots=True)
class Rule:
    """An alarm: what is above `above` (within the last `within_s`) makes it hold."""

    code: str
    severity: Severity
    show: Show
    holds: Callable[[Rule, Situation], Finding | None]
    above: float = 0
    within_s: int = 0
    follows: tuple[str, ...] = ()
    """The alarms that explain it: while one of them holds, it is shown below that one."""

    def goes_on(self, now: Situation) -> bool:
        """Tell whether it is still so, or is only not forgotten yet."""
        if not self.within_s:
            return True
        above = self.above if self.holds in (_commits_slow, _loop_late) else 0
        return self.holds(replace(self, within_s=_FRESH_S, above=above), now) is not None


def findings(situation: Situation) -> Iterator[Finding]:
    """Return the alarms that hold, the critical ones first, a cause before what follows from it."""
    for rule in RULES:
        found = rule.holds(rule, situation)
        if found is not None:
            yield found


def _store_down(rule: Rule, now: Situation) -> Finding | None:
    return _down(rule, now.status.store)


def _lease_down(rule: Rule, now: Situation) -> Finding | None:
    return _down(rule, now.status.lease)


def _down(rule: Rule, server: Dependency) -> Finding | None:
    if server.ok:
        return None
    name = _NAMES.get(server.name, server.name)
    params = {"name": name, "span": server.since_s, "detail": server.detail}
    return Finding(rule, params, server.since_s)


def _no_owner(rule: Rule, now: Situation) -> Finding | None:
    left_s = now.status.lease_ttl_s
    params = {"reason": now.reason or "?", "takeover": "?" if left_s is None else left_s}
    return None if now.served or now.away else Finding(rule, params)


def _shards_away(rule: Rule, now: Situation) -> Finding | None:
    shards = ", ".join(map(str, now.away))
    return Finding(rule, {"shards": shards, "reason": now.reason or "?"}) if shards else None


def _too_few_nodes(rule: Rule, now: Situation) -> Finding | None:
    fleet = now.fleet
    if fleet is None or fleet.missing_s <= rule.above:
        return None
    missing = fleet.expected - fleet.present
    names = ", ".join(each.node for each in fleet.gone[:missing]) or "?"
    params = {"present": fleet.present, "expected": fleet.expected, "names": names}
    return Finding(rule, params, fleet.missing_s)


def _no_standby(rule: Rule, now: Situation) -> Finding | None:
    return None if now.fleet is None or now.fleet.present > 1 else _too_few_nodes(rule, now)


def _nodes_missing(rule: Rule, now: Situation) -> Finding | None:
    return None if now.fleet is None or now.fleet.present == 1 else _too_few_nodes(rule, now)


def _paused(rule: Rule, now: Situation) -> Finding | None:
    return Finding(rule, {"waiting": _waiting(now)}) if now.status.paused else None


def _orders_paused(rule: Rule, now: Situation) -> Finding | None:
    orders = now.statistics.paused_orders
    if len(orders) <= rule.above:
        return None
    names = ", ".join(now.numbers.get(each, each) for each in orders[:NAMED])
    params = {"count": len(orders), "names": names + (", …" if len(orders) > NAMED else "")}
    return Finding(rule, params, work_order_id=orders[0] if len(orders) == 1 else None)


def _updates_wait(rule: Rule, now: Situation) -> Finding | None:
    oldest = now.oldest
    if oldest is None or oldest.seconds <= rule.above:
        return None
    params = {
        "order": oldest.work_order_no or oldest.work_order_id,
        "span": oldest.seconds,
        "waiting": _waiting(now),
    }
    return Finding(rule, params, oldest.seconds, oldest.work_order_id)


def _updates_fail(rule: Rule, now: Situation) -> Finding | None:
    failed = now.samples.increase("failed", rule.within_s)
    if failed.total() / rule.within_s <= rule.above:
        return None
    ((code, most),) = failed.most_common(1)
    return Finding(rule, {"count": failed.total(), "most": most, "code": code})


def _refusals_jump(rule: Rule, now: Situation) -> Finding | None:
    """Compare with the hour; a scan that is counted already is an ordinary day's refusal."""
    lately, hour = (now.samples.increase("refused", each) for each in (rule.within_s, _HOUR_S))
    for each in (lately, hour):
        each.pop(DuplicateOperation.code, None)
    rate = lately.total() / rule.within_s
    if rate <= rule.above or rate <= _JUMP * hour.total() / _HOUR_S:
        return None
    ((code, most),) = lately.most_common(1)
    last = now.last_refusal(code)
    params = {
        "count": lately.total(),
        "most": most,
        "code": code,
        "order": last.work_order_id if last else "?",
        "detail": last.detail if last else "?",
    }
    return Finding(rule, params, work_order_id=last.work_order_id if last else None)


def _turned_away(rule: Rule, now: Situation) -> Finding | None:
    return _increased(rule, now, "turned_away", waiting=_waiting(now))


def _commits_slow(rule: Rule, now: Situation) -> Finding | None:
    slow_s = percentile(now.samples.recent("commit", rule.within_s), 0.99)
    if slow_s <= rule.above:
        return None
    name = _NAMES.get(now.status.store.name, now.status.store.name)
    return Finding(rule, {"span": slow_s, "name": name})


def _commits_unanswered(rule: Rule, now: Situation) -> Finding | None:
    return _increased(rule, now, "retries")


def _commit_stuck(rule: Rule, now: Situation) -> Finding | None:
    stuck = sorted(now.stuck.items(), key=lambda item: item[1].since)
    if len(stuck) <= rule.above:
        return None
    order_id, first = stuck[0]
    params = {"count": len(stuck), "order": order_id, "detail": first.error}
    return Finding(rule, params, time.monotonic() - first.since, order_id)


def _log_refuses(rule: Rule, now: Situation) -> Finding | None:
    return _increased(rule, now, "relay_errors", entries=now.unlogged)


def _outboxes_grow(rule: Rule, now: Situation) -> Finding | None:
    return Finding(rule, {"entries": now.unlogged}) if now.unlogged > rule.above else None


def _dead_letters(rule: Rule, now: Situation) -> Finding | None:
    last = now.failure
    if last is None:
        return None
    ago = datetime.now(UTC) - last.at
    params = {"total": last.total, "order": last.work_order_id, "code": last.code}
    return Finding(rule, params, max(0.0, ago.total_seconds()))


def _loop_late(rule: Rule, now: Situation) -> Finding | None:
    lags = now.samples.recent("lag", rule.within_s)
    # Not before there were enough of them: a start is always late.
    enough = min(MINUTE_S, rule.within_s / 2) * _BEATS_A_SECOND
    late_s = percentile(lags, 0.99) if sum(lags) >= enough else 0.0
    return Finding(rule, {"span": late_s}) if late_s > rule.above else None


def _owner_changes(rule: Rule, now: Situation) -> Finding | None:
    since = datetime.now(UTC) - timedelta(seconds=rule.within_s)
    count = sum(each.since >= since for each in now.ownership.seen)
    above = rule.above * max(1, len(now.status.shards))
    return Finding(rule, {"count": count}) if count > above else None


def _fenced(rule: Rule, now: Situation) -> Finding | None:
    return _increased(rule, now, "fenced")


def _actors_crash(rule: Rule, now: Situation) -> Finding | None:
    return _increased(rule, now, "restarted")


def _counts_undone(rule: Rule, now: Situation) -> Finding | None:
    return _odd(_increased(rule, now, "undone"), now.oddities.last_undone)


def _orders_unreadable(rule: Rule, now: Situation) -> Finding | None:
    return _odd(_increased(rule, now, "unreadable"), now.oddities.last_unreadable)


def _guard_broken(rule: Rule, now: Situation) -> Finding | None:
    finding, last = _increased(rule, now, "guard_broken"), now.guard_broken
    if finding is None or last is None:
        return None
    params = {
        **finding.params,
        "guard": last.guard.value,
        "order": last.work_order_no or last.work_order_id,
        "barcode": last.barcode or "-",
    }
    return replace(finding, params=params, work_order_id=last.work_order_id)


def _odd(finding: Finding | None, last: Oddity | None) -> Finding | None:
    if finding is None or last is None:
        return None
    params = {**finding.params, **last._asdict()}
    return replace(finding, params=params, work_order_id=last.work_order_id)


def _increased(rule: Rule, now: Situation, counter: str, **params: Any) -> Finding | None:  # noqa: ANN401 -- for a text
    count = now.samples.increase("trouble", rule.within_s)[counter]
    return Finding(rule, {"count": count, **params}) if count > rule.above else None


def _waiting(now: Situation) -> int:
    return now.statistics.waiting + now.statistics.delayed


_STORE: Final = ("STORE_DOWN",)
_LATE: Final = ("LOOP_LATE",)
_GONE: Final = ("STORE_DOWN", "LEASE_DOWN")

RULES: Final = (
    Rule("STORE_DOWN", "critical", "node", _store_down),
    Rule("NO_OWNER", "critical", "node", _no_owner, follows=_GONE),
    Rule("SHARDS_AWAY", "critical", "node", _shards_away, follows=_GONE),
    Rule("COMMIT_STUCK", "critical", "order", _commit_stuck, follows=_STORE),
    Rule(
        "UPDATES_WAIT",
        "critical",
        "order",
        _updates_wait,
        above=10,
        follows=(*_STORE, "COMMIT_STUCK"),
    ),
    Rule(
        "UPDATES_FAIL",
        "critical",
        "actors",
        _updates_fail,
        0.05,
        5 * MINUTE_S,
        (*_STORE, "NO_OWNER", "SHARDS_AWAY", *_LATE),
    ),
    Rule("LOG_REFUSES", "critical", "node", _log_refuses, 0, 5 * MINUTE_S, _STORE),
    Rule("COUNTS_UNDONE", "warning", "order", _counts_undone, 0, 15 * MINUTE_S),
    Rule("ORDER_UNREADABLE", "warning", "order", _orders_unreadable, 0, 15 * MINUTE_S),
    Rule("GUARD_BROKEN", "warning", "order", _guard_broken, 0, 15 * MINUTE_S),
    Rule("LEASE_DOWN", "warning", "node", _lease_down),
    Rule("NO_STANDBY", "warning", "node", _no_standby),
    Rule("NODES_MISSING", "warning", "node", _nodes_missing),
    Rule("PAUSED", "warning", "paused", _paused),
    Rule("ORDERS_PAUSED", "warning", "paused", _orders_paused, above=0),
    Rule("DEAD_LETTERS", "warning", "jobs", _dead_letters),
    Rule("REFUSALS_JUMP", "warning", "actors", _refusals_jump, 0.1, 5 * MINUTE_S),
    Rule(
        "REFUSED_FOR_ROOM",
        "warning",
        "actors",
        _turned_away,
        0,
        5 * MINUTE_S,
        (*_STORE, "PAUSED", "UPDATES_WAIT"),
    ),
    Rule("LOOP_LATE", "warning", "node", _loop_late, 0.1, 5 * MINUTE_S),
    Rule("COMMITS_SLOW", "warning", "node", _commits_slow, 1, 5 * MINUTE_S, (*_STORE, *_LATE)),
    Rule("COMMITS_UNANSWERED", "warning", "node", _commits_unanswered, 5, 5 * MINUTE_S, _STORE),
    Rule("OUTBOXES_GROW", "warning", "actors", _outboxes_grow, above=5000, follows=_STORE),
    Rule("OWNER_CHANGES", "warning", "node", _owner_changes, 3, 15 * MINUTE_S, (*_GONE, *_LATE)),
    Rule("FENCED", "warning", "node", _fenced, 0, 10 * MINUTE_S, ("OWNER_CHANGES", *_GONE)),
    Rule("ACTORS_CRASH", "warning", "actors", _actors_crash, 0, 10 * MINUTE_S),
)
CAUSES: Final = frozenset(cause for rule in RULES for cause in rule.follows)
