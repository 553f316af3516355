"""The figures of a run: what was done, what was wrong, how long nobody was served."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.chaos.checker import KINDS, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

COUNTED: Final = {
    "kills": (
        "kill_owner",
        "kill_standby",
        "kill_both",
        "kill_before_cas",
        "kill_after_cas",
        "kill_before_log",
        "kill_while_log_hangs",
        "kill_in_take_over",
    ),
    "pauses and stalls": ("pause_owner", "pause_standby", "pause_before_cas", "stall_owner"),
    "step-downs": ("step_down",),
    "flushes": ("flush_redis",),
    "clock jumps of Redis": ("set_redis_clock_back", "set_redis_clock_forward"),
    "clock jumps of a node": ("jump_node_clock",),
}
"""Kinds of faults whose number is told, and the names of those that count as one."""
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Hit:
    """One counted fault: the requests in flight, and the gaps in seconds."""

    fault: str
    in_flight: int
    gap_s: float
    """The longest time without a final answer, from the fault until service was normal."""
    resumed_s: float | None
    """From the end of the outage to the first final answer, where the outage had an end."""
    others_gap_s: float | None = None
    """The gap of those shards that were not hit, where any was."""


@dataclass(slots=True)
class Figures:
    """All of a run, or of several."""

    verdict: Verdict = field(default_factory=Verdict)
    hits: list[Hit] = field(default_factory=list)
    idle: int = 0
    """Faults that hit nothing in flight: not counted."""
    attempts: int = 0
    entries: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    """What operators did, by what it was, as far as they were told that it was done."""
    fence_rejections: int = 0
    unsettled: int = 0
    seconds: float = 0.0
    mistakes: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Return whether anything at all is wrong."""
        return bool(self.verdict.violations or self.mistakes or self.unsettled)

    def gaps(self, fault: str) -> list[float]:
        """Return the gaps of one kind of fault, the shortest first."""
        return sorted(each.gap_s for each in self.hits if each.fault == fault)

    def add(self, other: Figures) -> None:
        """Add another run."""
        mine, theirs = self.verdict, other.verdict
        mine.acknowledged += theirs.acknowledged
        mine.refused += theirs.refused
        mine.unknown += theirs.unknown
        mine.queued_anew += theirs.queued_anew
        mine.old_places += theirs.old_places
        mine.found += theirs.found
        mine.examples += theirs.examples
        self.hits += other.hits
        self.idle += other.idle
        self.attempts += other.attempts
        self.entries += other.entries
        self.operations += other.operations
        self.fence_rejections += other.fence_rejections
        self.unsettled += other.unsettled
        self.seconds += other.seconds
        self.mistakes += other.mistakes

    def as_json(self) -> dict[str, Any]:
        """Return everything for a report file."""
        return {
            "seconds": round(self.seconds, 1),
            "acknowledged": self.verdict.acknowledged,
            "refused": self.verdict.refused,
            "unknown": self.verdict.unknown,
            "queued under another id": self.verdict.queued_anew,
            "queued at an old place": self.verdict.old_places,
            "attempts": self.attempts,
            "log entries": self.entries,
            "fence rejections": self.fence_rejections,
            "faults": len(self.hits),
            "faults that hit nothing": self.idle,
            "faults by kind": {
                kind: sum(each.fault in names for each in self.hits)
                for kind, names in COUNTED.items()
            },
            "operators' calls": dict(self.operations),
            "longest gap s": round(max((each.gap_s for each in self.hits), default=0.0), 2),
            "violations": {kind: self.verdict.found[kind] for kind in KINDS},
            "never settled": self.unsettled,
            "other mistakes": self.mistakes,
            "examples": self.verdict.examples[:_SHOWN],
            "hits": [
                {
                    "fault": each.fault,
                    "in_flight": each.in_flight,
                    "gap_s": round(each.gap_s, 3),
                    "resumed_s": each.resumed_s and round(each.resumed_s, 3),
                    "others_gap_s": each.others_gap_s and round(each.others_gap_s, 3),
                }
                for each in self.hits
            ],
        }

    def __str__(self) -> str:
        shown = self.as_json()
        lines = [
            f"{name:28}{value}" for name, value in shown.items() if isinstance(value, (int, float))
        ]
        for group in ("faults by kind", "operators' calls", "violations"):
            lines += [f"{kind:28}{count}" for kind, count in shown[group].items()]
        lines += ["", *_fault_rows(self.hits)]
        lines += [f"  {each}" for each in (*self.mistakes, *shown["examples"])[:_SHOWN]]
        return "\n".join(lines)


def _fault_rows(hits: Sequence[Hit]) -> list[str]:
    by_fault: dict[str, list[Hit]] = defaultdict(list)
    for hit in hits:
        by_fault[hit.fault].append(hit)
    titles = f"{'fault':26}{'times':>6}{'in flight':>11}{'gap p50':>10}{'p99':>8}{'max':>8}"
    rows = [f"{titles}{'resumed':>9}{'others':>8}"]
    for fault, some in sorted(by_fault.items()):
        gaps = sorted(each.gap_s for each in some)
        resumed = [each.resumed_s for each in some if each.resumed_s is not None]
        others = [each.others_gap_s for each in some if each.others_gap_s is not None]
        rows.append(
            f"{fault:26}{len(some):6}{sum(each.in_flight for each in some):11}"
            f"{quantile(gaps, 0.5):9.2f}s{quantile(gaps, 0.99):7.2f}s{gaps[-1]:7.2f}s"
            + (f"{max(resumed):8.2f}s" if resumed else f"{'-':>9}")
            + (f"{max(others):7.2f}s" if others else f"{'-':>8}")
        )
    return rows


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that at least that share of the values does not exceed."""
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
