"""Measure how long orders of a shard are not answered when its owner fails, hangs or leaves.

Starts MongoDB, Redis and a service in shards on this machine: two plain nodes that share four of
them, or a Ray cluster of three machines with two front doors (--engine ray, by the Python of
.venv-ray, which scripts/ray-test.sh makes). Callers of each shard send changes until they are
answered for good, while one thing after the other fails. A gap is the longest time without such an
answer, from the fault until all serve. Afterwards orders and log are held against what callers
sent and heard. Exit status 1 when any promise was broken; a gap above its limit is only said, as
on a machine that is busy it tells nothing of the service.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from tests.shards import plain
from tests.shards.drill import run_drill

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.chaos.figures import Figures, Hit

_OTHERS_S: Final = 1.0
"""The longest gap of shards that are not hit."""
_OVER_TTL_S: Final = 1.0
"""What the gap of one that is hit may take beyond LEASE_TTL."""


def main(argv: Sequence[str]) -> int:
    """Run; return 1 when any promise was broken."""
    args = _parse(argv)
    figures = _run(args)
    rows = gap_rows(figures.hits, args.lease_ttl + _OVER_TTL_S)
    print(figures)
    print(f"\n{table(rows)}")
    if args.out:
        found = figures.as_json() | {"lease TTL s": args.lease_ttl, "gaps": rows}
        args.out.write_text(json.dumps(found, indent=1) + "\n")
    return int(figures.failed)


def _run(args: argparse.Namespace) -> Figures:
    def say(line: str) -> None:
        print(line, flush=True)

    if args.engine == "plain":
        names = _names(args, list(plain.FAULTS))
        fleet = partial(plain.PlainFleet, ttl_s=args.lease_ttl)
        return run_drill(fleet, plain.FAULTS, names, args.seed, say)
    from tests.ray.faults import FAULTS  # noqa: PLC0415 -- of an optional extra
    from tests.ray.fleet import RayFleet  # noqa: PLC0415

    names = _names(args, list(FAULTS))
    return run_drill(partial(RayFleet, ttl_s=args.lease_ttl), FAULTS, names, args.seed, say)


def _names(args: argparse.Namespace, known: Sequence[str]) -> list[str]:
    unknown = [each for each in args.faults if each not in known]
    if unknown:
        raise SystemExit(f"unknown fault: {', '.join(unknown)}; known: {', '.join(known)}")
    return list(chain.from_iterable(repeat(args.faults or known, args.times)))


def gap_rows(hits: Sequence[Hit], limit_s: float) -> list[dict[str, Any]]:
    """Return for each fault what its gaps were, in seconds, and whether all were in the limits."""
    rows = []
    for fault in dict.fromkeys(each.fault for each in hits):
        some = [each for each in hits if each.fault == fault]
        gaps = [each.gap_s for each in some]
        others = [each.others_gap_s for each in some if each.others_gap_s is not None]
        longest, longest_other = max(gaps), max(others, default=None)
        rows.append(
            {
                "fault": fault,
                "times": len(some),
                "median_s": round(median(gaps), 2),
                "longest_s": round(longest, 2),
                "limit_s": limit_s,
                "others_longest_s": None if longest_other is None else round(longest_other, 2),
                "others_limit_s": _OTHERS_S,
                "within": longest <= limit_s and (longest_other or 0.0) <= _OTHERS_S,
            }
        )
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as a table."""
    titles = ("gaps, s: median", "longest", "limit", "others'", "limit")
    lines = [
        f"{'fault':20}{'times':>6}{titles[0]:>17}" + "".join(f"{each:>9}" for each in titles[1:])
    ]
    for row in rows:
        other = row["others_longest_s"]
        lines.append(
            f"{row['fault']:20}{row['times']:6}{row['median_s']:17.2f}{row['longest_s']:9.2f}"
            f"{row['limit_s']:9.1f}{'-' if other is None else f'{other:.2f}':>9}"
            f"{row['others_limit_s']:9.1f}{'' if row['within'] else '  OVER'}"
        )
    return "\n".join(lines)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench gaps",
        description=__doc__,
        epilog=f"Faults of plain nodes: {', '.join(plain.FAULTS)}. Those on Ray: see ray_chaos.",
    )
    parser.add_argument("faults", nargs="*", help="by name (default: all)", metavar="fault")
    parser.add_argument("--engine", choices=("plain", "ray"), default="plain", help="(plain)")
    parser.add_argument("--times", type=int, default=3, help="how often each comes (3)")
    parser.add_argument("--lease-ttl", type=float, default=3.0, help="LEASE_TTL in seconds (3)")
    parser.add_argument("--seed", type=int, default=1, help="of calls (1)")
    parser.add_argument("--out", type=Path, help="write all figures there, as JSON")
    return parser.parse_args(argv)
