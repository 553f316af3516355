"""Sums over the log: what is asked for, the rows that answer it, and the hours that they are in."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from actors.domain.rules import normalize
from actors.store.values import EPOCH_START

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import tzinfo

    from actors.domain.model import Number

_MS: Final = timedelta(milliseconds=1)
_STEP: Final = timedelta(days=7)
"""No clock is changed and changed back in less."""
_MARGIN: Final = timedelta(days=2)
"""Beyond the times asked for: of the shifts and days that these are in."""
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
MINUTE_MS: Final = 60_000


class Dimension(StrEnum):
    """What entries are grouped by."""

    ORDER = "order"
    PRODUCTION_ORDER = "productionOrder"
    LINE = "line"
    MATERIAL = "material"
    OPERATOR = "operator"
    PROCESS = "process"
    BARCODE_OPERATION = "barcodeOperation"
    AUTOMATIC = "automatic"
    HOUR = "hour"
    SHIFT = "shift"
    DAY = "day"


TIMES: Final = frozenset({Dimension.HOUR, Dimension.SHIFT, Dimension.DAY})


class Field(NamedTuple):
    """Where an entry has a dimension: its key, the name that people know it by, the default."""

    key: str
    name: str | None = None
    default: str | None = None


FIELDS: Final[Mapping[Dimension, Field]] = {
    Dimension.ORDER: Field("workOrderId", "workOrderNo"),
    Dimension.LINE: Field("productionLineId", "productionLineName"),
    Dimension.MATERIAL: Field("materialId", "materialName"),
    Dimension.OPERATOR: Field("operatorId", "operatorName", "SYSTEM"),
    Dimension.PROCESS: Field("processStepId", "processName"),
    Dimension.BARCODE_OPERATION: Field("barcodeOperation", None, "OTHER"),
}
"""Of those that are texts or ids in the log."""
_DIGITS: Final = 6
"""Behind the point: what is beyond comes of adding binary fractions."""
PRODUCTION_ORDER: Final = "productionOrderNo"
"""Where an order has its production order; the log has it not."""
AUTOMATIC: Final = "isAutomatic"


@dataclass(frozen=True, slots=True)
class Calendar:
    """Local time, as arithmetic that every database knows.

    `offsets` are (from when on, what to add to UTC), in milliseconds, ascending, the first for all
    before it too; `shifts` are minutes of the day at which one begins, ascending. Calendars with
    one `name` agree where both are known; "" agrees with none.
    """

    offsets: tuple[tuple[int, int], ...] = ((0, 0),)
    shifts: tuple[int, ...] = (8 * 60, 20 * 60)
    name: str = ""

    @classmethod
    def of(
        cls, zone: tzinfo | None, since: datetime, until: datetime, shifts: Sequence[int]
    ) -> Calendar:
        """Find the offsets of a zone (None: the machine's own) around two aware times."""
        since, until = since - _MARGIN, until + _MARGIN
        offsets = [(milliseconds(since), _offset_ms(zone, since))]
        at = since
        while at < until:
            after = min(at + _STEP, until)
            if _offset_ms(zone, after) != offsets[-1][1]:
                changed = _changed(zone, at, after)
                offsets.append((milliseconds(changed), _offset_ms(zone, changed)))
            at = after
        place = (time.tzname, time.timezone, time.altzone) if zone is None else zone
        starts = tuple(sorted(shifts))
        return cls(tuple(offsets), starts, f"{place} {','.join(map(str, starts))}")

    @property
    def whole_hours(self) -> bool:
        """Whether no shift and no day begins within an hour of UTC."""
        (_, first), *later = self.offsets
        times = [first, *(each for change in later for each in change)]
        return not any(each % HOUR_MS for each in times) and not any(
            each * MINUTE_MS % HOUR_MS for each in self.shifts
        )

    def bucket(self, dimension: Dimension, at: datetime) -> int:
        """Return when the hour, shift or day that `at` is in began, in local milliseconds."""
        return self.local(dimension, milliseconds(at))

    def local(self, dimension: Dimension, utc: int) -> int:
        """Return the same for a time in milliseconds since 1970."""
        reached = [offset for since, offset in self.offsets[1:] if since <= utc]
        local = utc + (reached[-1] if reached else self.offsets[0][1])
        if dimension is Dimension.HOUR:
            return local - local % HOUR_MS
        if dimension is Dimension.DAY:
            return local - local % DAY_MS
        first = self.shifts[0] * MINUTE_MS
        day = local - first - (local - first) % DAY_MS
        begun = [start * MINUTE_MS for start in self.shifts if day + start * MINUTE_MS <= local]
        return day + begun[-1]


def name_key(dimension: Dimension) -> str | None:
    """Return the key of the name that people know a dimension by; None where it has none."""
    return FIELDS[dimension].name if dimension in FIELDS else None


def pieces(summed: float) -> Number:
    """Return a sum of pieces as it is told: without what adding binary fractions left."""
    return int(summed) if isinstance(summed, int) else normalize(round(summed, _DIGITS))


def milliseconds(at: datetime) -> int:
    """Return an aware time as milliseconds since 1970."""
    return (at - EPOCH_START) // _MS


def local_text(dimension: Dimension, bucket: int) -> str:
    """Write the beginning of an hour, shift or day as people do: ISO 8601, without a zone."""
    text = (EPOCH_START + bucket * _MS).replace(tzinfo=None).isoformat(timespec="minutes")
    return text.partition("T")[0] if dimension is Dimension.DAY else text


def _offset_ms(zone: tzinfo | None, at: datetime) -> int:
    return (at.astimezone(zone).utcoffset() or timedelta()) // _MS


def _changed(zone: tzinfo | None, before: datetime, after: datetime) -> datetime:
    """Return the second from which on the offset is another one than at `before`."""
    old = _offset_ms(zone, before)
    low, high = int(before.timestamp()), int(after.timestamp()) + 1
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_ms(zone, datetime.fromtimestamp(middle, UTC)) == old:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


@dataclass(frozen=True, slots=True)
class QuantityQuery:
    """Which entries, and how they are grouped; `since` and `until` are aware and inclusive.

    `where` has the key that a dimension must have (no hour, shift or day). At most `limit` rows.
    """

    since: datetime
    until: datetime
    group: tuple[Dimension, ...] = ()
    where: Mapping[Dimension, str | bool] = field(default_factory=dict)
    change_type: str | None = None
    calendar: Calendar = Calendar()
    limit: int | None = None


class Sums(NamedTuple):
    """One of the quantities: pieces added and taken back, and by how many entries each."""

    added: Number = 0
    taken: Number = 0
    increases: int = 0
    decreases: int = 0


class QuantityRow(NamedTuple):
    """Sums of the entries that have the same keys, in the order of the query's `group`.

    A key is text, a flag, or for a time what `Calendar.bucket` gives; None where entries say
    nothing. `names` are the greatest of those that the entries have. `first` and `last` are when
    output was added.
    """

    keys: tuple[str | bool | int | None, ...]
    names: tuple[str | None, ...]
    input: Sums
    output: Sums
    first: datetime | None
    last: datetime | None


class Statistics(Protocol):
    """Sums over what the log holds; an entry is there some milliseconds behind its answer."""

    def quantities(self, query: QuantityQuery) -> AsyncIterator[Sequence[QuantityRow]]:
        """Give the rows by ascending keys (None first), so many at a time.

        Without a group there is one row, of all. Raises `StoreUnavailable`.
        """
        ...

    async def roll_up(self, zone: tzinfo | None, shifts: tuple[int, ...], now: datetime) -> bool:
        """Do the next small piece of work for roll-ups; tell whether there may be more.

        Any node may, also several at once. Raises `StoreUnavailable` and `OutcomeUnknown`.
        """
        ...

    async def recheck(self) -> int:
        """Let hours of the last week whose entries are more or fewer now be rolled up anew.

        Gives how many. Raises the same.
        """
        ...

    async def rebuild(self) -> None:
        """Let all be rolled up anew; until then the log answers. Raises the same."""
        ...
