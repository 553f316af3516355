"""Rows of statistics as JSON, as CSV and in workbooks."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from actors.store.quantities import TIMES, Dimension, local_text, name_key
from web.wire.dates import to_text
from web.wire.spreadsheet import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import tzinfo

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


def columns(query: QuantityQuery) -> list[str]:
    """Return the heads of an export's columns."""
    heads: list[str] = []
    for dimension in query.group:
        heads += [str(dimension), *([f"{dimension}Name"] if name_key(dimension) else [])]
    heads += [f"{kind}.{name}" for kind in ("input", "output") for name in _SUMS]
    return [*heads, *_RATES]


def csv_heading(query: QuantityQuery) -> bytes:
    """Return the first line of an export, behind the mark by which spreadsheets know UTF-8."""
    return b"\xef\xbb\xbf" + _lines([columns(query)])


def csv_lines(query: QuantityQuery, rows: Iterable[QuantityRow]) -> bytes:
    """Return the lines of rows."""
    return _lines(_cells(query, row, _keys(query, row)) for row in rows)


def sheet_rows(
    query: QuantityQuery, rows: Iterable[QuantityRow], zone: tzinfo | None
) -> Iterator[list[Any]]:
    """Make the cells of rows, all times on the clocks of `zone` (None: the machine's own)."""
    for row in rows:
        keys = [
            _on_the_clock(dimension, key) if dimension in TIMES and type(key) is int else key
            for dimension, key in zip(query.group, row.keys, strict=True)
        ]
        cells = _cells(query, row, keys)
        first = len(cells) - len(_RATES)
        cells[first : first + 2] = [
            None if at is None else at.astimezone(zone).replace(tzinfo=None)
            for at in (row.first, row.last)
        ]
        yield cells


def _on_the_clock(dimension: Dimension, bucket: int) -> date:
    at = datetime.fromisoformat(local_text(dimension, bucket))
    return at.date() if dimension is Dimension.DAY else at


def _cells(query: QuantityQuery, row: QuantityRow, keys: Sequence[object]) -> list[object]:
    cells: list[object] = []
    for dimension, key, name in zip(query.group, keys, row.names, strict=True):
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
