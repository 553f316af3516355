"""Measure statistics: from the roll-ups, and from the log without them.

A mongod of its own, and a SQLite file, are given the entries of one factory; the same questions
are asked of both in both ways, and the answers have to be the same. Everything shares this
machine's cores: run it when nothing else does. A year: --entries 5000000 --days 365.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import orjson
from bson import ObjectId
from pymongo import MongoClient

from actors.store.mongo.store import MongoStore
from actors.store.quantities import Calendar, Dimension, QuantityQuery
from actors.store.schema import LOGS
from actors.store.sqlite.file import SqliteFile
from actors.store.sqlite.rows import insert_entries, microseconds, to_text
from actors.store.sqlite.store import SqliteStore
from scripts.bench.processes import exit_on_sigterm, say
from tests.servers import MongoServer, ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pymongo.collection import Collection

    from actors.store import Store

_DATABASE: Final = "bench"
_AT_ONCE: Final = 10_000
_TIMEOUT_S: Final = 3600.0
_ROUNDS: Final = 5
_ENTRIES_OF_AN_ORDER: Final = 1_000
_LINES, _OPERATORS, _STEPS = 10, 30, 8
_ZONE: Final = ZoneInfo("Asia/Shanghai")
_SHIFTS: Final = (8 * 60, 20 * 60)
_UNTIL: Final = datetime(2026, 1, 1, 2, 30, tzinfo=UTC)
QUESTIONS: Final = {
    "total": (),
    "by line": (Dimension.LINE,),
    "by operator": (Dimension.OPERATOR,),
    "by order": (Dimension.ORDER,),
    "by day": (Dimension.DAY,),
    "by shift": (Dimension.SHIFT,),
    "by line and day": (Dimension.LINE, Dimension.DAY),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench statistics",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--entries", type=int, default=20_000, help="of the log (default 20000)")
    add("--days", type=int, default=14, help="that they are of (default 14)")
    add("--store", choices=["mongodb", "sqlite"], help="only this one")
    add("--out", type=Path, help="write all figures here as JSON")
    return parser


def entries(number: int, since: datetime) -> Iterator[dict[str, Any]]:
    """Make entries, ids as text: orders one after the other, ten at a time."""
    chance = random.Random(number)  # noqa: S311 -- the same each time
    step = (_UNTIL - since) / number
    for each in range(number):
        order = each // _ENTRIES_OF_AN_ORDER + chance.randrange(10)
        line, process = order % _LINES, chance.randrange(_STEPS)
        operator = chance.randrange(_OPERATORS)
        yield {
            "_id": f"{each + 1:024x}",
            "workOrderId": f"{order + 1:024x}",
            "workOrderNo": f"WO-{order}",
            "materialId": f"{order % 50 + 1:024x}",
            "materialName": f"material {order % 50}",
            "productionLineId": f"{line + 1:024x}",
            "productionLineName": f"line {line}",
            "changeType": chance.choice(("input", "output")),
            "changeQuantity": chance.choice((1, 1, 1, 1, -1)),
            "relatedBarcode": f"SN{each // 2}",
            "processStepId": f"{process + 1:024x}",
            "processName": f"step {process}",
            "barcodeOperation": "SCAN_PROCESS",
            "operatorId": f"{operator}",
            "operatorName": f"operator {operator}",
            "operateTime": since + each * step,
            "isAutomatic": True,
        }


def _batches(number: int, since: datetime) -> Iterator[list[dict[str, Any]]]:
    batch = []
    for each in entries(number, since):
        batch.append(each)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _fill_mongo(uri: str, number: int, since: datetime) -> None:
    client: MongoClient[dict[str, Any]]
    with MongoClient(uri) as client:
        logs: Collection[dict[str, Any]] = client[_DATABASE][LOGS]
        for batch in _batches(number, since):
            for each in batch:
                for name in ("_id", "workOrderId", "materialId", "processStepId"):
                    each[name] = ObjectId(each[name])
            logs.insert_many(batch, ordered=False)


def _fill_sqlite(path: Path, number: int, since: datetime) -> None:
    file = SqliteFile(path, _TIMEOUT_S)
    file.open()
    try:
        for batch in _batches(number, since):
            with file.writing() as db:
                insert_entries(db, map(_row, batch))
                db.execute("DELETE FROM rollup_marks")  # all of them are new
    finally:
        file.close()


def _row(each: dict[str, Any]) -> tuple[Any, ...]:
    return (
        each["_id"],
        each["workOrderId"],
        None,
        microseconds(each["operateTime"]),
        each["changeType"],
        each["relatedBarcode"],
        each["processStepId"],
        None,
        to_text(each),
    )


async def _asked(store: Store, since: datetime, rounds: int) -> dict[str, tuple[float, list[Any]]]:
    """Ask all; give the median of the milliseconds, and the rows."""
    calendar = Calendar.of(_ZONE, since, _UNTIL, _SHIFTS)
    everything = QuantityQuery(since, _UNTIL, calendar=calendar, limit=10_000)
    found = {}
    for name, group in QUESTIONS.items():
        query, times = replace(everything, group=group), []
        for _ in range(rounds):
            begun = time.perf_counter()
            rows = [row async for part in store.statistics.quantities(query) for row in part]
            times.append(time.perf_counter() - begun)
        found[name] = (round(median(times) * 1000, 1), rows)
    return found


async def _measured(store: Store, since: datetime) -> dict[str, Any]:
    await store.open()
    try:
        begun = time.perf_counter()
        while await store.statistics.roll_up(_ZONE, _SHIFTS, _UNTIL + timedelta(hours=1)):
            pass
        rolled_s = round(time.perf_counter() - begun, 1)
        say(f"{store.name}: rolled up in {rolled_s} s")
        rolled = await _asked(store, since, _ROUNDS)
        await store.statistics.rebuild()
        from_log = await _asked(store, since, 1)
    finally:
        await store.close()
    if different := [name for name, (_, rows) in rolled.items() if rows != from_log[name][1]]:
        raise SystemExit(f"{store.name}: roll-ups and log do not agree: {', '.join(different)}")
    return {
        "rolled_up_in_s": rolled_s,
        "ms": {name: {"rollups": rolled[name][0], "log": from_log[name][0]} for name in QUESTIONS},
    }


def _measure(number: int, since: datetime, only: str | None) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        if only != "mongodb":
            path = folder / "orders.sqlite3"
            _fill_sqlite(path, number, since)
            say("the SQLite file is filled")
            found["sqlite"] = asyncio.run(_measured(SqliteStore(path, timeout_s=_TIMEOUT_S), since))
        if only != "sqlite":
            server = stack.enter_context(MongoServer(folder / "mongo", cache_gb=1.0))
            store = MongoStore(server.uri, _DATABASE, timeout_s=_TIMEOUT_S)
            asyncio.run(_made(store))
            _fill_mongo(server.uri, number, since)
            say("MongoDB is filled")
            again = MongoStore(server.uri, _DATABASE, timeout_s=_TIMEOUT_S)
            found["mongodb"] = asyncio.run(_measured(again, since))
    return found


async def _made(store: Store) -> None:
    """Make the indexes."""
    await store.open()
    await store.close()


def main(argv: Sequence[str]) -> int:
    """Measure and print; give the exit status."""
    args = _parser().parse_args(argv)
    exit_on_sigterm()
    try:
        found = _measure(args.entries, _UNTIL - timedelta(days=args.days), args.store)
    except ServerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for store, figures in found.items():
        sys.stdout.write(f"{store}: rolled up in {figures['rolled_up_in_s']} s\n")
        for name, each in figures["ms"].items():
            sys.stdout.write(f"  {name:<16}{each['rollups']:>10} ms{each['log']:>12} ms log\n")
    if args.out is not None:
        args.out.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    return 0
