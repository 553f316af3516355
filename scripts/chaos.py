"""Break everything around nodes under load, and check that every promise holds.

Starts nodes, Redis and MongoDB of its own, with wires between them that can fail, lets 64 callers
work on a hundred orders, and injects one fault after the other. The callers write down what they
sent and heard; in the end that is held against orders and log, the statistics against a recount,
and reconcile looks at the database. Without options each fault comes ten times on either fleet:
one mongod behind failing wires, and a replica set of three.
With --at-once, on the latter, nodes are killed, sent to sleep and stalled, ten times a round each,
while in each round the primary steps down, Redis is flushed, its clock and a node's jump.

  python -m scripts.chaos --at-once --rounds 100 --nodes 4 --report FILE    1,000 kills, …
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.chaos.barrage import MOVERS, PACE
from tests.chaos.callers import Pace
from tests.chaos.drill import DrillOptions, run_drill
from tests.chaos.faults import FAULTS, THREE_MEMBERS, WIRED
from tests.chaos.figures import Figures
from tests.chaos.fleet import FleetOptions
from tests.chaos.movers import Lives

_FLEETS = {"wired": (1, WIRED), "three": (3, THREE_MEMBERS)}


def main() -> int:
    """Run; give the exit code: 1 when any promise was broken."""
    arguments = _parse()
    total = Figures()
    for name in _fleets(arguments):
        members, possible = _FLEETS[name]
        faults = [each for each in arguments.faults or possible if each in possible]
        if not faults:
            continue
        print(f"== {name}", flush=True)
        options = DrillOptions(
            FleetOptions(members, lease_ttl_s=arguments.lease_ttl, nodes=arguments.nodes),
            faults,
            seed=arguments.seed,
            rounds=1 if arguments.short else arguments.rounds,
            duration_s=arguments.minutes * 60,
            at_once=arguments.at_once,
            pace=PACE if arguments.at_once else Pace(),
            movers=MOVERS if arguments.at_once else Lives(),
            short=arguments.short,
            keep=arguments.keep and arguments.keep / name,
        )
        total.add(run_drill(options, say=lambda line: print(line, flush=True)))
    print(total)
    if arguments.report:
        arguments.report.write_text(json.dumps(total.as_json(), indent=1) + "\n")
    return int(total.failed)


def _fleets(arguments: argparse.Namespace) -> list[str]:
    if arguments.at_once:
        return ["three"]
    return [*_FLEETS] if arguments.fleet == "all" else [arguments.fleet]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Faults: " + ", ".join(FAULTS),
    )
    parser.add_argument("faults", nargs="*", help="by name (default: all)", metavar="fault")
    parser.add_argument("--fleet", choices=("all", *_FLEETS), default="all", help="(all)")
    parser.add_argument("--rounds", type=int, default=10, help="times each fault comes (10)")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="no new fault after that, per fleet"
    )
    parser.add_argument("--lease-ttl", type=float, default=2.0, help="LEASE_TTL in seconds (2)")
    parser.add_argument("--nodes", type=int, default=2, help="processes of the service (2)")
    parser.add_argument("--seed", type=int, default=1, help="of calls and moments (1)")
    parser.add_argument("--at-once", action="store_true", help="several faults at a time")
    parser.add_argument("--short", action="store_true", help="what CI runs: each fault once")
    parser.add_argument("--report", type=Path, help="write all figures there, as JSON")
    parser.add_argument("--keep", type=Path, help="keep histories and logs in that folder")
    arguments = parser.parse_args()
    unknown = [each for each in arguments.faults if each not in FAULTS]
    if unknown:
        parser.error(f"unknown fault: {', '.join(unknown)}; known: {', '.join(FAULTS)}")
    if arguments.at_once and (arguments.faults or arguments.fleet == "wired"):
        parser.error("--at-once has faults of its own, on the fleet of three")
    if arguments.keep and arguments.keep.exists() and any(arguments.keep.iterdir()):
        parser.error(f"{arguments.keep} is not empty")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
