"""Keep the roll-ups of the log by hand: rebuild them, or finish what is left.

The database is that of the settings (MONGODB_URI, else DATA_DIR); the service may run meanwhile,
and its statistics are right all the time: what is not rolled up is summed from the log.

  rebuild   forget all roll-ups, and make them anew (after entries of years ago were changed)
  recheck   count the entries of the last week, and roll up anew where there are more or fewer
  finish    roll up what the service has not come to
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from actors.errors import StartupError, WorkOrderError
from actors.store.mongo.store import MongoStore
from actors.store.sqlite.store import FILE_NAME, SqliteStore
from config.settings.settings import SettingsError, load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.store import Store
    from config.settings.settings import Settings

_ALL = ("rebuild", "recheck", "finish")
_NO_ANSWER, _WRONG_USAGE = 1, 2


def store_of(settings: Settings) -> Store:
    """Return the store of the settings, which is to be opened."""
    if settings.mongodb_uri is None:
        return SqliteStore(settings.data_dir / FILE_NAME)
    return MongoStore(
        settings.mongodb_uri.get_secret_value(), database=settings.mongodb_database or ""
    )


async def _work(what: str, settings: Settings) -> int:
    """Do it; give the number of pieces of work that were left to do."""
    zone = ZoneInfo(settings.time_zone) if settings.time_zone else None
    async with AsyncExitStack() as undo:
        store = store_of(settings)
        undo.push_async_callback(store.close)
        await store.open()
        if what == "rebuild":
            await store.statistics.rebuild()
        if what == "recheck":
            await store.statistics.recheck()
        pieces = 0
        while await store.statistics.roll_up(zone, settings.shift_starts, datetime.now(UTC)):
            pieces += 1
        return pieces


def main(argv: Sequence[str] | None = None) -> int:
    """Do what is asked for; give the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.rollups",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=_ALL)
    args = parser.parse_args(argv)
    try:
        pieces = asyncio.run(_work(args.what, load_settings()))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return _WRONG_USAGE
    except (StartupError, WorkOrderError) as error:
        sys.stderr.write(f"the database does not answer: {error}\n")
        return _NO_ANSWER
    sys.stdout.write(f"all is rolled up, in {pieces} steps\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
