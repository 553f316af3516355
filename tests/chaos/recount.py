"""What the service's statistics and `scripts.reconcile` say of a database once all is over."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from bson import ObjectId

from actors.store.mongo.store import MongoStore
from actors.store.quantities import Calendar, Dimension, QuantityQuery
from actors.store.schema import ARCHIVE, LOGS
from scripts.reconcile.findings import Finding, Kind
from scripts.reconcile.mongo import MongoSource
from scripts.reconcile.sweep import Sweep
from tests.recounted import recounted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from actors.store.quantities import QuantityRow, Statistics
    from scripts.reconcile.source import Source
    from tests.contract.backdoor import MongoBackdoor

Document = dict[str, Any]

IMPLIED: Final[Mapping[Kind, str]] = {
    Kind.BARCODE_NET: "callers count for barcodes at random, several pieces and decreases too",
    Kind.OVER_INPUT: "an input of several pieces that begins below the plan may end above it",
}
"""The kinds of findings that come of what callers ask for, and why; at the bench they are wrong."""
_SPAN: Final = timedelta(days=2)
"""Further than any clock in a drill jumps."""
_GROUPS: Final = (
    (),
    (Dimension.ORDER,),
    (Dimension.SHIFT,),
    (Dimension.BARCODE_OPERATION, Dimension.DAY),
    (Dimension.ORDER, Dimension.HOUR),
    (Dimension.ORDER, Dimension.BARCODE_OPERATION),  # which no roll-up answers
)
_TIMEOUT_S: Final = 60.0


async def check_database(
    uri: str, backdoor: MongoBackdoor, bench: Iterable[Document]
) -> list[tuple[str, str]]:
    """Return what is wrong, by kind; `bench` are the orders of the bench as they were before."""
    store = MongoStore(uri, backdoor.database.name, driver="pymongo", timeout_s=_TIMEOUT_S)
    await store.open()
    try:
        off = await statistics_off(store.statistics, _entries(backdoor))
    finally:
        await store.close()
    wrong = [("statistics off", each) for each in off]
    with closing(MongoSource(uri, backdoor.database.name)) as source:
        return wrong + [("reconcile findings", each) for each in findings(source, bench)]


async def statistics_off(statistics: Statistics, entries: Sequence[Document]) -> list[str]:
    """Return each row that is not what the entries add up to: as all is now, and rolled up."""
    times = [each["operateTime"] for each in entries] or [datetime.now(UTC)]
    since, until = min(times) - _SPAN, max(times) + _SPAN
    calendar = Calendar.of(None, since, until, Calendar().shifts)
    queries = [QuantityQuery(since, until, group, calendar=calendar) for group in _GROUPS]
    right = [(each, recounted(entries, {}, each)) for each in queries]
    # Movers of a drill rest for less than a read takes, so an hour that was rolled up meanwhile
    # may have entries twice or not at all: an owner finds it by their number, as is done here.
    await statistics.recheck()
    off = [each async for each in _off(statistics, right, "as it was left")]
    while await statistics.roll_up(None, calendar.shifts, until):
        pass
    return off + [each async for each in _off(statistics, right, "rolled up")]


async def _off(
    statistics: Statistics, right: Iterable[tuple[QuantityQuery, list[QuantityRow]]], when: str
) -> AsyncIterator[str]:
    for query, rows in right:
        expected = {row.keys: row for row in rows}
        told = {row.keys: row async for some in statistics.quantities(query) for row in some}
        for keys in told.keys() | expected.keys():
            if told.get(keys) != expected.get(keys):
                names = f"{when}, {[*map(str, query.group)]} {keys}"
                yield f"{names}: told {told.get(keys)}, the log has {expected.get(keys)}"


def findings(source: Source, bench: Iterable[Document]) -> list[str]:
    """Return what reconcile finds, but for what is implied by the traffic."""
    begun = {str(each["_id"]): each for each in bench}
    # Less than no grace: nothing is on its way any more, not even by a clock that was ahead.
    sweep = Sweep(source, -_SPAN, lambda _: None)
    found = [
        f"{each.kind}: order {each.order}, {each.subject}: {each.detail}"
        for each in sweep.findings()
        if not _is_implied(each, begun)
    ]
    return found + [f"order {each} changed all the while" for each in sweep.busy]


def _is_implied(finding: Finding, begun: Mapping[str, Document]) -> bool:
    before = begun.get(finding.order)
    if before is None:
        return finding.kind in IMPLIED
    # What it had from the beginning is in no log.
    from_before = finding.kind is Kind.MISSING_ROW and finding.subject == "input"
    return from_before and bool(before["inputQuantity"])


def _entries(backdoor: MongoBackdoor) -> list[Document]:
    """Read log and archive, each entry once, ids as text."""
    found = [*backdoor.database[LOGS].find(), *backdoor.database[ARCHIVE].find()]
    return [
        {name: str(value) if isinstance(value, ObjectId) else value for name, value in each.items()}
        for each in {each["_id"]: each for each in found}.values()
    ]
