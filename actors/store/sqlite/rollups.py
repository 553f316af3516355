"""Roll-ups in SQLite: a row for each period, view and key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actors.store.quantities import AUTOMATIC, FIELDS, HOUR_MS, Dimension, name_key
from actors.store.rollups import HOURS, TOTAL, VIEWS, RollupState, different
from actors.store.sqlite.file import STORED_LOGS
from actors.store.sqlite.rows import advance_stamp, mark_hours, time_at

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from datetime import datetime

    from actors.store.rollups import Period
    from actors.store.sqlite.file import SqliteFile
    from actors.store.sqlite.threads import SqliteThreads

KINDS: Final = ("input", "output")
COUNTS: Final = tuple(
    f"{kind}_{each}" for kind in KINDS for each in ("added", "increases", "taken", "decreases")
)
"""In the order of `sums_of_log`; the first and last output follow."""
_US: Final = 1_000
"""Microseconds of a millisecond."""
_HOUR_US: Final = HOUR_MS * _US
_NAMES: Final = tuple(f"{kind}_name" for kind in KINDS)
_ENTRIES: Final = tuple(f"{kind}_entries" for kind in KINDS)
_COLUMNS: Final = ("view", "level", "at", "key", *_NAMES, *_ENTRIES, *COUNTS, "first", "last")
_NUMBERS: Final = "('integer', 'real', 'text')"


def field(name: str, table: str = "logs") -> str:
    """Return the expression of a document's field."""
    return f"json_extract({table}.document, '$.{name}')"


def automatic() -> str:
    """Return whether an entry was made without anybody."""
    return f"json_type(logs.document, '$.{AUTOMATIC}') IS NOT 'false'"


def log_key(dimension: Dimension) -> str:
    """Return what an entry is grouped by."""
    if dimension is Dimension.AUTOMATIC:
        return automatic()
    key, _, default = FIELDS[dimension]
    return field(key) if default is None else f"coalesce({field(key)}, '{default}')"


def quantity() -> str:
    """Return an entry's quantity; 0 for what is no number."""
    kind = "json_type(document, '$.changeQuantity')"
    value = "CAST(json_extract(document, '$.changeQuantity') AS REAL)"
    return f"CASE WHEN {kind} IN {_NUMBERS} THEN {value} ELSE 0 END"


def sums_of_log() -> list[str]:
    """Return the sums of entries, of which `quantity` is a column."""
    columns = []
    for kind in KINDS:
        for counted, such in (("quantity", "quantity > 0"), ("-quantity", "quantity < 0")):
            such = f"change_type = '{kind}' AND {such}"  # noqa: PLW2901
            columns += [
                f"total(CASE WHEN {such} THEN {counted} END)",
                f"count(CASE WHEN {such} THEN 1 END)",
            ]
    made = "CASE WHEN change_type = 'output' AND quantity > 0 THEN operate_time END"
    return [*columns, f"min({made})", f"max({made})"]


def periods(view: str, spans: Iterable[Period]) -> tuple[str, list[Any]]:
    """Return the condition of the rows of neighbouring periods, and its values."""
    clauses, values = [], []
    for level, start, end in spans:
        clauses.append("(view = ? AND level = ? AND at >= ? AND at < ?)")
        values += [view, level, start, end]
    return f"({' OR '.join(clauses)})", values


def read_state(db: sqlite3.Connection) -> RollupState:
    """Read how far the roll-ups are."""
    rows = db.execute(
        "SELECT name, value, note FROM state WHERE name LIKE 'rollup\\_%' ESCAPE '\\'"
    )
    state = {name: (value, note) for name, value, note in rows}
    (stamp, _), (through, _), (summed, calendar) = (
        state.get(f"rollup_{name}", (0, None)) for name in ("stamp", "through", "summed")
    )
    marks = dict(db.execute("SELECT hour, mark FROM rollup_marks").fetchall())
    return RollupState(stamp, 0, through, summed, calendar or "", marks)


