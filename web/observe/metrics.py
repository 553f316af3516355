"""Metrics for Prometheus: read when they are asked for, from counts that are kept anyway."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from aiohttp import web
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.registry import Collector

from actors.domain.guards import Guard
from actors.node.status import Role
from web.observe.shard_metrics import shard_metrics
from web.wire.cuts import REASONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from actors.node.status import NodeStatus
    from actors.operators.rows import Summary
    from actors.telemetry.histogram import Histogram
    from web.app_context import AppContext
    from web.cluster.fleet import Fleet
    from web.observe.loop_monitor import LoopMonitor
    from web.wire.cuts import Cuts

_SHORTEST_S: Final = 256e-6
_LONGEST_S: Final = 34.0
_PREFIX: Final = "workorder"
_SUCCESSES: Final = (
    ("applied", "UPDATED"),
    ("replayed", "UPDATED"),
    ("duplicate", "DUPLICATE_OPERATION"),
)


_NO_ROOM: Final = 429


class Traffic:
    """Answered calls, by method, route and status."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str, int]] = Counter()

    def note(self, method: str, route: str, status: int) -> None:
        """Count one; `route` is a template, so that no order makes a series of its own."""
        self.calls[method, route, status] += 1

    def turned_away(self) -> dict[tuple[str, str], int]:
        """Return how many calls found no room, as a source of samples."""
        count = sum(count for call, count in self.calls.items() if call[2] == _NO_ROOM)
        return {("trouble", "turned_away"): count}


class NodeCollector(Collector):
    """Gives a node's metrics; what only the owner knows, while it is the owner."""

    def __init__(
        self, context: AppContext, monitor: LoopMonitor, traffic: Traffic, cuts: Cuts, fleet: Fleet
    ) -> None:
        self._context, self._monitor, self._traffic = context, monitor, traffic
        self._cuts, self._fleet = cuts, fleet
        self.summary: Summary | None = None
        """A look at the actors, taken just before; None on a node without any."""
        self.failed_jobs: int | None = None
        """As the store said just before; None where it did not."""
        self.dead_letters: int | None = None
        """Of those, what was given up."""

    def collect(self) -> Iterator[Metric]:
        """Return all families."""
        build = InfoMetricFamily(f"{_PREFIX}_build", "The service's version")
        build.add_metric([], {"version": self._context.options.version})
        yield build
        yield from self._updates()
        yield from self._times()
        yield from self._commits()
        yield from self._node(self._context.node.status())
        yield from self._waiting()
        if self.summary is not None:
            yield from _actors(self.summary)
        yield from shard_metrics(_PREFIX, self._context.node)
        yield from self._calls()
        if self._context.logs is not None:
            yield _counter("log_lines_dropped", "Log lines lost", self._context.logs.dropped)

    def _updates(self) -> Iterator[Metric]:
        telemetry = self._context.node.telemetry
        updates = CounterMetricFamily(
            f"{_PREFIX}_updates",
            "Answered updates, by what became of them",
            labels=["outcome", "code"],
        )
        # All outcomes from the beginning: a rate needs a zero to rise from.
        counts = dict.fromkeys(_SUCCESSES, 0) | telemetry.outcomes
        for labels, count in sorted(counts.items()):
            updates.add_metric(labels, count)
        yield updates
        stats = telemetry.actors
        yield _counter("actors_created", "Order actors made", stats.created)
        yield _counter("actors_passivated", "Idle order actors retired", stats.passivated)
        yield _counter("actors_restarted", "Order actors replaced after a crash", stats.restarted)

    def _times(self) -> Iterator[Metric]:
        telemetry = self._context.node.telemetry
        yield _histogram("update_seconds", "From mailbox to answer", telemetry.end_to_end)
        yield _histogram("update_wait_seconds", "In a mailbox", telemetry.waits)
        yield _histogram("update_handling_seconds", "At work, with its batch", telemetry.handlings)
        yield _histogram("commit_seconds", "One commit of many orders", telemetry.commits.times)
        yield _histogram("loop_lag_seconds", "How late the loop's timers are", self._monitor.lags)

    def _commits(self) -> Iterator[Metric]:
        stats = self._context.node.telemetry.commits
        yield _counter("commit_batches", "Commits sent to the store", stats.batches.batches)
        yield _counter("commit_batch_orders", "Orders in those commits", stats.batches.items)
        yield _counter("commits", "Orders committed", stats.commits)
        yield _counter("commit_entries", "Log entries committed", stats.entries)
        yield _counter("commit_conflicts", "Orders others had changed", stats.conflicts)
        yield _counter("commit_retries", "Commits sent again, unanswered", stats.retries)
        yield _counter("commit_fenced", "Orders that a later owner had", stats.fenced)
        yield _gauge("commits_stuck", "Orders whose commit finds no outcome", len(stats.stuck))
        odd = self._context.node.telemetry.oddities
        yield _counter("counts_undone", "Counts of orders that others undid", odd.undone)
        yield _counter("orders_unreadable", "Updates of orders without a number", odd.unreadable)
        broken = CounterMetricFamily(
            f"{_PREFIX}_guard_findings", "Changes that broke a watched guard", labels=["guard"]
        )
        for guard in Guard:
            broken.add_metric([guard.value], self._context.node.telemetry.guards.counts[guard])
        yield broken
        archived = self._context.node.telemetry.archived
        yield _counter("log_archived_orders", "Orders whose log was archived", archived.orders)
        yield _counter("log_archived_entries", "Log entries archived", archived.entries)
        yield _counter("relay_errors", "Copies to the log that failed", stats.relay_errors)

    def _node(self, status: NodeStatus) -> Iterator[Metric]:
        role = GaugeMetricFamily(f"{_PREFIX}_node_role", "1 for the node's role", labels=["role"])
        for one in Role:
            role.add_metric([one.value], one is status.role)
        yield role
        yield _gauge("node_serving", "1 while the node takes updates itself", status.serving)
        yield _gauge("epoch", "Epoch of the node's term, 0 without one", status.epoch)
        yield _gauge("paused", "1 while processing is paused", status.paused)
        fleet = self._fleet.state()
        if fleet is not None:
            missing = fleet.expected - fleet.present if fleet.missing_s else 0
            yield _gauge("nodes_present", "Nodes that the owner hears, with it", fleet.present)
            yield _gauge("nodes_expected", "Nodes that there should be", fleet.expected)
            yield _gauge("nodes_missing", "Of those, nodes that are silent", missing)
        if status.lease_ttl_s is not None:
            yield _gauge("lease_left_seconds", "Until the lease ends", status.lease_ttl_s)
        ownership = self._context.node.ownership()
        yield _counter("takeovers", "Times this node became the owner", ownership.taken_over)
        yield _counter("stepdowns", "Times it stepped down", ownership.stepped_down)
        labels = ["dependency", "kind"]
        up = GaugeMetricFamily(f"{_PREFIX}_dependency_up", "1 while it answers", labels=labels)
        failures = CounterMetricFamily(
            f"{_PREFIX}_dependency_failures", "Looks it did not answer", labels=labels
        )
        for name, each in (("store", status.store), ("lease", status.lease)):
            up.add_metric([name, each.name], each.ok)
            failures.add_metric([name, each.name], each.failures)
        yield up
        yield failures

    def _waiting(self) -> Iterator[Metric]:
        counts = self._context.node.region.statistics()
        yield _gauge("updates_waiting", "Updates that wait for their turn", counts.waiting)
        yield _gauge("updates_active", "Updates at work", counts.active)
        yield _gauge("updates_delayed", "Updates that wait to be tried again", counts.delayed)
        yield _gauge("paused_orders", "Orders that are paused alone", len(counts.paused_orders))
        if counts.jobs is not None:
            yield _gauge("jobs_waiting", "Accepted jobs not done yet", counts.jobs)
        if self.failed_jobs is not None:
            yield _gauge("jobs_failed", "Failed jobs, dead letters too", self.failed_jobs)
        if self.dead_letters is not None:
            yield _gauge("dead_letters", "Updates that were given up", self.dead_letters)

    def _calls(self) -> Iterator[Metric]:
        calls = CounterMetricFamily(
            f"{_PREFIX}_http_requests",
            "Answered calls by route and status",
            labels=["method", "route", "status"],
        )
        for (method, route, status), count in sorted(self._traffic.calls.items()):
            calls.add_metric([method, route, str(status)], count)
        yield calls
        cut = CounterMetricFamily(
            f"{_PREFIX}_connections_cut", "Connections cut off, by reason", labels=["reason"]
        )
        for reason in REASONS:
            cut.add_metric([reason], self._cuts.counts[reason])
        yield cut


