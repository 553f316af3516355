"""What the actors of this node did, since it started and lately: counted as it happens."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import structlog

from actors.domain.decide import is_done_before
from actors.errors import (
    NotApplied,
    OrderUnreadable,
    OutcomeUnknown,
    PoisonMessage,
    StoreRejected,
    WorkOrderError,
)
from actors.telemetry.counters import ArchiveStats, CommitStats, SupervisorStats
from actors.telemetry.findings import GuardFindings
from actors.telemetry.histogram import Histogram, percentile
from actors.telemetry.journal import Event, Journal
from actors.telemetry.oddities import Oddities
from actors.telemetry.samples import Samples
from actors.telemetry.spans import NO_SPANS
from actors.telemetry.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.domain.commit import StoredOrder
    from actors.domain.messages import Updated
    from actors.domain.model import Change
    from actors.runtime.delivery import Delivery
    from actors.telemetry.spans import Spans

_log = structlog.get_logger(__name__)

_RECENT_S: Final = 60.0
Unapplied = Literal["duplicate", "refused", "failed"]
"""What becomes of an update that is not applied: a duplicate is a success to its caller."""
_NOT_APPLIED: Final[Mapping[Unapplied, str]] = {
    "duplicate": "update_duplicate",
    "refused": "update_refused",
    "failed": "update_failed",
}


def what_became_of(change: Change, error: WorkOrderError, *, refuse: bool) -> Unapplied:
    """Tell what `error` means to the caller of `change`; `refuse` as for `is_done_before`."""
    if isinstance(error, (NotApplied, OutcomeUnknown, PoisonMessage, StoreRejected)):
        return "failed"
    return "duplicate" if is_done_before(error, change, refuse=refuse) else "refused"


@dataclass(frozen=True, slots=True)
class Latency:
    """How long something took: percentiles of the last minute, in seconds."""

    count: int
    p50_s: float
    p90_s: float
    p99_s: float
    longest_s: float
    """Since the node started."""


@dataclass(slots=True)
class Telemetry:
    """Shared by all terms of a node. A handful of additions per update, and no more."""

    samples: Samples = field(default_factory=Samples)
    tally: Tally = field(default_factory=Tally)
    journal: Journal = field(default_factory=Journal)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Answered updates by what became of them, and code."""
    waits: Histogram = field(default_factory=Histogram)
    """Time in a mailbox."""
    handlings: Histogram = field(default_factory=Histogram)
    """Time at work, of the whole batch that an update was part of."""
    end_to_end: Histogram = field(default_factory=Histogram)
    """Time from a mailbox to the answer."""
    commits: CommitStats = field(default_factory=CommitStats)
    actors: SupervisorStats = field(default_factory=SupervisorStats)
    archived: ArchiveStats = field(default_factory=ArchiveStats)
    oddities: Oddities = field(default_factory=Oddities)
    guards: GuardFindings = field(default_factory=GuardFindings)
    spans: Spans = NO_SPANS
    """Told of each update and of each commit, for those who trace."""

    def __post_init__(self) -> None:
        self.samples.counters += [lambda: self.outcomes, self._failures]
        self.samples.times |= {
            "waiting": self.waits,
            "handling": self.handlings,
            "commit": self.commits.times,
            "total": self.end_to_end,
        }

    def _failures(self) -> dict[tuple[str, str], int]:
        commits = self.commits
        return {
            ("trouble", "retries"): commits.retries,
            ("trouble", "fenced"): commits.fenced,
            ("trouble", "relay_errors"): commits.relay_errors,
            ("trouble", "restarted"): self.actors.restarted,
            ("trouble", "undone"): self.oddities.undone,
            ("trouble", "unreadable"): self.oddities.unreadable,
            ("trouble", "guard_broken"): self.guards.counts.total(),
        }

    def applied(self, delivery: Delivery, updated: Updated) -> None:
        """Count and log an update that was answered with its outcome."""
        took_s = time.monotonic() - delivery.waits_from
        event = "replayed" if updated.replayed else "applied"
        change = updated.change
        kind = str(change.type)
        self.tally.note(completed=1)
        self.end_to_end.note(took_s)
        self.outcomes[event, "UPDATED"] += 1
        self.spans.answered(delivery, updated.epoch, event, "UPDATED")
        if updated.watched is not None:
            self.guards.note(updated)
        self.journal.note(
            Event(
                time.time(),
                event,
                updated.work_order_id,
                change.job_id,
                kind,
                updated.applied_quantity,
                updated.after_quantity,
                updated.seq,
                "UPDATED",
                None,
                took_s,
                delivery.message.trace.http_request_id,
            )
        )
        trace = delivery.message.trace
        _log.info(
            "update_replayed" if updated.replayed else "update_applied",
            work_order_id=updated.work_order_id,
            job_id=change.job_id,
            request_id=trace.http_request_id,
            key=change.request_id,
            type=kind,
            quantity=updated.applied_quantity,
            after=updated.after_quantity,
            seq=updated.seq,
            epoch=updated.epoch,
            took_ms=round(took_s * 1000, 2),
            **trace.origin(),
        )

    def not_applied(
        self,
        delivery: Delivery,
        epoch: int,
        stored: StoredOrder | None,
        error: WorkOrderError,
        event: Unapplied,
    ) -> None:
        """Count and log an update that was not applied, in the term `epoch`.

        `stored` is its order as the actor knows it.
        """
        took_s = time.monotonic() - delivery.waits_from
        if isinstance(error, OrderUnreadable):
            self.oddities.note_unreadable(error.work_order_id, error.field, error.value)
        message = delivery.message
        if event == "duplicate":
            self.tally.note(completed=1)
        else:
            self.tally.note(failed=1)
        self.end_to_end.note(took_s)
        self.outcomes[event, error.code] += 1
        self.spans.answered(delivery, epoch, event, error.code)
        self.journal.note(
            Event(
                time.time(),
                event,
                message.work_order_id,
                message.change.job_id,
                message.change.type.value,
                message.change.quantity,
                code=error.code,
                detail=str(error),
                took_s=took_s,
                request_id=message.trace.http_request_id,
            )
        )
        log = _log.warning if event == "failed" or isinstance(error, OrderUnreadable) else _log.info
        log(
            _NOT_APPLIED[event],
            work_order_id=message.work_order_id,
            job_id=message.change.job_id,
            request_id=message.trace.http_request_id,
            key=message.change.request_id,
            type=message.change.type.value,
            quantity=message.change.quantity,
            code=error.code,
            reason=str(error),
            seq=stored.seq if stored else 0,
            epoch=epoch,
            **message.trace.ids(),
        )

    def happened(self, event: str, *, order_id: str | None = None, detail: str = "") -> None:
        """Note that the owner or a pause changed."""
        self.journal.note(Event(time.time(), event, order_id, detail=detail))

    # -- lately ------------------------------------------------------------------------------

    def latencies(self) -> dict[str, Latency]:
        """Return how long waiting, handling, a commit and all together took in the last minute."""
        return {name: self._latency(name) for name in ("waiting", "handling", "commit", "total")}

    def _latency(self, name: str) -> Latency:
        recent = self.samples.recent(name, _RECENT_S)
        p50, p90, p99 = (percentile(recent, share) for share in (0.5, 0.9, 0.99))
        return Latency(sum(recent), p50, p90, p99, self.samples.times[name].longest_s)

    def rate(self) -> float:
        """Return the updates answered per second, over the last minute."""
        window_s = self.samples.window_s(_RECENT_S)
        return sum(self.samples.recent("total", _RECENT_S)) / window_s if window_s else 0.0