class SqliteShelf:
    """Implements `actors.store.rollups.Shelf`.

    Sums are taken in a reader's thread, and written where no mark came meanwhile: so it needs no
    stamp beside each row.
    """

    def __init__(self, file: SqliteFile, threads: SqliteThreads) -> None:
        self._file = file
        self._threads = threads

    async def state(self) -> RollupState:
        """Read a few rows."""
        return await self._threads.read(read_state)

    async def next_entry(self, since: int, until: int) -> datetime | None:
        """Ask the index of times."""

        def work(db: sqlite3.Connection) -> datetime | None:
            query = (
                "SELECT operate_time FROM all_logs WHERE operate_time >= ? AND operate_time < ?"
                " ORDER BY operate_time LIMIT 1"
            )
            first = db.execute(query, (since * _US, until * _US)).fetchone()
            return None if first is None else time_at(first[0])

        return await self._threads.read(work)

    async def next_hour(self, since: int) -> int | None:
        """Ask the index of periods."""

        def work(db: sqlite3.Connection) -> int | None:
            query = "SELECT min(at) FROM rollup_hours WHERE at >= ?"
            found: int | None = db.execute(query, (since,)).fetchone()[0]
            return found

        return await self._threads.read(work)

    async def roll(self, hour: Period, state: RollupState) -> None:
        """Group the entries of an hour by each view."""

        def work(db: sqlite3.Connection) -> tuple[int, list[tuple[Any, ...]]]:
            times = (hour.start * _US, hour.end * _US)
            source = (
                f"(SELECT *, {quantity()} AS quantity FROM {STORED_LOGS} AS logs"  # noqa: S608 constants
                " WHERE operate_time >= ? AND operate_time < ?) AS logs"
            )
            rows = [
                (view, hour.level, hour.start, *row)
                for view in VIEWS
                for row in db.execute(_by_view(view, source), times)
            ]
            count = "SELECT count(*) FROM all_logs WHERE operate_time >= ? AND operate_time < ?"
            return db.execute(count, times).fetchone()[0], rows

        entries, rows = await self._threads.read(work)
        await self._write(hour, state, rows, entries=entries)

    async def sum_up(self, period: Period, state: RollupState) -> None:
        """Group the rows of a period's hours once more."""

        def work(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
            columns = [*(f"max({each})" for each in _NAMES)]
            columns += [f"sum({each})" for each in (*_ENTRIES, *COUNTS)]
            select = ", ".join(["key", *columns, "min(first)", "max(last)"])
            rows = []
            for view in VIEWS:
                where, values = periods(view, [period._replace(level=HOURS)])
                grouped = f"SELECT {select} FROM rollups WHERE {where} GROUP BY key"  # noqa: S608 constants
                found = db.execute(grouped, values)
                rows += [(view, period.level, period.start, *row) for row in found]
            return rows

        await self._write(period, state, await self._threads.read(work))

    async def _write(
        self,
        period: Period,
        state: RollupState,
        rows: list[tuple[Any, ...]],
        *,
        entries: int | None = None,
    ) -> None:
        places = ", ".join("?" * len(_COLUMNS))

        def work() -> None:
            with self._file.writing() as db:
                if read_state(db).stamp != state.stamp:
                    return
                where = "view = ? AND level = ? AND at = ?"
                for view in VIEWS:
                    place = (view, period.level, period.start)
                    db.execute(f"DELETE FROM rollups WHERE {where}", place)  # noqa: S608 constants
                db.executemany(
                    f"INSERT INTO rollups ({', '.join(_COLUMNS)}) VALUES ({places})",  # noqa: S608 constants
                    rows,
                )
                if entries is not None:
                    db.execute(
                        "INSERT OR REPLACE INTO rollup_hours (at, entries) VALUES (?, ?)",
                        (period.start, entries),
                    )

        await self._threads.run(work)

    async def unmark(self, hour: int, state: RollupState) -> None:
        """Take the mark away, where what was rolled up was written."""

        def work() -> None:
            with self._file.writing() as db:
                if read_state(db).stamp == state.stamp:
                    db.execute("DELETE FROM rollup_marks WHERE hour = ?", (hour,))
                    advance_stamp(db)

        await self._threads.run(work)

    async def advance(self, before: RollupState, after: RollupState) -> None:
        """Compare and set."""

        def work() -> None:
            with self._file.writing() as db:
                now = read_state(db)
                if (now.stamp, now.through, now.summed, now.calendar) == (
                    before.stamp,
                    before.through,
                    before.summed,
                    before.calendar,
                ):
                    _set(db, after)

        await self._threads.run(work)

    async def recount(self, since: int, until: int) -> set[int]:
        """Count by the index of times alone, and compare."""

        def work(db: sqlite3.Connection) -> set[int]:
            counted = db.execute(
                f"SELECT (operate_time / {_HOUR_US}) * {HOUR_MS} AS hour, count(*) FROM"  # noqa: S608 constants
                " (SELECT operate_time FROM logs UNION ALL SELECT operate_time FROM logs_archive)"
                " WHERE operate_time >= ? AND operate_time < ? GROUP BY hour",
                (since * _US, until * _US),
            )
            known = db.execute(
                "SELECT at, entries FROM rollup_hours WHERE at >= ? AND at < ?", (since, until)
            )
            return different(dict(counted.fetchall()), dict(known.fetchall()))

        return await self._threads.read(work)

    async def mark(self, hours: set[int], mark: str | None = None) -> None:
        """Mark hours, and advance the stamp."""

        def work() -> None:
            with self._file.writing() as db:
                mark_hours(db, hours, mark)

        await self._threads.run(work)

    async def restart(self) -> None:
        """Forget all that was rolled up."""

        def work() -> None:
            with self._file.writing() as db:
                for table in ("rollups", "rollup_hours", "rollup_marks"):
                    db.execute(f"DELETE FROM {table}")  # noqa: S608 constants
                _set(db, RollupState(stamp=read_state(db).stamp + 1))

        await self._threads.run(work)


def _set(db: sqlite3.Connection, state: RollupState) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO state (name, value, note) VALUES (?, ?, ?)",
        [
            ("rollup_stamp", state.stamp, None),
            ("rollup_through", state.through, None),
            ("rollup_summed", state.summed, state.calendar),
        ],
    )


def _by_view(view: str, source: str) -> str:
    dimension = VIEWS[view]
    name = None if dimension is None else name_key(dimension)
    of_kind = [f"CASE WHEN change_type = '{kind}' THEN {{}} END" for kind in KINDS]
    columns = ["NULL" if dimension is None else log_key(dimension)]
    columns += ["NULL" if name is None else f"max({each.format(field(name))})" for each in of_kind]
    columns += [f"count({each.format(1)})" for each in of_kind]
    grouped = "" if view == TOTAL else " GROUP BY 1"
    return f"SELECT {', '.join([*columns, *sums_of_log()])} FROM {source}{grouped}"  # noqa: S608 constants
