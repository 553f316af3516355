"""Measure what operators see, and what it costs, beside many live actors and a steady load.

Starts a mongod of its own (a replica set of one) and one node of the service as a process, makes
an actor live for each of many orders over HTTP, and then:

1. with updates at a steady pace, keeps consoles open and times every answer that they get;
2. with as many updates as the node takes, measures its throughput with and without consoles, in
   turns, and gives the ratio of each pair.

Everything shares this machine's cores with the node: run it when nothing else does.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import orjson
from pymongo import MongoClient

from scripts.bench.live import make_live
from scripts.bench.orders import seed_mongo
from scripts.bench.processes import ChildFailedError, child, exit_on_sigterm, say, wait_until_ready
from tests.servers import MongoReplicaSet, ServerError, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DATABASE: Final = "bench_operators"
_LIVE_IDLE_S: Final = 3_600
_WARMUP_S: Final = 2.0
_OPENING_S: Final = 2.0
"""A console's process begins so long before the load: its start is not what is measured."""
_QUICK: Final = {"actors": 2_000, "seconds": 4.0, "rounds": 1, "saturated": 3.0}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench operators",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--actors", type=int, default=100_000, help="live actors (default 100000)")
    add("--per-second", type=float, default=1_000, help="the steady load (default 1000)")
    add("--seconds", type=float, default=20.0, help="of the steady load (default 20)")
    add("--consoles", type=int, default=4, help="open consoles (default 4: one of each view)")
    add("--orders", type=int, default=1_000, help="live orders that are updated (default 1000)")
    add("--rounds", type=int, default=4, help="pairs of throughput (default 4)")
    add("--saturated", type=float, default=8.0, help="seconds of each half of a pair (default 8)")
    add("--quick", action="store_true", help="a smoke run: few actors, 1 pair of 3 s")
    add("--out", type=Path, help="write all figures here as JSON")
    return parser


class Bench:
    """One node on its mongod, and what is run against it."""

    def __init__(self, args: argparse.Namespace, scratch: Path, port: int) -> None:
        self._args, self._scratch, self._port = args, scratch, port
        self._runs = 0

    def make_live(self) -> float:
        """Apply an update to each order; give the seconds that it took."""
        started = time.perf_counter()
        make_live(self._port, range(self._args.actors))
        return time.perf_counter() - started

    def load(self, seconds: float, *, pace: float | None) -> dict[str, Any]:
        """Send updates, at a pace or as many as can be; give the generator's result."""
        options: dict[str, object] = {
            "--url": self._url,
            "--orders": self._args.orders,
            "--connections": 256 if pace is None else 64,
            "--seconds": seconds,
            "--warmup": _WARMUP_S,
        }
        if pace is not None:
            options["--per-second"] = pace
        with self._running("load", options) as out:
            pass
        return self._result(out)

    @contextmanager
    def consoles(self, seconds: float) -> Iterator[Path]:
        """Keep consoles open meanwhile; gives where their figures are afterwards."""
        options: dict[str, object] = {
            "--url": self._url,
            "--consoles": self._args.consoles,
            "--actors": self._args.actors,
            "--seconds": _OPENING_S + _WARMUP_S + seconds,
        }
        with self._running("consoles", options) as out:
            time.sleep(_OPENING_S)
            yield out

    def seen(self, out: Path) -> dict[str, Any]:
        """Read what the consoles saw; raises ChildFailedError when an answer was not 200."""
        result = self._result(out)
        if result["problems"]:
            raise ChildFailedError("; ".join(result["problems"]), out)
        return result

    @contextmanager
    def _running(self, command: str, options: dict[str, object]) -> Iterator[Path]:
        self._runs += 1
        out = self._scratch / f"{command}-{self._runs}.json"
        log = out.with_suffix(".log")
        given = [str(part) for option in options.items() for part in option]
        with child(["-m", "scripts.bench", command, *given, "--out", str(out)], log) as process:
            yield out
            process.wait(120)
        if not out.exists():
            raise ChildFailedError(f"{command} ended with status {process.returncode}", log)

    def _result(self, out: Path) -> dict[str, Any]:
        result: dict[str, Any] = orjson.loads(out.read_bytes())
        return result

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self._port}"


def _measure(bench: Bench, args: argparse.Namespace) -> dict[str, Any]:
    say(f"{args.actors} actors are live after {bench.make_live():.0f} s")
    with bench.consoles(args.seconds) as out:
        steady = bench.load(args.seconds, pace=args.per_second)
    seen = bench.seen(out)
    pairs = []
    for number in range(args.rounds):
        # Each first in turn, so that what a run leaves behind favours neither.
        pair = {}
        for watched in (number % 2 == 0, number % 2 != 0):
            if watched:
                with bench.consoles(args.saturated):
                    result = bench.load(args.saturated, pace=None)
            else:
                result = bench.load(args.saturated, pace=None)
            pair["with" if watched else "without"] = result["per_second"]
        pairs.append(pair)
        say(f"pair {number + 1}: {pair['with']:.0f}/s with consoles, {pair['without']:.0f}/s not")
    return {"steady": steady, "seen": seen, "pairs": pairs}


def _report(found: dict[str, Any], args: argparse.Namespace) -> str:
    steady, seen = found["steady"], found["seen"]
    head = (
        f"{args.actors} live actors, {steady['per_second']:.0f} updates/s (asked for:"
        f" {args.per_second:.0f}), {args.consoles} consoles; updates took"
        f" {steady['latency_ms']} ms"
    )
    lines = [head, "", f"{'ms':<64} {'count':>6} {'median':>8} {'p99':>8} {'longest':>8}"]
    lines += [
        f"{path:<64} {row['count']:>6} {row['median']:>8} {row['p99']:>8} {row['longest']:>8}"
        for path, row in seen["answers"].items()
    ]
    lines.append(f"/api/events: {seen['events_bytes'] / seen['seconds'] / 1024:.0f} KiB/s in all")
    ratios = sorted(pair["with"] / pair["without"] for pair in found["pairs"])
    lines.append(
        f"throughput with consoles, of that without: median {median(ratios):.3f},"
        f" {ratios[0]:.3f} to {ratios[-1]:.3f} in {len(ratios)} pairs"
    )
    return "\n".join(lines)


def main(argv: Sequence[str]) -> int:
    """Measure and print; give the exit status."""
    args = _parser().parse_args(argv)
    if args.quick:
        vars(args).update(_QUICK)
    exit_on_sigterm()
    try:
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            replica_set = stack.enter_context(MongoReplicaSet(cache_gb=1.0))
            with MongoClient[dict[str, Any]](replica_set.uri) as client:
                seed_mongo(client[_DATABASE], args.actors)
            port, log = free_port(), scratch / "node.log"
            environment = {
                "PORT": str(port),
                "DATA_DIR": str(scratch),
                "MONGODB_URI": replica_set.uri,
                "MONGODB_DB": _DATABASE,
                "MAX_ACTORS": str(args.actors + 1),
                "ACTOR_IDLE_S": str(_LIVE_IDLE_S),
                "LOG_LEVEL": "warning",
            }
            node = stack.enter_context(child(["-m", "web"], log, environment))
            wait_until_ready(node, port, log)
            found = _measure(Bench(args, scratch, port), args)
    except (ChildFailedError, ServerError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(_report(found, args) + "\n")
    if args.out is not None:
        args.out.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    return 0