def _actors(summary: Summary) -> Iterator[Metric]:
    states = GaugeMetricFamily(f"{_PREFIX}_actors", "Live order actors", labels=["state"])
    for state, count in summary.states.items():
        states.add_metric([state], count)
    yield states
    depths = summary.depths
    yield _gauge("mailbox_depth_max", "The deepest mailbox", depths[-1] if depths else 0)
    yield _gauge("oldest_wait_seconds", "Oldest update, paused ones left out", summary.oldest_s)
    yield _gauge("outbox_orders", "Orders with an outbox to empty", summary.outboxes)
    yield _gauge("outbox_entries", "Entries not yet in the log", summary.outbox_entries)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"{_PREFIX}_{name}", text, value=value)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", text, value=value)


def _histogram(name: str, text: str, histogram: Histogram) -> HistogramMetricFamily:
    buckets: list[tuple[str, float]] = [
        (repr(seconds), count)
        for seconds, count in histogram.below()
        if _SHORTEST_S <= seconds <= _LONGEST_S
    ]
    buckets.append(("+Inf", histogram.count))
    return HistogramMetricFamily(
        f"{_PREFIX}_{name}", text, buckets=buckets, sum_value=histogram.total_s
    )


class Metrics:
    """The registry of one application, and what fills it."""

    def __init__(self, context: AppContext, monitor: LoopMonitor, cuts: Cuts, fleet: Fleet) -> None:
        self.traffic = Traffic()
        self.node = NodeCollector(context, monitor, self.traffic, cuts, fleet)
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self.node)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)


METRICS: Final = web.AppKey("metrics", Metrics)
