"""The figures of a run as a table in Markdown."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from scripts.bench.measure import Measurement

_HEAD: Final = (
    "scenario",
    "target",
    "per second",
    "p50 / p99 / p99.9 ms",
    "CPU µs: it",
    "mongod",
    "in empty handlers",
    "MB: it",
    "mongod",
    "load's cores",
    "service ÷ it",
)
SUBJECT: Final = "service"
_UNIT: Final = "empty"


def ratios(
    found: Iterable[Measurement],
    above: str,
    below: str,
    figure: Callable[[Measurement], float] = lambda each: each.per_second,
) -> list[float]:
    """Return `above`'s figure by `below`'s in each round that has both, of one scenario."""
    by_round: dict[int, dict[str, float]] = {}
    for each in found:
        by_round.setdefault(each.round, {})[each.target] = figure(each)
    return [
        figures[above] / figures[below]
        for figures in by_round.values()
        if above in figures and figures.get(below)
    ]


def with_spread(values: Sequence[float], digits: int = 2) -> str:
    """Say the median of ratios with their range."""
    if not values:
        return "–"
    middle, low, high = (f"{x:.{digits}f}" for x in (median(values), min(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({low}–{high})"


def table(found: Sequence[Measurement]) -> str:
    """Return a row of medians for each scenario and target, and what went wrong below."""
    rows: list[Sequence[str]] = [_HEAD, ["---"] * len(_HEAD)]
    for scenario in dict.fromkeys(each.scenario for each in found):
        of_it = [each for each in found if each.scenario == scenario]
        targets = dict.fromkeys(each.target for each in of_it)
        rows += [[str(scenario), target, *_cells(of_it, target)] for target in targets]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, "", *_remarks(found)]) + "\n"


def _cells(of_it: Sequence[Measurement], target: str) -> list[str]:
    some = [each for each in of_it if each.target == target]
    times = (
        median(each.load["latency_ms"].get(name, 0.0) for each in some)
        for name in ("p50", "p99", "p99.9")
    )
    unit = ratios(of_it, target, _UNIT, lambda each: each.cpu_us)
    beside = [] if target == SUBJECT else ratios(of_it, SUBJECT, target)
    return [
        f"{median(each.per_second for each in some):,.0f}",
        " / ".join(f"{value:.1f}" for value in times),
        f"{median(each.cpu_us for each in some):.0f}",
        f"{median(each.mongod_cpu_us for each in some):.0f}",
        with_spread(unit, 1),
        f"{median(each.memory_mb for each in some):.0f}",
        f"{median(each.mongod_memory_mb for each in some):.0f}",
        f"{median(map(_load_cores, some)):.2f}",
        with_spread(beside),
    ]


def _load_cores(each: Measurement) -> float:
    """Return how many cores the load took: where it is near 1, the load is the limit."""
    return float(each.load["cpu_s"] / (each.load["measured_s"] + each.load["warmup_s"]))


def _remarks(found: Sequence[Measurement]) -> list[str]:
    """Return the checks, each kind once, and what was not acknowledged."""
    checked = [each for each in found if each.check is not None]
    exact = sum(each.check is not None and each.check.exact for each in checked)
    lines = [f"{exact} of {len(checked)} checks of orders, log and acknowledgements are exact."]
    for each in found:
        where = f"{each.target}, {each.scenario}, round {each.round + 1}"
        if each.check is not None and not each.check.exact:
            lines.append(f"{where}: {each.check}")
        others = {
            answer: count
            for answer, count in each.load["answers"].items()
            if not answer.endswith("success=True")
        }
        if others:
            lines.append(f"{where}: not acknowledged: {others}")
    return lines
