"""Rows of statistics as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

from actors.store.quantities import TIMES, local_text, name_key
from web.wire.dates import to_text
from web.wire.spreadsheet import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from actors.store.quantities import QuantityQuery, QuantityRow, Sums
    from web.openapi.models.statistics import QuantitySums, QuantityTotals, StatisticsRow

_HOUR_S: Final = 3600
_SUMS: Final = ("added", "taken", "net", "increases", "decreases")
_RATES: Final = ("firstOutputAt", "lastOutputAt", "outputPerHour", "cycleS")


def row_fields(query: QuantityQuery, row: QuantityRow) -> StatisticsRow:
    """Return a row under the callers' names."""
    return {
        "keys": dict(zip(map(str, query.group), _keys(query, row), strict=True)),
        "names": {
            str(dimension): name
            for dimension, name in zip(query.group, row.names, strict=True)
            if name_key(dimension) is not None
        },
        **total_fields(row),
    }


def total_fields(row: QuantityRow) -> QuantityTotals:
    """Return what a row sums up; its throughput is that between the first and last output."""
    span_s = (row.last - row.first).total_seconds() if row.first and row.last else 0.0
    made, more = net(row.output), row.output.increases - 1
    return {
        "input": _sum_fields(row.input),
        "output": _sum_fields(row.output),
        "firstOutputAt": None if row.first is None else to_text(row.first),
        "lastOutputAt": None if row.last is None else to_text(row.last),
        "outputPerHour": round(made * _HOUR_S / span_s, 2) if span_s else None,
        "cycleS": round(span_s / more, 3) if more > 0 else None,
    }


def net(sums: Sums) -> float:
    """Return what was added less what was taken back."""
    return round(sums.added - sums.taken, 6)


def _sum_fields(sums: Sums) -> QuantitySums:
    return {
        "added": sums.added,
        "taken": sums.taken,
        "net": net(sums),
        "increases": sums.increases,
        "decreases": sums.decreases,
    }


def _keys(query: QuantityQuery, row: QuantityRow) -> list[str | bool | None]:
    return [
        local_text(dimension, key) if dimension in TIMES and type(key) is int else key  # type: ignore[misc]
        for dimension, key in zip(query.group, row.keys, strict=True)
    ]


def csv_heading(query: QuantityQuery) -> bytes:
    """Return the first line of an export, behind the mark by which spreadsheets know UTF-8."""
    columns: list[object] = []
    for dimension in query.group:
        columns += [str(dimension), *([f"{dimension}Name"] if name_key(dimension) else [])]
    columns += [f"{kind}.{name}" for kind in ("input", "output") for name in _SUMS]
    columns += _RATES
    return b"\xef\xbb\xbf" + _lines([columns])


def csv_lines(query: QuantityQuery, rows: Iterable[QuantityRow]) -> bytes:
    """Return the lines of rows."""
    return _lines(_cells(query, row) for row in rows)


def _cells(query: QuantityQuery, row: QuantityRow) -> list[object]:
    cells: list[object] = []
    for dimension, key, name in zip(query.group, _keys(query, row), row.names, strict=True):
        cells += [key, *([name] if name_key(dimension) else [])]
    totals: Mapping[str, Any] = total_fields(row)
    for kind in ("input", "output"):
        cells += [totals[kind][name] for name in _SUMS]
    return [*cells, *(totals[name] for name in _RATES)]


def _lines(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([_plain(cell) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8", "replace")


def _plain(cell: object) -> object:
    if isinstance(cell, bool):
        return str(cell).lower()
    return plain(cell) if isinstance(cell, str) else cell
