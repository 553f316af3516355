"""Sums over the log in SQLite, by SQL: the same rows as MongoDB's."""

from __future__ import annotations

import asyncio
import threading
from contextlib import nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from actors.store.quantities import (
    AUTOMATIC,
    DAY_MS,
    FIELDS,
    HOUR_MS,
    MINUTE_MS,
    PRODUCTION_ORDER,
    TIMES,
    Calendar,
    Dimension,
    QuantityRow,
    Sums,
    name_key,
    pieces,
)
from actors.store.sqlite.rows import microseconds, time_at

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Sequence

    from actors.store.quantities import QuantityQuery
    from actors.store.sqlite.threads import SqliteThreads

_AT_ONCE: Final = 500
_AHEAD: Final = 2
"""Parts that are read before somebody took the one before."""
_MS: Final = 1_000
"""Microseconds, as the column counts."""
_NUMBERS: Final = "('integer', 'real', 'text')"
_UTC: Final = f"(operate_time / {_MS})"


class SqliteStatistics:
    """Implements `actors.store.quantities.Statistics`."""

    def __init__(self, threads: SqliteThreads) -> None:
        self._threads = threads
        self._one = asyncio.Lock()

    async def quantities(self, query: QuantityQuery) -> AsyncIterator[Sequence[QuantityRow]]:
        """Read in a reader's thread, no more than two parts ahead of who takes them."""
        statement, values = _select(query)
        parts: asyncio.Queue[list[Any] | None] = asyncio.Queue()
        room = threading.Semaphore(_AHEAD)
        loop = asyncio.get_running_loop()
        gone = False

        def work(db: sqlite3.Connection) -> None:
            found = db.execute(statement, values)
            while (part := found.fetchmany(_AT_ONCE)) and not gone:
                room.acquire()
                loop.call_soon_threadsafe(parts.put_nowait, part)

        def ended(done: asyncio.Future[None]) -> None:
            parts.put_nowait(None)
            if not done.cancelled():
                done.exception()  # told of, if anybody still listens

        # A whole export leaves the other readers' thread to the others.
        async with self._one if query.limit is None else nullcontext():
            reading = asyncio.ensure_future(self._threads.read(work))
            reading.add_done_callback(ended)
            try:
                while (part := await parts.get()) is not None:
                    yield [_row(query, each) for each in part]
                    room.release()
                await reading  # for what went wrong
            finally:
                # Who gives up does not wait: a sum that is under way ends in its thread.
                gone = True
                room.release(_AHEAD + 1)


def _select(query: QuantityQuery) -> tuple[str, list[Any]]:
    keys = [_key(each, query.calendar) for each in query.group]
    names = [_name(each) for each in query.group]
    where, values = _where(query)
    grouped = " GROUP BY " + ", ".join(str(n + 1) for n in range(len(keys))) if keys else ""
    ordered = " ORDER BY " + ", ".join(str(n + 1) for n in range(len(keys))) if keys else ""
    limit = "" if query.limit is None else f" LIMIT {query.limit:d}"
    columns = ", ".join([*keys, *names, *_sums()])
    of_order = (
        " LEFT JOIN orders ON orders.id = logs.work_order_id"
        if Dimension.PRODUCTION_ORDER in (*query.group, *query.where)
        else ""
    )
    source = f"(SELECT *, {_quantity()} AS quantity FROM logs) AS logs{of_order}"  # noqa: S608 constants
    return f"SELECT {columns} FROM {source} WHERE {where}{grouped}{ordered}{limit}", values  # noqa: S608 the same


def _field(name: str, table: str = "logs") -> str:
    return f"json_extract({table}.document, '$.{name}')"


def _quantity() -> str:
    kind = "json_type(document, '$.changeQuantity')"
    value = "CAST(json_extract(document, '$.changeQuantity') AS REAL)"
    return f"CASE WHEN {kind} IN {_NUMBERS} THEN {value} ELSE 0 END"


