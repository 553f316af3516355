"""Measure what each index of the log costs mongod: its CPU per entry with all, and without it.

Starts a mongod of its own (a one-member replica set) and inserts the same scans with keys as the
service does, by majority and journal, 500 at a time, into a fresh collection for each variant, in
turns within each round. Everything shares this machine's cores: run it when nothing else does.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import bson
import orjson
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, WriteConcern

from actors.store.mongo.client import INDEXES
from scripts.bench.calls import QUANTITY, STEPS, log_context
from scripts.bench.orders import LOGS, log_entry, order_document
from scripts.bench.processes import cpu_s, exit_on_sigterm
from tests.servers import MongoReplicaSet, ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pymongo import IndexModel

_TOGETHER: Final = 500
_ORDERS: Final = 1_000
_ALL: Final = "all"
_QUICK: Final = {"entries": 1_000, "rounds": 1}
_DURABLE: Final = WriteConcern(w="majority", j=True)


def variants() -> Mapping[str, Sequence[IndexModel]]:
    """Return the indexes of each variant: all, none, all without one of the service's own."""
    every = INDEXES[LOGS]
    ours = [each for each in every if each.document["name"].startswith("plan_server_")]
    without = {
        f"without {mine.document['name']}": [each for each in every if each is not mine]
        for mine in ours
    }
    shared = [each for each in every if each not in ours]
    return {_ALL: every, **without, "the shared schema's": shared, "none": ()}


def _entries(count: int) -> Iterator[list[RawBSONDocument]]:
    """Make scans of orders in turn, encoded, as many as are inserted together at a time."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    orders = [order_document(index) for index in range(_ORDERS)]
    batch = []
    for number in range(count):
        order, seq = orders[number % _ORDERS], number // _ORDERS + 1
        context = log_context(seq % STEPS, f"SN{number:010d}", scan=True)
        call = {"type": "input", "quantity": QUANTITY, "logContext": context}
        at = start + timedelta(milliseconds=number)
        key = f"{order['_id']}:{number:032x}"
        ours = {"seq": seq, "epoch": 1, "requestedQuantity": QUANTITY, "requestKey": key}
        entry = log_entry(order, call, (seq - 1, seq), at)
        batch.append(RawBSONDocument(bson.encode({**entry, "planServer": ours})))
        if len(batch) == _TOGETHER or number == count - 1:
            yield batch
            batch = []


def _measure(args: argparse.Namespace, stack: ExitStack) -> dict[str, list[float]]:
    replica_set = stack.enter_context(MongoReplicaSet(cache_gb=1.0))
    pid = replica_set.primary().pid
    client: MongoClient[Any] = stack.enter_context(MongoClient(replica_set.uri))
    chosen, batches = variants(), list(_entries(args.entries))
    names = list(chosen)
    found: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(args.rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            database = client[f"bench_{turn}"]
            logs = database.get_collection(LOGS, write_concern=_DURABLE)
            if chosen[name]:
                logs.create_indexes(list(chosen[name]))
            else:
                database.create_collection(LOGS)
            used = cpu_s(pid)
            for batch in batches:
                logs.insert_many(batch, ordered=False)
            found[name].append((cpu_s(pid) - used) / args.entries * 1e6)
            client.drop_database(database.name)
    return found


def table(found: Mapping[str, Sequence[float]]) -> str:
    """Return the medians of the rounds, and what each variant saves of all (with the range)."""
    lines = ["| indexes | mongod's CPU µs an entry | of that with all |", "|---|---|---|"]
    for name, used in found.items():
        ratios = sorted(mine / whole for mine, whole in zip(used, found[_ALL], strict=True))
        spread = f"{median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"
        lines.append(f"| {name} | {median(used):.0f} | {spread} |")
    return "\n".join([*lines, ""])


def main(argv: Sequence[str]) -> int:
    """Measure and print the table; 1 when no mongod could be started."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench indexes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--entries", type=int, default=50_000, help="inserted for each variant (default 50000)")
    add("--rounds", type=int, default=5, help="repeat everything (default 5)")
    add("--quick", action="store_true", help="a smoke run: 1 round of 1000 entries")
    add("--out", type=Path, help="write all figures here as JSON")
    args = parser.parse_args(argv)
    if args.quick:
        vars(args).update(_QUICK)
    exit_on_sigterm()
    try:
        with ExitStack() as stack:
            found = _measure(args, stack)
    except ServerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(table(found))
    if args.out is not None:
        args.out.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    return 0
