"""Sums over the log in SQLite, by SQL: the same rows as MongoDB's."""

from __future__ import annotations

import asyncio
import threading
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from actors.store.quantities import (
    DAY_MS,
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
from actors.store.rollups import cover, recheck, roll_up, view_of
from actors.store.sqlite.file import STORED_LOGS
from actors.store.sqlite.rollups import (
    COUNTS,
    KINDS,
    SqliteShelf,
    automatic,
    field,
    log_key,
    periods,
    quantity,
    read_state,
    sums_of_log,
)
from actors.store.sqlite.rows import microseconds, time_at

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime, tzinfo

    from actors.store.quantities import QuantityQuery
    from actors.store.rollups import Cover
    from actors.store.sqlite.file import SqliteFile
    from actors.store.sqlite.threads import SqliteThreads

_AT_ONCE: Final = 500
_AHEAD: Final = 2
"""Parts that are read before somebody took the one before."""
_MS: Final = 1_000
"""Microseconds, as the column counts."""
_UTC: Final = f"(operate_time / {_MS})"


class SqliteStatistics:
    """Implements `actors.store.quantities.Statistics`."""

    def __init__(self, file: SqliteFile, threads: SqliteThreads) -> None:
        self._threads = threads
        self._shelf = SqliteShelf(file, threads)
        self._one = asyncio.Lock()

    async def quantities(self, query: QuantityQuery) -> AsyncIterator[Sequence[QuantityRow]]:
        """Read in a reader's thread, no more than two parts ahead of who takes them."""
        parts: asyncio.Queue[list[Any] | None] = asyncio.Queue()
        room = threading.Semaphore(_AHEAD)
        loop = asyncio.get_running_loop()
        gone = False

        def work(db: sqlite3.Connection) -> None:
            state = read_state(db) if view_of(query) is not None else None
            covered = None if state is None else cover(query, state)
            found = db.execute(*_select(query, covered))
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

    async def roll_up(self, zone: tzinfo | None, shifts: tuple[int, ...], now: datetime) -> bool:
        """Roll up a period."""
        return await roll_up(self._shelf, zone, shifts, now)

    async def recheck(self) -> int:
        """Mark hours whose entries are more or fewer than they were."""
        return await recheck(self._shelf)

    async def rebuild(self) -> None:
        """Let all be rolled up anew."""
        await self._shelf.restart()


def _select(query: QuantityQuery, covered: Cover | None) -> tuple[str, list[Any]]:
    number = len(query.group)
    grouped = ", ".join(str(n + 1) for n in range(number))
    ends = f" ORDER BY {grouped}" if grouped else ""
    ends += "" if query.limit is None else f" LIMIT {query.limit:d}"
    grouped = f" GROUP BY {grouped}" if grouped else ""
    if covered is None:
        select, values = _from_log(query)
        return f"{select}{grouped}{ends}", values
    rolled, values = _from_rollups(query, covered)
    parts = [f"{rolled}{grouped}"]
    for since, until in covered.live:
        select, more = _from_log(replace(query, since=since, until=until))
        parts.append(f"{select}{grouped}")
        values += more
    columns = [f"c{n}" for n in range(2 * number + len(COUNTS) + 2)]
    keys, names, sums = columns[:number], columns[number : 2 * number], columns[2 * number :]
    added = [*keys, *(f"max({each})" for each in names), *_added_up(sums)]
    union = " UNION ALL ".join(parts)
    together = f"WITH parts ({', '.join(columns)}) AS ({union})"
    return f"{together} SELECT {', '.join(added)} FROM parts{grouped}{ends}", values  # noqa: S608 constants


def _added_up(columns: Sequence[str]) -> list[str]:
    """Add up columns that are as those of `_sums`."""
    counts = [
        f"total({each})" if n % 2 == 0 else f"coalesce(sum({each}), 0)"
        for n, each in enumerate(columns[:8])
    ]
    return [*counts, f"min({columns[8]})", f"max({columns[9]})"]


def _from_rollups(query: QuantityQuery, covered: Cover) -> tuple[str, list[Any]]:
    kinds = KINDS if query.change_type is None else (query.change_type,)
    keys = [
        _bucket(each, query.calendar, "at") if each in TIMES else _rolled_key(each)
        for each in query.group
    ]
    name = f"max({kinds[0]}_name)" if len(kinds) == 1 else f"max({_greater(kinds)})"
    names = ["NULL" if name_key(each) is None else name for each in query.group]
    columns = [each if each.partition("_")[0] in kinds else "0" for each in COUNTS]
    made = ("first", "last") if "output" in kinds else ("NULL", "NULL")
    where, values = periods(covered.view, covered.spans)
    clauses = [where, "(" + " OR ".join(f"{kind}_entries > 0" for kind in kinds) + ")"]
    for dimension, wanted in query.where.items():
        clauses.append(f"{_rolled_key(dimension)} = ?")
        values.append(wanted)
    select = ", ".join([*keys, *names, *_added_up([*columns, *made])])
    of_order = _JOIN.format("key") if _of_order(query) else ""
    return f"SELECT {select} FROM rollups{of_order} WHERE {' AND '.join(clauses)}", values  # noqa: S608 constants


def _greater(kinds: Sequence[str]) -> str:
    """Return the greater of the names of both kinds; SQLite's own `max` of two knows no NULL."""
    one, other = (f"{kind}_name" for kind in kinds)
    return f"max(coalesce({one}, {other}), coalesce({other}, {one}))"


def _rolled_key(dimension: Dimension) -> str:
    if dimension is Dimension.PRODUCTION_ORDER:
        return field(PRODUCTION_ORDER, "orders")
    return "rollups.key"


_JOIN: Final = " LEFT JOIN orders ON orders.id = {}"


def _of_order(query: QuantityQuery) -> bool:
    return Dimension.PRODUCTION_ORDER in (*query.group, *query.where)


def _from_log(query: QuantityQuery) -> tuple[str, list[Any]]:
    keys = [_key(each, query.calendar) for each in query.group]
    names = [_name(each) for each in query.group]
    where, values = _where(query)
    columns = ", ".join([*keys, *names, *sums_of_log()])
    of_order = _JOIN.format("logs.work_order_id") if _of_order(query) else ""
    source = f"(SELECT *, {quantity()} AS quantity FROM {STORED_LOGS} AS logs) AS logs{of_order}"  # noqa: S608 constants
    return f"SELECT {columns} FROM {source} WHERE {where}", values  # noqa: S608 the same


def _key(dimension: Dimension, calendar: Calendar) -> str:
    if dimension in TIMES:
        return _bucket(dimension, calendar)
    if dimension is Dimension.PRODUCTION_ORDER:
        return field(PRODUCTION_ORDER, "orders")
    return log_key(dimension)


def _bucket(dimension: Dimension, calendar: Calendar, utc: str = _UTC) -> str:
    (_, first), *later = calendar.offsets
    cases = " ".join(f"WHEN {utc} >= {since} THEN {each}" for since, each in reversed(later))
    offset = f"CASE {cases} ELSE {first} END" if cases else str(first)
    local = f"({utc} + {offset})"
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
    return "NULL" if name is None else f"max({field(name)})"


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
            clauses.append(automatic() if wanted else f"NOT ({automatic()})")
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