def _key(dimension: Dimension, calendar: Calendar) -> str:
    if dimension in TIMES:
        return _bucket(dimension, calendar)
    if dimension is Dimension.AUTOMATIC:
        return _automatic()
    if dimension is Dimension.PRODUCTION_ORDER:
        return _field(PRODUCTION_ORDER, "orders")
    key, _, default = FIELDS[dimension]
    return _field(key) if default is None else f"coalesce({_field(key)}, '{default}')"


def _automatic() -> str:
    return f"json_type(logs.document, '$.{AUTOMATIC}') IS NOT 'false'"


def _bucket(dimension: Dimension, calendar: Calendar) -> str:
    (_, first), *later = calendar.offsets
    cases = " ".join(f"WHEN {_UTC} >= {since} THEN {each}" for since, each in reversed(later))
    offset = f"CASE {cases} ELSE {first} END" if cases else str(first)
    local = f"({_UTC} + {offset})"
    if dimension is not Dimension.SHIFT:
        unit = HOUR_MS if dimension is Dimension.HOUR else DAY_MS
        return f"{local} - {local} % {unit}"
    starts = [minutes * MINUTE_MS for minutes in calendar.shifts]
    since_first = f"({local} - {starts[0]})"
    begun = " ".join(
        f"WHEN {since_first} % {DAY_MS} >= {start - starts[0]} THEN {start}"
        for start in reversed(starts)
    )
    return f"{since_first} - {since_first} % {DAY_MS} + CASE {begun} END"


def _name(dimension: Dimension) -> str:
    name = name_key(dimension)
    return "NULL" if name is None else f"max({_field(name)})"


def _sums() -> list[str]:
    columns = []
    for kind in ("input", "output"):
        for counted, such in (("quantity", "quantity > 0"), ("-quantity", "quantity < 0")):
            such = f"change_type = '{kind}' AND {such}"  # noqa: PLW2901
            columns += [
                f"total(CASE WHEN {such} THEN {counted} END)",
                f"count(CASE WHEN {such} THEN 1 END)",
            ]
    made = "CASE WHEN change_type = 'output' AND quantity > 0 THEN operate_time END"
    return [*columns, f"min({made})", f"max({made})"]


def _where(query: QuantityQuery) -> tuple[str, list[Any]]:
    clauses = ["operate_time BETWEEN ? AND ?"]
    # Times in MongoDB have milliseconds: the last one counts as a whole.
    until = query.until + timedelta(milliseconds=1)
    values: list[Any] = [microseconds(query.since), microseconds(until) - 1]
    if query.change_type is None:
        clauses.append("change_type IN ('input', 'output')")
    else:
        clauses.append("change_type = ?")
        values.append(query.change_type)
    for dimension, wanted in query.where.items():
        if dimension is Dimension.AUTOMATIC:
            clauses.append(_automatic() if wanted else f"NOT ({_automatic()})")
            continue
        column = (
            "logs.work_order_id"
            if dimension is Dimension.ORDER
            else _key(dimension, query.calendar)
        )
        clauses.append(f"{column} = ?")
        values.append(wanted)
    return " AND ".join(clauses), values


def _row(query: QuantityQuery, found: Sequence[Any]) -> QuantityRow:
    number = len(query.group)
    keys, names, sums = found[:number], found[number : 2 * number], found[2 * number :]
    return QuantityRow(
        tuple(map(_typed, query.group, keys)),
        tuple(names),
        _of_kind(sums[0:4]),
        _of_kind(sums[4:8]),
        *(None if at is None else time_at(at) for at in sums[8:10]),
    )


def _typed(dimension: Dimension, key: Any) -> Any:  # noqa: ANN401 -- as SQLite gives it
    return bool(key) if dimension is Dimension.AUTOMATIC else key


def _of_kind(sums: Sequence[Any]) -> Sums:
    added, increases, taken, decreases = sums
    return Sums(pieces(added), pieces(taken), increases, decreases)
