"""Take the service away under many callers, kill it and them, and check that each update counts.

Starts a node and real servers of its own, and calling processes in Python and in Node, which keep
what they can't deliver in outboxes. The service is away for a while, then killed again and again
together with some of the callers. At the end each caller's notes are held against orders and log:
what was answered "success" is there once, in the order in which it was asked.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from scripts.crash import place_at
from tests.service.outage import Report, hold_an_outage
from tests.service.places import STORES

_SHOWN = 10


def main() -> int:
    """Run the drill; give the exit code: 1 when something is lost, doubled or late."""
    arguments = _parse()
    report = _drill(arguments)
    print(f"{arguments.store}: {report}")
    for mistake in report.mistakes[:_SHOWN]:
        print(f"  {mistake}")
    return int(bool(report.mistakes))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.outage", description=__doc__)
    parser.add_argument("--callers", type=int, default=32, help="processes (default: 32)")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="the service is away first (default: 60)"
    )
    parser.add_argument("--rounds", type=int, default=50, help="kills after that (default: 50)")
    parser.add_argument("--store", choices=STORES, default="sqlite", help="where (default: sqlite)")
    parser.add_argument("--seed", type=int, default=1, help="of moments and victims (default: 1)")
    return parser.parse_args()


def _drill(arguments: argparse.Namespace) -> Report:
    with ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="outage-")))
        drill = hold_an_outage(
            place_at(arguments.store, folder / "service", undo),
            folder / "callers",
            callers=arguments.callers,
            outage_s=arguments.seconds,
            rounds=arguments.rounds,
            seed=arguments.seed,
        )
        return asyncio.run(drill)


if __name__ == "__main__":
    sys.exit(main())
