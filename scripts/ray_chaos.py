"""Break a Ray cluster of shards under load, again and again, and check that every promise holds.

Starts a cluster of three machines on this one (ACTOR_ENGINE=ray), two front doors, MongoDB and
Redis, lets callers of each shard work on a hundred orders, and has one thing after the other fail:
processes, machines, the head, front doors, leases. In the end what the callers sent and heard is
held against orders and log. Needs Ray: run it with the Python of .venv-ray, which
scripts/ray-test.sh makes. Exit status 1 when any promise was broken.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import chain, cycle, islice
from pathlib import Path
from random import Random

from tests.ray.faults import BLINDINGS, FAULTS, FREEZES, KILLS, RESHARDINGS
from tests.ray.fleet import RayFleet
from tests.shards.drill import run_drill


def main() -> int:
    """Run; give the exit code."""
    arguments = _parse()
    counts = {
        KILLS: arguments.kills,
        FREEZES: arguments.freezes,
        BLINDINGS: arguments.blindings,
        RESHARDINGS: arguments.reshardings,
    }
    faults = list(
        chain.from_iterable(islice(cycle(kinds), count) for kinds, count in counts.items())
    )
    Random(arguments.seed).shuffle(faults)  # noqa: S311 -- a drill, not a secret
    figures = run_drill(
        RayFleet, FAULTS, faults, arguments.seed, say=lambda line: print(line, flush=True)
    )
    print(figures)
    if arguments.report:
        arguments.report.write_text(json.dumps(figures.as_json(), indent=1) + "\n")
    return int(figures.failed)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.ray_chaos",
        description=__doc__,
        epilog=f"Kills: {', '.join(KILLS)}. Freezes: {', '.join(FREEZES)}.",
    )
    parser.add_argument("--kills", type=int, default=100, help="of any kind, in turn (100)")
    parser.add_argument("--freezes", type=int, default=50, help="of either kind, in turn (50)")
    parser.add_argument("--blindings", type=int, default=20, help="leases that are blinded (20)")
    parser.add_argument(
        "--reshardings", type=int, default=20, help="to twice as many shards, and back (20)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of calls, and of the order (1)")
    parser.add_argument("--report", type=Path, help="write all figures there, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
