"""Simulate nodes, store, lease, clock and network by seeds, and check every promise.

The real actors and their commits run over a store, a lease and a loop that a seed drives:
calls fail, arrive late, twice or never, processes are killed and paused between any two awaits,
others write in between. The same seed gives the same history.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.sim.controls import CONTROLS
from tests.sim.pool import run_seeds, trace


def main() -> int:
    """Run the seeds; give the exit code: 1 when a promise was broken."""
    arguments = _parse()
    if arguments.trace:
        return trace(arguments.seed or 0)
    start, seeds = arguments.start, arguments.seeds
    if arguments.seed is not None:
        start, seeds = arguments.seed, 1
    began = time.monotonic()
    figures = run_seeds(start, start + seeds, jobs=arguments.jobs, control=arguments.control)
    print(figures)
    print(f"{seeds} seeds from {start} in {time.monotonic() - began:.0f} s")
    return int(figures.violations > 0)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many (2000)")
    parser.add_argument("--start", type=int, default=0, help="the first one (0)")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--trace", action="store_true", help="show all that happens in --seed")
    parser.add_argument("--jobs", type=int, help="processes at once (one per core)")
    parser.add_argument(
        "--control", choices=sorted(CONTROLS), help="take this safeguard out: it must show"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
