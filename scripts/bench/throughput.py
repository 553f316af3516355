"""Measure acknowledged updates per second: the service beside its baselines and the limits.

Starts a mongod of its own (a one-member replica set), and for each round and scenario each target
on fresh data. Majority and journal everywhere. Afterwards the stored quantities and the log are
compared with what was acknowledged. Exit status 1 when the service's are not exact.

Targets: `plain` finds, increments and inserts; `replaced` is the design before (a list in Redis,
one worker, a lock per order); `direct` makes the service's writes in batches, without HTTP and
actors; `empty` answers a constant; `service` is ours, `pymongo` ours by that driver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scripts.bench import session
from scripts.bench.measure import TARGETS
from scripts.bench.scenarios import named

if TYPE_CHECKING:
    from collections.abc import Sequence

_TARGETS: Final = "plain,replaced,direct,empty,service"


def main(argv: Sequence[str]) -> int:
    """Run the plan, print the table; return 1 when the service lost or doubled anything."""
    parser = session.parser("throughput", __doc__)
    session.add_rounds(parser)
    parser.add_argument(
        "--targets", default=_TARGETS, help=f"of {','.join(TARGETS)} (default {_TARGETS})"
    )
    session.add_scenarios(parser, "orders,one")
    args = session.parsed(parser, argv)
    return session.run(args, session.chosen_scenarios(args), named(args.targets, TARGETS))
