"""What came of the calls of a run, and its figures."""

from __future__ import annotations

import time
from array import array
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from scripts.bench.calls import Shape

PERCENTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}


@dataclass(slots=True)
class Tally:
    """What came back; what is counted are updates, or calls that change nothing."""

    by_order: list[list[int]]
    """Acknowledged [input, output] quantities of each order."""
    sent: int = 0
    """Calls."""
    acknowledged: int = 0
    unknown: int = 0
    """Updates without an answer: they may have been applied."""
    measured: int = 0
    """Of those acknowledged, the ones answered in the measured time."""
    measured_s: float = 0.0
    """The measured time; shorter than asked for where there was nothing left to call."""
    reply_bytes: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    latencies_s: array[float] = field(default_factory=lambda: array("d"))


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the ordered values don't exceed."""
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def latency_ms(latencies_s: Sequence[float]) -> dict[str, float]:
    """Return percentiles and maximum in milliseconds; nothing of nothing."""
    if not latencies_s:
        return {}
    ordered = sorted(latencies_s)
    at = {name: percentile(ordered, share) for name, share in PERCENTILES.items()}
    return {name: round(value * 1000, 2) for name, value in (at | {"max": ordered[-1]}).items()}


def result(
    tally: Tally,
    args: argparse.Namespace,
    shape: Shape,
    *,
    cpu_from: float,
    problem: str | None = None,
) -> dict[str, Any]:
    """Return a run's figures, for JSON; its CPU is this process's since it was `cpu_from`."""
    return {
        "connections": args.connections,
        "orders": args.orders,
        "seconds": args.seconds,
        "warmup_s": args.warmup,
        "shape": asdict(shape),
        "per_second": round(tally.measured / tally.measured_s, 1) if tally.measured_s else 0.0,
        "measured": tally.measured,
        "measured_s": round(tally.measured_s, 3),
        "latency_ms": latency_ms(tally.latencies_s),
        "sent": tally.sent,
        "acknowledged": tally.acknowledged,
        "unknown": tally.unknown,
        "answers": dict(tally.answers.most_common()),
        "reply_bytes": round(tally.reply_bytes / max(1, tally.acknowledged)),
        "cpu_s": round(time.process_time() - cpu_from, 2),
        "problem": problem or (None if tally.acknowledged else "nothing was acknowledged"),
        "acknowledged_by_order": tally.by_order,
    }
