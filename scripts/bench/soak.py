"""Keep a node under a steady load for long, and check that nothing grows.

One node on a mongod of its own. After each slice of time: updates a second, p50 and p99, the
node's resident memory, its open files and threads. The last third is compared, by medians, with the
third before it; the first third is for what a node fills once (pools, caches). Exit status 1 when
one of them grew by more than is allowed, or the stored is not what was acknowledged.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import orjson

from scripts.bench import session
from scripts.bench.measure import TARGETS, Run
from scripts.bench.processes import ChildFailedError, exit_on_sigterm, resident_bytes
from scripts.bench.scenarios import SCENARIOS, capped
from tests.servers import ServerError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from scripts.bench.measure import Plan

_FEWEST: Final = 6
"""Slices: two in each third."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a node was like after a slice of the soak."""

    minute: float
    per_second: float
    p50_ms: float
    p99_ms: float
    memory_mb: float
    files: int
    threads: int


@dataclass(frozen=True, slots=True)
class Bound:
    """By how much a figure of the last third may be above that of the third before."""

    share: float
    amount: float

    def allows(self, before: float, after: float) -> bool:
        """Whether the growth is within the share, or within the amount."""
        return after - before <= max(self.share * abs(before), self.amount)


BOUNDS: Final = {
    "memory_mb": Bound(0.03, 4),
    "files": Bound(0, 4),
    "threads": Bound(0, 2),
    "p50_ms": Bound(0.5, 5),
    "p99_ms": Bound(1, 25),
}
"""Times depend on the machine's other work: they only show what grows without end."""
_SLOWER: Final = 0.9
"""The least share of its updates a second that the last third must keep up."""


def grown(samples: Sequence[Sample]) -> list[str]:
    """Say what grew beyond its bound from the second third to the last, and what slowed down.

    Raises ValueError with fewer than 6 samples.
    """
    if len(samples) < _FEWEST:
        raise ValueError(f"{len(samples)} slices tell nothing: at least {_FEWEST} are needed")
    third = len(samples) // 3
    before, after = samples[-2 * third : -third], samples[-third:]

    def both(name: str) -> tuple[float, float]:
        old, new = (median(getattr(each, name) for each in some) for some in (before, after))
        return float(old), float(new)

    found = {name: both(name) for name in BOUNDS}
    said = [
        f"{name} grew from {old:.1f} to {new:.1f}"
        for name, (old, new) in found.items()
        if not BOUNDS[name].allows(old, new)
    ]
    old, new = both("per_second")
    if new < _SLOWER * old:
        said.append(f"per_second fell from {old:.1f} to {new:.1f}")
    return said


def _soak(run: Run, args: argparse.Namespace) -> Iterator[tuple[Sample, dict[str, Any]]]:
    started = time.monotonic()
    while time.monotonic() - started < args.minutes * 60:
        load = run.load(args.per_second or None)
        times = load["latency_ms"]
        yield (
            Sample(
                minute=round((time.monotonic() - started) / 60, 2),
                per_second=load["per_second"],
                p50_ms=times.get("p50", 0.0),
                p99_ms=times.get("p99", 0.0),
                memory_mb=round(resident_bytes(run.pid) / 2**20, 1),
                files=_count(run.pid, "fd"),
                threads=_count(run.pid, "task"),
            ),
            load,
        )


def _count(pid: int, what: str) -> int:
    """Return how many entries a process's folder in /proc has; 0 where there is none."""
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/{what}").iterdir())
    except OSError:
        return 0


def _measure(plan: Plan, args: argparse.Namespace) -> tuple[list[Sample], list[str]]:
    scenario = capped(SCENARIOS[args.scenario], orders=args.orders, connections=args.connections)
    run = Run(plan, "bench_soak", scenario, TARGETS["service"])
    samples: list[Sample] = []
    counts = [[0, 0] for _ in range(scenario.orders)]
    unknown = 0
    with run.prepared():
        with run.started():
            for sample, load in _soak(run, args):
                samples.append(sample)
                print(" ".join(f"{k}={v}" for k, v in asdict(sample).items()), flush=True)
                unknown += load["unknown"]
                for held, more in zip(counts, load["acknowledged_by_order"], strict=True):
                    held[0] += more[0]
                    held[1] += more[1]
            whole = {"acknowledged_by_order": counts, "unknown": unknown}
            check = run.check_served(whole)
        check = check or run.check_stored(whole)
    print(check)
    wrong = [] if check is None or check.exact else [f"stored: {check}"]
    return samples, wrong + grown(samples)


def main(argv: Sequence[str]) -> int:
    """Soak, print a line for each slice and the verdict; return 1 when something grew."""
    parser = session.parser("soak", __doc__)
    parser.set_defaults(seconds=29.0, warmup=1.0)
    add = parser.add_argument
    add("--minutes", type=float, default=60.0, help="how long (default 60)")
    add("--per-second", type=float, default=1_000, help="updates (default 1000); 0: all it takes")
    add("--scenario", choices=SCENARIOS, default="orders", help="what is done (default orders)")
    add("--connections", type=int, default=64, help="callers (default 64)")
    add("--orders", type=int, help="orders at most")
    args = session.parsed(parser, argv)
    exit_on_sigterm()
    try:
        with session.planned(args) as plan:
            samples, problems = _measure(plan, args)
    except (ChildFailedError, ServerError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    if args.out is not None:
        args.out.write_bytes(orjson.dumps([asdict(each) for each in samples]))
    print("\n".join(problems) or "nothing grew")
    return 1 if problems else 0
