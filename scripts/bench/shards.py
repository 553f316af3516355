"""Measure the service in 1, 2 and 4 shards: acknowledged updates per second, and CPU per update.

All shards are in one node here, on one machine: it shows what shards cost by themselves. From four
cores on, load and mongod have cores of their own. What shards give shows only where nodes have
some, too; the columns of CPU per update say how many of those a rate needs. Afterwards the stored
quantities and the log are compared with what was acknowledged. Exit status 1 when they are not
exact.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from scripts.bench import session
from scripts.bench.measure import TARGETS

if TYPE_CHECKING:
    from collections.abc import Sequence

_TARGETS: Final = {
    "service": TARGETS["service"],
    **{
        f"{count} shards": replace(TARGETS["service"], environment={"SHARDS": str(count)})
        for count in (2, 4)
    },
}


def main(argv: Sequence[str]) -> int:
    """Run the plan, print the table; return 1 when the service lost or doubled anything."""
    parser = session.parser("shards", __doc__)
    session.add_rounds(parser)
    session.add_scenarios(parser, "orders,c16")
    args = session.parsed(parser, argv)
    return session.run(args, session.chosen_scenarios(args), list(_TARGETS), _TARGETS)
