"""Metrics of single shards, labelled by their numbers: of those that there are, at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client.core import GaugeMetricFamily

from actors.node.status import Role

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.core import Metric

    from actors.engine import Engine, Part

_TEXTS: Final[Mapping[str, str]] = {
    "owned": "1 while this node owns the shard",
    "epoch": "Epoch of its term, 0 where this node does not own it",
    "lease_left_seconds": "Until its lease ends, as far as this node owns it",
    "updates_waiting": "Updates that wait for their turn in it",
    "jobs_waiting": "Accepted jobs of it that are not done yet",
    "outbox_entries": "Entries of it that are not yet in the log",
    "updates_per_second": "Updates of it that were done with lately",
}


def shard_metrics(prefix: str, node: Engine) -> Iterator[Metric]:
    """Return the families, one sample for each shard of which this node knows it."""
    if node.shards is None:
        return
    families = {
        name: GaugeMetricFamily(f"{prefix}_shard_{name}", text, labels=["shard"])
        for name, text in _TEXTS.items()
    }
    for index, part in enumerate(node.parts):
        for name, value in _figures(part).items():
            if value is not None:
                families[name].add_metric([str(index)], value)
    yield from families.values()


def _figures(part: Part) -> dict[str, float | None]:
    status, counts = part.status(), part.counts()
    owned = status.role is Role.OWNER
    figures: dict[str, float | None] = {
        "owned": owned,
        "epoch": status.epoch if owned else 0,
        "lease_left_seconds": status.lease_ttl_s if owned else None,
    }
    if counts is not None:
        figures |= {
            "updates_waiting": counts.waiting,
            "jobs_waiting": counts.jobs,
            "outbox_entries": counts.unlogged,
            "updates_per_second": counts.per_s,
        }
    return figures
