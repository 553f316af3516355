"""Move old entries of the log to the archive by hand, or bring them back.

The database is that of the settings (MONGODB_URI, else DATA_DIR); the service may run meanwhile,
and moves entries itself where LOG_RETENTION_DAYS is set. Without --yes nothing is changed: it
says how much would be. Each batch on MongoDB takes two minutes and more, for readers' sake; what
is broken off goes on with the next call, or with the service.

  python -m scripts.archive --days 730              what has ended two years ago, by its log
  python -m scripts.archive --days 730 --yes        … moved
  python -m scripts.archive --restore ID ID --yes   entries of two orders, brought back
  python -m scripts.archive --restore --all --yes   all that was archived, brought back
"""

from __future__ import annotations

import argparse
import re
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from actors.domain.model import WorkOrderId
from actors.store.archive import Moved
from config.settings.settings import SettingsError
from scripts._store import opened, run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from actors.store.archive import Archive
    from config.settings.settings import Settings

_ID: Final = re.compile("[0-9a-fA-F]{24}")


async def _all(step: Callable[[], Awaitable[Moved | None]]) -> Moved:
    total = Moved()
    while moved := await step():
        total += moved
        sys.stderr.write(f"{total.entries} entries of {total.orders} orders\n")
    return total


async def _work(args: argparse.Namespace, settings: Settings) -> str:
    """Do what is asked for; say what that was."""
    days = args.days or settings.log_retention_days
    if args.restore is None and days is None:
        raise SettingsError(("set LOG_RETENTION_DAYS, or give --days",))
    async with opened(settings) as store:
        return await _done(args, days, store.archive)


async def _done(args: argparse.Namespace, days: int | None, archive: Archive) -> str:
    before = datetime.now(UTC) - timedelta(days=days or 0)
    ids = None if args.all else [WorkOrderId(each.lower()) for each in args.restore or ()]
    if args.restore is None:
        moved = await (_all(lambda: archive.move(before)) if args.yes else archive.old(before))
        done, would = "moved to the archive", "would be moved to the archive"
    else:
        moved = await (_all(lambda: archive.restore(ids)) if args.yes else archive.kept(ids))
        done, would = "brought back", "would be brought back"
    what = f"{moved.entries} entries of {moved.orders} orders"
    return f"{what} {done}" if args.yes else f"{what} {would} (--yes does it)"


def _parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.archive",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--days", type=int, help="instead of LOG_RETENTION_DAYS")
    parser.add_argument("--restore", nargs="*", metavar="ID", help="ids of work orders")
    parser.add_argument("--all", action="store_true", help="with --restore: all orders")
    parser.add_argument("--yes", action="store_true", help="do it")
    args = parser.parse_args(argv)
    if args.restore is None and args.all:
        parser.error("--all goes with --restore")
    if args.restore is not None and bool(args.restore) == args.all:
        parser.error("--restore takes ids of work orders, or --all")
    if unfit := [each for each in args.restore or () if not _ID.fullmatch(each)]:
        parser.error(f"no id of a work order: {unfit[0]}")
    if args.days is not None and args.days < 1:
        parser.error("--days is 1 or more")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Do what is asked for; give the exit status."""
    return run(partial(_work, _parsed(argv)))


if __name__ == "__main__":
    sys.exit(main())
