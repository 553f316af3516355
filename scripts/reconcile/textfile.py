"""The last pass as metrics, in a file for the textfile collector of Prometheus's node exporter.

A file needs no port and no token, and is still there when the next pass fails.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, generate_latest

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_metrics(file: Path, counts: Mapping[str, int], at: float, took_s: float) -> None:
    """Replace `file` as a whole; `at` is when the pass ended, in seconds since 1970.

    Raises OSError.
    """
    registry = CollectorRegistry()
    found = Gauge(
        "workorder_reconcile_findings",
        "Findings of the last reconcile, by kind.",
        ["kind"],
        registry=registry,
    )
    for kind, number in counts.items():
        found.labels(kind).set(number)
    ended = Gauge(
        "workorder_reconcile_last_success_timestamp_seconds",
        "When the last reconcile ended that read everything.",
        registry=registry,
    )
    ended.set(at)
    took = Gauge("workorder_reconcile_duration_seconds", "How long it took.", registry=registry)
    took.set(took_s)
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(generate_latest(registry))
    Path(name).chmod(0o644)  # the node exporter runs as another user
    Path(name).replace(file)
