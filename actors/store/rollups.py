"""Roll-ups: what the log adds up to in hours, shifts and days that are over, kept beside it.

They answer exactly what a recount of the log does:

* An hour is rolled up once it is `CLOSES_AFTER_MS` past. Entries come late, after a store's
  failure or a pause of the clock: the store marks the hour of such an entry right behind its
  insertion, and a marked hour is summed from the log itself until it has been rolled up anew.
* An hour whose sums are larger than the database keeps is left, with a mark that stays: the log
  answers for it, and no shift or day with such an hour in it is asked for, or summed up.
* What is not rolled up, at both ends of a period and in marked hours, is summed from the log with
  the same query.
* Work of two nodes at once, or of one that slept, does no harm: each mark that is set or taken away
  advances a stamp, a period is written with the stamp from before it was read, never over one with
  a later stamp, and how far they are is only moved on where the stamp is still the same.

Entries that another program writes late are found by their number (`recheck`, for a week) or by a
rebuild.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import structlog

from actors.errors import StoreRejected
from actors.store.quantities import DAY_MS, HOUR_MS, TIMES, Calendar, Dimension, milliseconds
from actors.store.values import EPOCH_START

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import tzinfo

    from actors.store.quantities import QuantityQuery

_log = structlog.get_logger(__name__)

CLOSES_AFTER_MS: Final = HOUR_MS
"""The clocks of nodes may differ by as much: an entry of an hour that is over is late."""
RECHECKED_MS: Final = 7 * DAY_MS
TOTAL: Final = ""
VIEWS: Final[Mapping[str, Dimension | None]] = {
    TOTAL: None,
    **{
        str(each): each
        for each in Dimension
        if each not in TIMES and each is not Dimension.PRODUCTION_ORDER
    },
}
"""By what each period is rolled up: by nothing, and by each dimension alone."""
HOURS: Final = "hour"
LEFT: Final = "left"
"""The mark of an hour that is not rolled up, unless it is marked again."""
_COARSE: Final = (Dimension.SHIFT, Dimension.DAY)
_MOST_SPANS: Final = 100
_A_MS: Final = timedelta(milliseconds=1)


class Period(NamedTuple):
    """An hour, or a shift or day of a calendar; in milliseconds since 1970, without its end."""

    level: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class RollupState:
    """How far the roll-ups are, in milliseconds since 1970.

    All hours before `through` are rolled up, but for those in `marks` (each with something that
    another mark of it has not); all shifts and days of `calendar` that end by `summed` are, but for
    those with such an hour in them. What has a lower stamp than `generation` counts for nothing.
    """

    stamp: int = 0
    generation: int = 0
    through: int = 0
    summed: int = 0
    calendar: str = ""
    marks: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cover:
    """How a period is answered: by roll-ups of `view`, and by the log for the rest.

    `spans` are neighbouring periods of one level each; `live` are aware times, inclusive.
    """

    view: str
    spans: tuple[Period, ...]
    live: tuple[tuple[datetime, datetime], ...]


def view_of(query: QuantityQuery) -> str | None:
    """Return the view that has all that a query asks for; None where only the log has."""
    asked = {
        Dimension.ORDER if each is Dimension.PRODUCTION_ORDER else each
        for each in (*query.group, *query.where)
        if each not in TIMES
    }
    timed = TIMES.intersection(query.group)
    if len(asked) > 1 or (timed and not query.calendar.whole_hours):
        return None
    return str(asked.pop()) if asked else TOTAL


def cover(query: QuantityQuery, state: RollupState) -> Cover | None:
    """Cut a query's period; None where roll-ups do not help."""
    view = view_of(query)
    first = -(-_ceil_ms(query.since) // HOUR_MS) * HOUR_MS
    last = min((milliseconds(query.until) + 1) // HOUR_MS * HOUR_MS, state.through)
    marked = sum(first <= each < last for each in state.marks)
    if view is None or last <= first or marked > _MOST_SPANS:
        return None
    spans: list[Period] = []
    live: list[tuple[datetime, datetime]] = []
    since = query.since
    for start, end in _unmarked(first, last, state.marks):
        if since < _at(start):
            live.append((since, _at(start) - _A_MS))
        spans += _spans(query, state, start, end)
        since = _at(end)
    if since <= query.until:
        live.append((since, query.until))
    return Cover(view, tuple(spans), tuple(live)) if spans else None


def _unmarked(first: int, last: int, marks: Mapping[int, str]) -> Iterator[tuple[int, int]]:
    start = first
    for hour in sorted(each for each in marks if first <= each < last):
        if start < hour:
            yield start, hour
        start = hour + HOUR_MS
    if start < last:
        yield start, last


def _spans(query: QuantityQuery, state: RollupState, start: int, end: int) -> list[Period]:
    """Take shifts or days where they give the same rows, hours before and behind them."""
    calendar, timed = query.calendar, TIMES.intersection(query.group)
    if calendar.name == state.calendar and calendar.whole_hours and Dimension.HOUR not in timed:
        dimension = Dimension.SHIFT if timed == {Dimension.SHIFT} else Dimension.DAY
        if timed <= {dimension}:
            begin = period_of(calendar, dimension, start)
            first = start if begin.start == start else begin.end
            stop = period_of(calendar, dimension, min(end, state.summed))
            if first < stop.start:
                return [
                    each
                    for each in (
                        Period(HOURS, start, first),
                        Period(stop.level, first, stop.start),
                        Period(HOURS, stop.start, end),
                    )
                    if each.start < each.end
                ]
    return [Period(HOURS, start, end)]


def period_of(calendar: Calendar, dimension: Dimension, at: int) -> Period:
    """Return the shift or day that an hour is in, by a calendar of whole hours."""
    bucket = calendar.local(dimension, at)
    start, end = at, at + HOUR_MS
    while calendar.local(dimension, start - HOUR_MS) == bucket:
        start -= HOUR_MS
    while calendar.local(dimension, end) == bucket:
        end += HOUR_MS
    return Period(f"{dimension}|{calendar.name}", start, end)


def hour_of(at: datetime) -> int:
    """Return when the hour began that an aware time is in."""
    at_ms = milliseconds(at)
    return at_ms - at_ms % HOUR_MS


def late_hours(times: Iterable[int], now: datetime) -> set[int]:
    """Return those hours of entries, by milliseconds since 1970, that are over.

    They may have been rolled up.
    """
    open_since = hour_of(now)
    return {at - at % HOUR_MS for at in times if at < open_since}


def different(now: Mapping[int, int], before: Mapping[int, int]) -> set[int]:
    """Return the hours that two counts of entries disagree about."""
    return {each for each in now.keys() | before.keys() if now.get(each, 0) != before.get(each, 0)}


class Shelf(Protocol):
    """Where a store keeps roll-ups. All raise `StoreUnavailable`; writes `OutcomeUnknown` too."""

    async def state(self) -> RollupState:
        """Return how far they are."""
        ...

    async def next_entry(self, since: int, until: int) -> datetime | None:
        """Return when the first entry is of, from `since` on and before `until`, if there is."""
        ...

    async def next_hour(self, since: int) -> int | None:
        """Return the first hour from `since` on that was rolled up and has entries."""
        ...

    async def roll(self, hour: Period, state: RollupState) -> None:
        """Sum up an hour from the log, by all views, with the stamp of `state`.

        Raises `StoreRejected` where that is larger than the database keeps, or can sum up.
        """
        ...

    async def sum_up(self, period: Period, state: RollupState) -> None:
        """Sum up a shift or day from its hours, likewise."""
        ...

    async def unmark(self, hour: int, state: RollupState) -> None:
        """Take away the mark that `state` has of an hour, unless the hour was marked again.

        Advances the stamp: a shift or day that was summed up before is not written any more.
        """
        ...

    async def advance(self, before: RollupState, after: RollupState) -> None:
        """Remember how far they are, unless anything is new."""
        ...

    async def recount(self, since: int, until: int) -> set[int]:
        """Return the hours that have not as many entries as when they were rolled up."""
        ...

    async def mark(self, hours: set[int], mark: str | None = None) -> None:
        """Let hours be rolled up anew; not so with `LEFT` as their `mark`, else a new one each."""
        ...

    async def restart(self) -> None:
        """Let all be rolled up anew."""
        ...


async def roll_up(
    shelf: Shelf, zone: tzinfo | None, shifts: tuple[int, ...], now: datetime
) -> bool:
    """Do the next small piece of work; tell whether there may be more."""
    state = await shelf.state()
    calendar = _calendar(state.summed, zone, shifts).name
    if calendar != state.calendar:  # first of all: those of another one are not kept any more
        await shelf.advance(state, replace(state, summed=0, calendar=calendar))
        return True
    marked = [hour for hour, mark in state.marks.items() if hour < state.through and mark != LEFT]
    if marked:
        await _again(shelf, state, min(marked), zone, shifts)
        return True
    over = hour_of(now) - CLOSES_AFTER_MS
    if state.through < over:
        await _next_hour(shelf, state, over)
        return True
    return await _next_sum(shelf, state, zone, shifts)


async def recheck(shelf: Shelf) -> int:
    """Mark the hours of the last week with more or fewer entries than before; give how many."""
    state = await shelf.state()
    since = max(0, state.through - RECHECKED_MS)
    changed = await shelf.recount(since, state.through) - set(state.marks)
    if changed:
        await shelf.mark(changed)
    return len(changed)


async def _again(
    shelf: Shelf, state: RollupState, hour: int, zone: tzinfo | None, shifts: tuple[int, ...]
) -> None:
    calendar = _calendar(hour, zone, shifts)
    periods = [each for each in _coarse(calendar, hour) if each.end <= state.summed]
    if await _is_kept(shelf, [Period(HOURS, hour, hour + HOUR_MS), *periods], state):
        await shelf.unmark(hour, state)


async def _is_kept(shelf: Shelf, periods: Iterable[Period], state: RollupState) -> bool:
    """Roll up an hour, or sum up what is longer; False where the first hour of one is left now."""
    for period in periods:
        if any(
            mark == LEFT and period.start <= at < period.end for at, mark in state.marks.items()
        ):
            continue
        try:
            await (shelf.roll if period.level == HOURS else shelf.sum_up)(period, state)
        except StoreRejected as error:
            _log.warning("rollup_left", period=period.level, at=_at(period.start), error=str(error))
            await shelf.mark({period.start}, LEFT)
            return False
    return True


async def _next_hour(shelf: Shelf, state: RollupState, over: int) -> None:
    entry = await shelf.next_entry(state.through, over)
    hour = over if entry is None else hour_of(entry)
    through = hour
    if hour < over:
        if not await _is_kept(shelf, [Period(HOURS, hour, hour + HOUR_MS)], state):
            return
        through += HOUR_MS
    await shelf.advance(state, replace(state, through=through))


async def _next_sum(
    shelf: Shelf, state: RollupState, zone: tzinfo | None, shifts: tuple[int, ...]
) -> bool:
    at = state.summed
    if at >= state.through:
        return False
    coarse = _coarse(_calendar(at, zone, shifts), at)
    # Where there are none: the next hour may be of one again.
    end = min([state.through, *(each.end for each in coarse)]) if coarse else at + HOUR_MS
    hour = await shelf.next_hour(at)
    if hour is None or hour > end:
        end = state.through if hour is None else min(hour, state.through)
    if await _is_kept(shelf, [each for each in coarse if each.end <= end], state):
        await shelf.advance(state, replace(state, summed=end))
    return True


def _coarse(calendar: Calendar, hour: int) -> list[Period]:
    """Return the shift and the day that an hour is in; none where they are not of whole hours."""
    return [period_of(calendar, each, hour) for each in _COARSE] if calendar.whole_hours else []


def _calendar(at: int, zone: tzinfo | None, shifts: tuple[int, ...]) -> Calendar:
    """Find a calendar that knows no more than that of a query which has the day of `at` in it."""
    return Calendar.of(zone, _at(at), _at(at), shifts)


def _ceil_ms(at: datetime) -> int:
    return -((EPOCH_START - at) // _A_MS)


def _at(since_start: int) -> datetime:
    return datetime.fromtimestamp(since_start / 1000, UTC)
