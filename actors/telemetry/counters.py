"""Counts since the node started."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actors.runtime.batcher import BatcherStats
from actors.telemetry.histogram import Histogram

if TYPE_CHECKING:
    from actors.domain.model import WorkOrderId


@dataclass(slots=True)
class StuckCommit:
    """A commit that is sent again without progress: since when (monotonic), and the answer."""

    since: float
    error: str


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
    relays: BatcherStats = field(default_factory=BatcherStats)
    """Batches of entries written to the log."""
    stuck: dict[WorkOrderId, StuckCommit] = field(default_factory=dict)
    """By order."""
    times: Histogram = field(default_factory=Histogram)
    """From a batch's first sending until all of it was settled."""


@dataclass(slots=True)
class ArchiveStats:
    """Counts of what was moved out of the log since the node started."""

    orders: int = 0
    entries: int = 0


@dataclass(slots=True)
class SupervisorStats:
    """Counts of order actors since the node started."""

    created: int = 0
    passivated: int = 0
    restarted: int = 0
    unknown: int = 0
