"""The past of the service, kept in the store: a day by minutes, a month by hours, and its marks.

The owner keeps it, whichever node that is; the next one goes on where it ended.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from actors.operators.history import Moment, between
from actors.store.records import Record
from actors.telemetry.histogram import percentile
from actors.telemetry.samples import Gauges

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.store.records import Records
    from actors.telemetry.samples import Sample, Samples

MINUTE: Final = "minute"
HOUR: Final = "hour"
MARK: Final = "mark"
MINUTE_S: Final = 60
HOUR_S: Final = 3600
_KEPT: Final = {MINUTE: timedelta(hours=25), HOUR: timedelta(days=31), MARK: timedelta(days=31)}
MAX_ROWS: Final = 1_600
"""More than a day has minutes, and a month hours."""
_MAX_MARKS: Final = 500


class Mark(NamedTuple):
    """Something that explains a graph: a change of owner, a pause, another version."""

    at: datetime
    what: str
    """owner, deployed, paused or resumed."""
    text: str
    """The node, the version, or the order; "" for all orders."""


def mark_record(what: str, text: str) -> Record:
    """Return the record of a mark that is made now."""
    now = datetime.now(UTC)
    return Record(MARK, f"{now.isoformat()} {what} {text}", now, {"what": what, "text": text})


async def read_marks(records: Records, since: datetime) -> list[Mark]:
    """Return the marks since then, the oldest first."""
    found = await records.read(MARK, limit=_MAX_MARKS, since=since)
    return [
        Mark(each.at, str(each.fields.get("what")), str(each.fields.get("text")))
        for each in reversed(found)
    ]


async def read_past(records: Records, kind: str, since: datetime) -> list[Moment]:
    """Return what is kept of minutes or hours since then, the oldest first."""
    found = await records.read(kind, limit=MAX_ROWS, since=since)
    return [_moment_of(each) for each in reversed(found)]


class PastKeeper:
    """Keeps the minute that is over, and with it the hour that it is part of."""

    def __init__(self, samples: Samples, records: Records) -> None:
        self._samples, self._records = samples, records
        self._kept_until: float | None = None
        """Seconds since 1970."""

    async def keep(self) -> None:
        """Keep what was done since the last time, or within the last minute."""
        found = self._samples.of_last(MINUTE_S, self._kept_until)
        if found is None:
            return
        before, now = found
        minute = _minute(before, now)
        at = datetime.fromtimestamp(minute.at, UTC)
        await self._records.put([_record(MINUTE, at, minute)])
        self._kept_until = minute.at
        hour = at.replace(minute=0, second=0, microsecond=0)
        of_hour = await read_past(self._records, MINUTE, hour)
        if of_hour:
            await self._records.put([_record(HOUR, hour, _summed(hour.timestamp(), of_hour))])
        for kind, kept in _KEPT.items():
            await self._records.trim(kind, at - kept)


def _minute(before: Sample, now: Sample) -> Moment:
    zeros = (0,) * len(now.times["total"])
    earlier = before.times.get("total", zeros)
    answered = [new - old for new, old in zip(now.times["total"], earlier, strict=True)]
    p50, p99 = (percentile(answered, share) if any(answered) else None for share in (0.5, 0.99))
    gauges = now.gauges or Gauges(0, 0, 0, paused=False)
    return between(before, now, gauges)._replace(p50_s=p50, p99_s=p99)


def _summed(at: float, minutes: Sequence[Moment]) -> Moment:
    """Return means of rates and of what there was, the median of p50 and the worst p99."""

    def mean(of: Callable[[Moment], float]) -> float:
        return sum(map(of, minutes)) / len(minutes)

    halves = sorted(each.p50_s for each in minutes if each.p50_s is not None)
    return Moment(
        at,
        mean(lambda each: each.applied),
        mean(lambda each: each.refused),
        mean(lambda each: each.failed),
        halves[len(halves) // 2] if halves else None,
        max((each.p99_s for each in minutes if each.p99_s is not None), default=None),
        Gauges(
            max(each.gauges.waiting for each in minutes),
            max(each.gauges.active for each in minutes),
            max(each.gauges.live for each in minutes),
            paused=any(each.gauges.paused for each in minutes),
        ),
    )


def _record(kind: str, at: datetime, moment: Moment) -> Record:
    fields = {**moment._asdict(), **moment.gauges._asdict()}
    del fields["gauges"], fields["at"]
    return Record(kind, at.isoformat(timespec="milliseconds"), at, fields)


def _moment_of(record: Record) -> Moment:
    known = record.fields

    def number(name: str) -> float:
        return value if isinstance(value := known.get(name), int | float) else 0

    def seconds(name: str) -> float | None:
        return value if isinstance(value := known.get(name), int | float) else None

    gauges = Gauges(
        int(number("waiting")),
        int(number("active")),
        int(number("live")),
        paused=bool(known.get("paused")),
    )
    return Moment(
        record.at.timestamp(),
        number("applied"),
        number("refused"),
        number("failed"),
        seconds("p50_s"),
        seconds("p99_s"),
        gauges,
    )
