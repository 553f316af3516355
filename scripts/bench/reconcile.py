"""Measure how long reconcile takes over a log of many entries, and the memory that it has.

A mongod of its own is given orders whose log is right, and the same is copied to a SQLite file; a
pass over each is timed. Everything shares this machine's cores: run it when nothing else does.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
from pymongo import MongoClient

from actors.store.schema import LOGS, ORDERS
from actors.store.sqlite.file import SqliteFile
from actors.store.sqlite.rows import insert_entries, microseconds, to_text
from actors.store.values import id_from
from scripts.bench.orders import seed_log, seed_mongo
from scripts.bench.processes import exit_on_sigterm, say
from scripts.reconcile.mongo import MongoSource
from scripts.reconcile.sqlite import SqliteSource
from scripts.reconcile.sweep import Sweep
from tests.servers import MongoServer, ServerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pymongo.database import Database

    from scripts.reconcile.source import Source

_DATABASE: Final = "bench"
_COPIED_AT_ONCE: Final = 10_000
_LOCK_TIMEOUT_S: Final = 5.0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench reconcile",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--entries", type=int, default=1_000_000, help="of the log (default 1000000)")
    add("--orders", type=int, default=1_000, help="that share them (default 1000)")
    add("--no-sqlite", action="store_true", help="on MongoDB only: copying takes longest")
    add("--out", type=Path, help="write all figures here as JSON")
    return parser


def _copied(database: Database[dict[str, Any]], path: Path) -> None:
    """Make a SQLite file that holds what the database does."""
    file = SqliteFile(path, _LOCK_TIMEOUT_S)
    file.open()
    try:
        with file.writing() as db:
            orders = ((str(each["_id"]), to_text(each)) for each in database[ORDERS].find())
            db.executemany("INSERT INTO orders (id, document) VALUES (?, ?)", orders)
        for rows in _batches(database[LOGS].find()):
            with file.writing() as db:
                insert_entries(db, rows)
    finally:
        file.close()


def _batches(entries: Iterable[Mapping[str, Any]]) -> Iterator[list[tuple[Any, ...]]]:
    rows: list[tuple[Any, ...]] = []
    for each in entries:
        rows.append(
            (
                str(each["_id"]),
                str(each["workOrderId"]),
                each["planServer"]["seq"],
                microseconds(each["operateTime"]),
                each["changeType"],
                each["relatedBarcode"],
                id_from(each["processStepId"]),
                None,
                to_text(each),
            )
        )
        if len(rows) == _COPIED_AT_ONCE:
            yield rows
            rows = []
    yield rows


def _pass(source: Source) -> dict[str, float]:
    sweep = Sweep(source, timedelta(minutes=1), lambda _: None)
    started = time.perf_counter()
    findings = sum(1 for _ in sweep.findings())
    took_s = time.perf_counter() - started
    if findings:
        raise SystemExit(f"{findings} findings in a log that is right")
    return {
        "entries": sweep.entries,
        "seconds": round(took_s, 1),
        "per_second": round(sweep.entries / took_s),
        # Of the whole run so far, with what made the data; kilobytes on Linux.
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _measure(entries: int, orders: int, *, sqlite: bool) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        server = stack.enter_context(MongoServer(folder / "mongo", cache_gb=1.0))
        client: MongoClient[dict[str, Any]] = stack.enter_context(
            MongoClient(server.uri, tz_aware=True)
        )
        database = client[_DATABASE]
        seed_mongo(database, orders)
        seed_log(database, range(orders), each := entries // orders)
        database[ORDERS].update_many({}, {"$set": {"inputQuantity": each}})
        say("the log is written")
        mongo = MongoSource(server.uri, _DATABASE)
        stack.callback(mongo.close)
        found["mongo"] = _pass(mongo)
        if sqlite:
            _copied(database, folder / "orders.sqlite3")
            say("and copied")
            file = SqliteSource(folder / "orders.sqlite3")
            stack.callback(file.close)
            found["sqlite"] = _pass(file)
    return found


def main(argv: Sequence[str]) -> int:
    """Measure and print; give the exit status."""
    args = _parser().parse_args(argv)
    exit_on_sigterm()
    try:
        found = _measure(args.entries, args.orders, sqlite=not args.no_sqlite)
    except ServerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for store, figures in found.items():
        sys.stdout.write(f"{store:<8}{figures}\n")
    if args.out is not None:
        args.out.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    return 0
