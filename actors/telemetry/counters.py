"""Counts since the node started."""

from __future__ import annotations

from dataclasses import dataclass, field

from actors.runtime.batcher import BatcherStats
from actors.telemetry.histogram import Histogram


@dataclass(slots=True)
class CommitStats:
    """Counts since the committer was made, or since its node started."""

    commits: int = 0
    entries: int = 0
    conflicts: int = 0
    retries: int = 0
    fenced: int = 0
    relay_errors: int = 0
    batches: BatcherStats = field(default_factory=BatcherStats)
    times: Histogram = field(default_factory=Histogram)
    """From a batch's first sending until all of it was settled."""


@dataclass(slots=True)
class SupervisorStats:
    """Counts of order actors since the node started."""

    created: int = 0
    passivated: int = 0
    restarted: int = 0
    unknown: int = 0
