"""Keep the roll-ups of the log by hand: rebuild them, or finish what is left.

The database is that of the settings (MONGODB_URI, else DATA_DIR); the service may run meanwhile,
and its statistics are right all the time: what is not rolled up is summed from the log.

  rebuild   forget all roll-ups, and make them anew (after entries of years ago were changed)
  recheck   count the entries of the last week, and roll up anew where there are more or fewer
  finish    roll up what the service has not come to
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from scripts._store import opened, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from config.settings.settings import Settings

_ALL = ("rebuild", "recheck", "finish")


async def _work(what: str, settings: Settings) -> str:
    """Do it; say in how many pieces of work, of those that were left to do."""
    zone = ZoneInfo(settings.time_zone) if settings.time_zone else None
    async with opened(settings) as store:
        if what == "rebuild":
            await store.statistics.rebuild()
        if what == "recheck":
            await store.statistics.recheck()
        pieces = 0
        while await store.statistics.roll_up(zone, settings.shift_starts, datetime.now(UTC)):
            pieces += 1
        return f"all is rolled up, in {pieces} steps"


def main(argv: Sequence[str] | None = None) -> int:
    """Do what is asked for; give the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.rollups",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=_ALL)
    args = parser.parse_args(argv)
    return run(partial(_work, args.what))


if __name__ == "__main__":
    sys.exit(main())
