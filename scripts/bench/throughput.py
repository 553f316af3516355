"""Measure acknowledged updates per second: the service beside the plain service and an empty one.

Starts a mongod of its own (a one-member replica set), and for each round each target on fresh
data, first spread over many orders, then on a single one. Majority and journal everywhere.
Afterwards the stored quantities and the log are compared with what was acknowledged. Exit
status 1 when the service's are not exact.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from pymongo import MongoClient
from pymongo import version as pymongo_version

from scripts.bench.measure import MODULES, Measurement, Mongod, Plan, measure
from scripts.bench.processes import ChildFailedError, exit_on_sigterm
from scripts.bench.report import as_json, table
from tests.servers import MongoReplicaSet, MongoServer, ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CACHE_GB = 1.0
_QUICK = {"rounds": 1, "seconds": 2.0, "warmup": 0.5}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench throughput",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--targets", default=",".join(MODULES), help="of plain,empty,service (default: all)")
    add("--rounds", type=int, default=3, help="repeat everything (default 3)")
    add("--seconds", type=float, default=10.0, help="measured time of each (default 10)")
    add("--warmup", type=float, default=3.0, help="seconds before it (default 3)")
    add("--connections", type=int, default=256, help="callers (default 256)")
    add("--orders", type=int, default=1000, help="orders of the spread load (default 1000)")
    add("--store", choices=("mongo", "sqlite"), default="mongo", help="sqlite leaves plain out")
    add("--standalone", action="store_true", help="mongod without a replica set")
    add("--driver", choices=("motor", "pymongo"), default="motor", help="of the service")
    add("--keyed", action="store_true", help="send a requestId with each call")
    add("--scan", action="store_true", help="first-step scans only: the log is searched for each")
    add("--quick", action="store_true", help="a smoke run: 1 round of 2 s")
    add("--out", type=Path, help="write all figures here as JSON")
    return parser


def _schedule(args: argparse.Namespace, targets: Sequence[str]) -> Iterator[tuple[str, str, bool]]:
    """Interleave the targets, so that a slow minute of the machine hits all of them."""
    for round_ in range(args.rounds):
        for hot in (False, True):
            for target in targets:
                yield f"bench_{round_}_{target}_{'hot' if hot else 'spread'}", target, hot


def _start_mongod(args: argparse.Namespace, stack: ExitStack) -> Mongod | None:
    if args.store == "sqlite":
        return None
    if args.standalone:
        server = stack.enter_context(MongoServer(cache_gb=_CACHE_GB))
        uri = server.uri
    else:
        replica_set = stack.enter_context(MongoReplicaSet(cache_gb=_CACHE_GB))
        server, uri = replica_set.primary(), replica_set.uri
    client: MongoClient[dict[str, Any]] = stack.enter_context(MongoClient(uri))
    return Mongod(client, uri, server.pid)


def _targets(args: argparse.Namespace) -> list[str]:
    targets = [target for target in args.targets.split(",") if target]
    unknown = set(targets) - set(MODULES)
    if unknown:
        raise SystemExit(f"unknown targets: {', '.join(sorted(unknown))}")
    if args.store == "sqlite":
        targets = [target for target in targets if target != "plain"]
    return targets


def _measure_all(args: argparse.Namespace, targets: Sequence[str]) -> list[Measurement]:
    measurements = []
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        plan = Plan(
            scratch=scratch,
            mongod=_start_mongod(args, stack),
            driver=args.driver,
            connections=args.connections,
            orders=args.orders,
            seconds=args.seconds,
            warmup_s=args.warmup,
            keyed=args.keyed,
            scan=args.scan,
        )
        for name, target, hot in _schedule(args, targets):
            measurement = measure(plan, name, target, hot=hot)
            print(f"{name}: {measurement.per_second:,.0f}/s", file=sys.stderr, flush=True)
            measurements.append(measurement)
    return measurements


def main(argv: Sequence[str]) -> int:
    """Run the plan, print the table; return 1 when the service lost or doubled anything."""
    args = _parser().parse_args(argv)
    if args.quick:
        vars(args).update(_QUICK)
    exit_on_sigterm()
    targets = _targets(args)
    try:
        measurements = _measure_all(args, targets)
    except (ChildFailedError, ServerError) as error:
        print(error, file=sys.stderr)
        return 1
    print(table(measurements, args.orders))
    if args.out is not None:
        options = {k: v for k, v in vars(args).items() if k != "out"}
        result = {
            "options": options,
            "versions": {"python": sys.version, "pymongo": pymongo_version},
            "measurements": [as_json(m) for m in measurements],
        }
        args.out.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
    wrong = [m for m in measurements if m.target == "service" and m.check and not m.check.exact]
    return 1 if wrong else 0
