"""The figures of a throughput run as a table and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scripts.bench.measure import Measurement

_LATENCIES = ("p50", "p95", "p99", "max")
_BASELINES = ("plain", "empty")
_COLUMN = 19


def _of(measurements: Iterable[Measurement], target: str, *, hot: bool) -> list[Measurement]:
    return [m for m in measurements if m.target == target and m.hot is hot]


def _row(name: str, cells: Sequence[str]) -> str:
    return f"{name:<16}" + "".join(f"{cell:>{_COLUMN}}" for cell in cells)


def _ratio(measurements: Sequence[Measurement], baseline: str, *, hot: bool) -> str:
    """Compare medians; the range is that of the rounds, each compared within itself."""
    ours = [m.per_second for m in _of(measurements, "service", hot=hot)]
    theirs = [m.per_second for m in _of(measurements, baseline, hot=hot)]
    if not ours or not theirs or not all(theirs):
        return "-"
    rounds = [our / their for our, their in zip(ours, theirs, strict=False)]
    return f"{median(ours) / median(theirs):.2f} ({min(rounds):.1f}-{max(rounds):.1f})"


def _details(measurements: Sequence[Measurement], target: str, *, hot: bool) -> str:
    some = _of(measurements, target, hot=hot)
    latency = "/".join(
        f"{median(m.load['latency_ms'].get(name, 0.0) for m in some):.0f}" for name in _LATENCIES
    )
    load_cores = median(m.load["cpu_s"] / (m.load["seconds"] + m.load["warmup_s"]) for m in some)
    cores = "/".join(
        f"{cores:.2f}"
        for cores in (
            median(m.cores for m in some),
            median(m.mongod_cores for m in some),
            load_cores,
        )
    )
    replies = median(m.load["reply_bytes"] for m in some)
    return _row(f"{target}, {'1 order' if hot else 'spread'}", [latency, cores, f"{replies:.0f}"])


def table(measurements: Sequence[Measurement], orders: int) -> str:
    """Return medians, ratios, latencies, CPU and checks as text."""
    targets = list(dict.fromkeys(m.target for m in measurements))
    columns = [f"{orders:,} orders", "1 order"]
    lines = [_row("updates/s", columns)]
    for target in targets:
        rates = [
            [m.per_second for m in _of(measurements, target, hot=hot)] for hot in (False, True)
        ]
        lines.append(_row(target, [f"{median(r):,.0f}" if r else "-" for r in rates]))
    lines += [
        _row(
            f"service/{baseline}",
            [_ratio(measurements, baseline, hot=hot) for hot in (False, True)],
        )
        for baseline in _BASELINES
        if baseline in targets and "service" in targets
    ]
    lines += ["", _row("", ["p50/95/99/max ms", "cores: it/db/load", "reply bytes"])]
    lines += [
        _details(measurements, target, hot=hot)
        for target in targets
        for hot in (False, True)
        if _of(measurements, target, hot=hot)
    ]
    lines += ["", *(_checked(m) for m in measurements if m.check is not None)]
    return "\n".join(lines) + "\n"


def _checked(measurement: Measurement) -> str:
    name = f"{measurement.target}, {'1 order' if measurement.hot else 'spread'}"
    others = {
        answer: count
        for answer, count in measurement.load["answers"].items()
        if not answer.endswith("success=True")
    }
    refusals = f"; not acknowledged: {others}" if others else ""
    return f"{name:<16} {measurement.check}{refusals}"


def as_json(measurement: Measurement) -> dict[str, Any]:
    """Return one measurement for a results file, without the counts of each order."""
    load = {k: v for k, v in measurement.load.items() if k != "acknowledged_by_order"}
    return {
        "target": measurement.target,
        "hot": measurement.hot,
        "cores": round(measurement.cores, 2),
        "mongod_cores": round(measurement.mongod_cores, 2),
        "load": load,
        "check": asdict(measurement.check) if measurement.check else None,
        "exact": measurement.check.exact if measurement.check else None,
    }
