"""Measure the service on Ray beside the plain node: rates, latencies, and the CPU of each process.

A front door and one or two shards in processes of their own, on one machine, without spares. Where
all share the cores, it shows what the way to the shards costs; what shards give shows only where
they, and mongod, have cores of their own. Needs Ray: run it with the Python of .venv-ray, which
scripts/ray-test.sh makes. Afterwards the stored quantities and the log are compared with what was
acknowledged. Exit status 1 when they are not exact.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Final

from scripts.bench import session
from scripts.bench.measure import TARGETS, Target
from scripts.bench.report import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scripts.bench.measure import Measurement

_RAY: Final = Target(("-m", "scripts.bench", "ray_service"), ours=True, ready_s=120.0)
_TARGETS: Final = {
    "service": TARGETS["service"],
    **{f"ray, {n} shards": replace(_RAY, environment={"SHARDS": str(n)}) for n in (1, 2)},
}


def main(argv: Sequence[str]) -> int:
    """Run the plan, print the tables; return 1 when the service lost or doubled anything."""
    parser = session.parser("ray", __doc__)
    session.add_rounds(parser)
    session.add_scenarios(parser, "orders,c16")
    args = session.parsed(parser, argv)
    return session.run(args, session.chosen_scenarios(args), list(_TARGETS), _TARGETS, tables)


def tables(found: Sequence[Measurement]) -> str:
    """Return the usual table, and below it the CPU of each kind of process."""
    used_by = [(kind, us) for each in found for kind, us in each.cpu_us_by.items()]
    kinds = list(dict.fromkeys(kind for kind, us in used_by if us >= 1))
    rows = [["scenario", "target", *(f"CPU µs: {kind}" for kind in kinds)]]
    rows.append(["---"] * len(rows[0]))
    for scenario, target in dict.fromkeys((each.scenario, each.target) for each in found):
        some = [each for each in found if (each.scenario, each.target) == (scenario, target)]
        used = (median(each.cpu_us_by.get(kind, 0.0) for each in some) for kind in kinds)
        rows.append([str(scenario), target, *(f"{each:.0f}" for each in used)])
    return "\n".join([table(found), *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"
