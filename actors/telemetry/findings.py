"""Counts that broke a guard which is only watched, for people to look at."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from actors.domain.guards import Guard
from actors.domain.model import ChangeType

if TYPE_CHECKING:
    from actors.domain.messages import Updated
    from actors.domain.model import Number, WorkOrderId

_log = structlog.get_logger(__name__)

MAX_FINDINGS: Final = 1_000


class GuardFinding(NamedTuple):
    """A change that `guard` would have refused or cut; `at` in seconds since 1970."""

    at: float
    guard: Guard
    work_order_id: WorkOrderId
    work_order_no: str | None
    barcode: str | None
    type: ChangeType
    quantity: Number
    job_id: str
    operator: str


@dataclass(slots=True)
class GuardFindings:
    """How many there were since the node started, by guard, and the latest."""

    counts: Counter[str] = field(default_factory=Counter)
    latest: deque[GuardFinding] = field(default_factory=lambda: deque(maxlen=MAX_FINDINGS))

    def note(self, updated: Updated) -> None:
        """Note an applied change that broke a guard; one that is answered again is known."""
        if updated.watched is None or updated.replayed:
            return
        change = updated.change
        found = GuardFinding(
            time.time(),
            Guard(updated.watched),
            updated.work_order_id,
            updated.work_order_no,
            change.context.related_barcode,
            ChangeType(change.type),
            updated.applied_quantity,
            change.job_id,
            change.context.operator_name or change.context.operator_id,
        )
        self.counts[found.guard] += 1
        self.latest.append(found)
        _log.warning(
            "guard_broken",
            guard=found.guard.value,
            work_order_id=found.work_order_id,
            barcode=found.barcode,
            type=found.type.value,
            quantity=found.quantity,
            job_id=found.job_id,
        )
