"""Measure how the service behaves as things grow: throughput, latency, CPU and memory.

Along each axis one thing grows, all else being equal:
`actors`: live idle actors beside the 100 orders that are updated;
`entries`: entries in the log of the one order that is updated, with keys and duplicate checks;
`pages`: the same, of an order that is read, with the newest page of its log;
`log`: entries in the log of other orders, beside 1,000 that are updated as in `entries`;
`batch`: updates of one call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.bench import session
from scripts.bench.measure import TARGETS
from scripts.bench.scenarios import AXES, capped, named, up_to

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Measure along the axes, print the table; return 1 when anything was lost or doubled."""
    parser = session.parser("growth", __doc__)
    session.add_rounds(parser, 1)
    add = parser.add_argument
    add("--axes", default="all", help=f"of {','.join(AXES)} (default all)")
    add("--largest", type=int, default=1_000_000, help="leave larger points out (default 1000000)")
    add("--targets", default="service", help=f"of {','.join(TARGETS)} (default service)")
    add("--orders", type=int, help="orders at most that are called")
    add("--connections", type=int, help="callers, at every point")
    args = session.parsed(parser, argv)
    points = [
        capped(point, orders=args.orders, connections=args.connections)
        for name in named(args.axes, AXES)
        for point in up_to(AXES[name], args.largest)
    ]
    return session.run(args, points, named(args.targets, TARGETS))
