"""Put work orders into the configured store: MongoDB with MONGODB_URI, else SQLite in DATA_DIR.

Each line of FILE is one order as a JSON object with the fields of production_plan_work_orders,
plain or as mongoexport writes it. Needed are _id (24 hexadecimal digits) and workOrderNo.
Orders that are there already are left as they are, so the same file may be imported again. Bad
lines are reported with their numbers and left out; all others are imported.

Exit status: 0 all orders are there, 1 some are not, 2 wrong usage or settings.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from actors.errors import WorkOrderError
from config.settings.settings import SettingsError, load_settings
from scripts._demo_orders import demo_orders
from scripts._order_lines import BadLine, orders_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from actors.store import Store
    from config.settings.settings import Settings

_BATCH = 500
_FAILED = 1
_WRONG_USAGE = 2


@dataclass(slots=True)
class Counts:
    """What became of the orders given."""

    added: int = 0
    there: int = 0
    bad: int = 0
    stopped: bool = False

    def __str__(self) -> str:
        return f"{self.added} added, {self.there} there already, {self.bad} bad"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; give its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.import_orders",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="file to read; - is standard input")
    parser.add_argument("--demo", action="store_true", help="add twenty orders to try things with")
    arguments = parser.parse_args(argv)
    if arguments.file is None and not arguments.demo:
        parser.error("give a FILE, or - for standard input, or --demo")
    try:
        settings = load_settings()
    except SettingsError as error:
        _complain(error)
        return _WRONG_USAGE
    try:
        with _lines(arguments.file) as lines:
            counts = asyncio.run(_import(settings, lines, demo=arguments.demo))
    except OSError as error:
        _complain(f"cannot read {arguments.file}: {error.strerror or error}")
        return _WRONG_USAGE
    print(f"orders in {settings.store_kind}: {counts}")
    return _FAILED if counts.bad or counts.stopped else 0


@contextmanager
def _lines(file: str | None) -> Iterator[Iterable[bytes]]:
    if file is None:
        yield ()
    elif file == "-":
        yield sys.stdin.buffer
    else:
        with open(file, "rb") as lines:  # noqa: PTH123 names like /dev/fd/63 are files, too
            yield lines


async def _import(settings: Settings, lines: Iterable[bytes], *, demo: bool) -> Counts:
    counts = Counts()
    store = _store(settings)
    try:
        await store.open()
        if demo:
            await _add(store, demo_orders(), counts)
        await _add_lines(store, lines, counts)
    except WorkOrderError as error:
        _complain(f"stopped: {error}")
        _complain("Import the same again once this is mended: orders that are there are skipped.")
        counts.stopped = True
    finally:
        await store.close()
    return counts


async def _add_lines(store: Store, lines: Iterable[bytes], counts: Counts) -> None:
    good = _reporting_bad(orders_in(lines), counts)
    while batch := list(islice(good, _BATCH)):
        await _add(store, batch, counts)


def _reporting_bad(
    orders: Iterable[tuple[int, dict[str, Any] | BadLine]], counts: Counts
) -> Iterator[dict[str, Any]]:
    for number, order in orders:
        if isinstance(order, BadLine):
            counts.bad += 1
            _complain(f"line {number}: {order}")
        else:
            yield order


async def _add(store: Store, orders: Sequence[dict[str, Any]], counts: Counts) -> None:
    added = await store.insert_orders(orders)
    counts.added += added
    counts.there += len(orders) - added


def _store(settings: Settings) -> Store:
    # Only the driver in use is loaded.
    if settings.mongodb_uri is None:
        from actors.store.sqlite.store import FILE_NAME, SqliteStore  # noqa: PLC0415

        return SqliteStore(settings.data_dir / FILE_NAME)
    from actors.store.mongo.store import MongoStore  # noqa: PLC0415

    return MongoStore(
        settings.mongodb_uri.get_secret_value(),
        settings.mongodb_database or "",
        driver=settings.mongodb_driver,
    )


def _complain(what: object) -> None:
    print(what, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
