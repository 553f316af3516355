"""What commands that measure scenarios share: options, servers, the order of measurements."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
from pymongo import MongoClient
from pymongo import version as pymongo_version

from scripts.bench.cores import CORES, running_on
from scripts.bench.measure import TARGETS, Measurement, Mongod, Plan, Target, measure
from scripts.bench.processes import ChildFailedError, checkout, commit_name, exit_on_sigterm, say
from scripts.bench.report import table
from scripts.bench.scenarios import SCENARIOS, capped, named
from tests.servers import MongoReplicaSet, MongoServer, RedisServer, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from scripts.bench.scenarios import Scenario

_CACHE_GB: Final = 1.0
_QUICK: Final = {"rounds": 1, "seconds": 1.0, "warmup": 0.5}


def parser(command: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser that has the options of every such command."""
    made = argparse.ArgumentParser(
        prog=f"python -m scripts.bench {command}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("--seconds", type=float, default=10.0, help="measured time of each (default 10)")
    add("--warmup", type=float, default=3.0, help="seconds before it (default 3)")
    add("--store", choices=("mongo", "sqlite"), default="mongo", help="(default mongo)")
    add("--standalone", action="store_true", help="mongod without a replica set")
    add("--quick", action="store_true", help="a smoke run: 1 round of 1 s")
    add("--out", type=Path, help="write all figures here as JSON")
    return made


def add_rounds(made: argparse.ArgumentParser, default: int = 3) -> None:
    """Add the options of `measure_all`."""
    add = made.add_argument
    add("--rounds", type=int, default=default, help=f"repeat everything (default {default})")
    add("--against", metavar="REV", help="measure the service of this git revision beside ours")


def add_scenarios(made: argparse.ArgumentParser, default: str) -> None:
    """Add the options of `chosen_scenarios`."""
    add = made.add_argument
    add("--scenarios", default=default, help=f"of {','.join(SCENARIOS)} (default {default})")
    add("--connections", type=int, help="callers, in every scenario")
    add("--orders", type=int, help="orders at most, in every scenario")


def chosen_scenarios(args: argparse.Namespace) -> list[Scenario]:
    """Return the scenarios that were asked for, capped as was asked."""
    return [
        capped(SCENARIOS[name], orders=args.orders, connections=args.connections)
        for name in named(args.scenarios, SCENARIOS)
    ]


def parsed(made: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.Namespace:
    """Read the options; `--quick` goes before those that it names.

    What can't be written down is known before hours are spent: raises SystemExit.
    """
    args = made.parse_args(argv)
    if args.out is not None:
        args.commit = commit_name()
        args.out.touch()
    if args.quick:
        vars(args).update(_QUICK)
    return args


@contextmanager
def planned(args: argparse.Namespace, *, with_redis: bool = False) -> Iterator[Plan]:
    """Start the servers that are needed; end them afterwards."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        redis = stack.enter_context(RedisServer()) if with_redis else None
        with running_on(CORES.mongod):
            mongod = _start_mongod(args, stack)
        yield Plan(
            scratch=scratch,
            mongod=mongod,
            redis_uri=redis.uri if redis is not None else None,
            seconds=args.seconds,
            warmup_s=args.warmup,
        )


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


def is_measured(scenario: Scenario, target: Target, store: str) -> bool:
    """Tell whether the target can do what the scenario asks for, on that store."""
    if target.calls_itself and not scenario.direct:
        return False
    if store == "sqlite":
        return target.embedded and not (scenario.entries or scenario.log)
    return True


def schedule(
    scenarios: Sequence[Scenario], targets: Mapping[str, Target], rounds: int, store: str
) -> Iterator[tuple[int, Scenario, str]]:
    """Interleave the targets, each first in turn: a slow minute of the machine hits all of them."""
    names = list(targets)
    for round_ in range(rounds):
        first = round_ % len(names)
        # Made smaller, two scenarios may be one.
        for scenario in dict.fromkeys(scenarios):
            for name in names[first:] + names[:first]:
                if is_measured(scenario, targets[name], store):
                    yield round_, scenario, name


def run(
    args: argparse.Namespace,
    scenarios: Sequence[Scenario],
    names: Sequence[str],
    among: Mapping[str, Target] = TARGETS,
    shown: Callable[[Sequence[Measurement]], str] = table,
) -> int:
    """Measure, print the table and write the figures; return the exit status."""
    exit_on_sigterm()
    try:
        found = measure_all(args, scenarios, names, among)
    except (ChildFailedError, ServerError) as error:
        say(str(error))
        return 1
    print(shown(found))
    write(args, found)
    return status(found)


def measure_all(
    args: argparse.Namespace,
    scenarios: Sequence[Scenario],
    names: Sequence[str],
    among: Mapping[str, Target] = TARGETS,
) -> list[Measurement]:
    """Measure every scenario on every target by name, in rounds; tell each figure as it comes."""
    with ExitStack() as stack:
        plan = stack.enter_context(planned(args, with_redis="replaced" in names))
        targets = {name: among[name] for name in names}
        if args.against is not None:
            root = stack.enter_context(checkout(args.against, plan.scratch))
            earlier = f"service@{commit_name(args.against)}"
            targets[earlier] = replace(TARGETS["service"], root=root)
        found = []
        steps = schedule(scenarios, targets, args.rounds, args.store)
        for number, (round_, scenario, name) in enumerate(steps):
            target = name, targets[name]
            found.append(measure(plan, f"bench_{number}", scenario, target, round_))
            say(f"{scenario}: {name} {found[-1].per_second:,.0f}/s")
    return found


def write(args: argparse.Namespace, found: Sequence[Measurement]) -> None:
    """Write the figures to `--out`, with what they were taken on."""
    if args.out is None:
        return
    result = {
        "options": {name: value for name, value in vars(args).items() if name != "out"},
        "versions": {"python": platform.python_version(), "pymongo": pymongo_version},
        "cores": os.cpu_count(),
        "measurements": [each.as_json() for each in found],
    }
    args.out.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))


def status(found: Sequence[Measurement]) -> int:
    """Return 1 when the service lost or doubled anything, of any revision."""
    return int(any(each.ours and each.check and not each.check.exact for each in found))
