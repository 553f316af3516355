"""Roll-ups: whatever comes late, twice or in between, they answer as a recount of the log does."""

from __future__ import annotations

import asyncio
import itertools
import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from pymongo.errors import ExecutionTimeout, NetworkTimeout, OperationFailure

from actors.errors import StoreRejected, StoreUnavailable
from actors.store.mongo import rollups
from actors.store.mongo.client import all_of
from actors.store.quantities import HOUR_MS, Calendar, Dimension, QuantityQuery
from actors.store.rollups import LEFT
from tests.contract.cases import MORNING, applied, change, order_document, output
from tests.contract.conftest import on_mongo
from tests.contract.logged import Document, random_entry, rows
from tests.recounted import recounted

if TYPE_CHECKING:
    from actors.store import Store
    from tests.contract.backdoor import Backdoor, RealBackdoor
    from tests.contract.conftest import Database

pytestmark = pytest.mark.adapters
_ZONE = ZoneInfo("Asia/Shanghai")
_SHIFTS = (8 * 60, 20 * 60)
_BEGUN = MORNING - timedelta(days=1, minutes=20)
_END = MORNING + timedelta(days=1, minutes=10)
_LATER = MORNING + timedelta(days=3)
_LONG_AGO = datetime(1970, 1, 2, tzinfo=_ZONE)
_EVERYTHING = QuantityQuery(_BEGUN, _END, calendar=Calendar.of(_ZONE, _BEGUN, _END, _SHIFTS))
_GROUPINGS = [
    (),
    *((each,) for each in Dimension),
    *itertools.product(
        (Dimension.LINE, Dimension.ORDER, Dimension.AUTOMATIC, Dimension.PRODUCTION_ORDER),
        (Dimension.HOUR, Dimension.SHIFT, Dimension.DAY),
    ),
    (Dimension.DAY, Dimension.OPERATOR, Dimension.SHIFT),
    (Dimension.LINE, Dimension.OPERATOR),
]


@pytest.fixture
def orders(store: Store, backdoor: RealBackdoor) -> list[Document]:  # noqa: ARG001 opened by now
    """Put a log of two days and two hours."""
    chance = random.Random(7)  # noqa: S311 -- the same each time
    orders = [order_document(status="IN_PROGRESS") for _ in range(3)]
    orders[1]["productionOrderNo"] = "MO-1"
    for each in orders:
        backdoor.put_order(each)
    entries = [random_entry(chance, number, orders, _BEGUN) for number in range(120)]
    for each in entries:  # in a few hours, each of which takes its time
        each["operateTime"] -= timedelta(hours=each["operateTime"].hour % 6)
    entries.append(random_entry(chance, 200, orders, _BEGUN) | {"changeType": "scrap"})
    backdoor.put_logs(entries)
    return orders


async def _roll(store: Store, now: datetime = _LATER, shifts: tuple[int, ...] = _SHIFTS) -> None:
    while await store.statistics.roll_up(_ZONE, shifts, now):
        pass


def _log(backdoor: Backdoor, orders: list[Document]) -> list[Document]:
    return [each for order in orders for each in backdoor.logs(order["_id"])]


async def _check(
    store: Store, backdoor: Backdoor, orders: list[Document], *, fully: bool = False
) -> None:
    """Ask for the sums of all, and in a few other ways or in all, of odd parts of the time too."""
    entries = _log(backdoor, orders)
    numbers = {each["_id"]: each.get("productionOrderNo") for each in orders}
    chance = random.Random(len(entries))  # noqa: S311 -- the same each time
    queries = [replace(_EVERYTHING, group=group) for group in _GROUPINGS]
    wheres: list[dict[Dimension, str | bool]] = [
        {Dimension.ORDER: orders[0]["_id"]},
        {Dimension.PRODUCTION_ORDER: "MO-1"},
        {Dimension.PRODUCTION_ORDER: "MO-1", Dimension.ORDER: orders[0]["_id"]},
        {Dimension.OPERATOR: "SYSTEM"},
        {Dimension.BARCODE_OPERATION: "OTHER"},
        {Dimension.AUTOMATIC: False},
    ]
    for where in wheres:
        group = (Dimension.DAY, *where)
        queries.append(replace(_EVERYTHING, where=where, group=group[: chance.randrange(3)]))
        queries.append(replace(queries[-1], change_type=chance.choice(["input", "output"])))
    queries.append(replace(_EVERYTHING, group=(Dimension.OPERATOR,), change_type="input"))
    for each in chance.sample(queries, 12):
        cut = [timedelta(seconds=chance.randrange(90_000)) for _ in range(2)]
        queries.append(replace(each, since=_BEGUN + cut[0], until=_END - cut[1]))
    for query in queries if fully else (queries[0], *chance.sample(queries, 9)):
        assert await rows(store, query) == recounted(entries, numbers, query), query  # type: ignore[arg-type]


async def _agree(
    store: Store, backdoor: Backdoor, orders: list[Document], query: QuantityQuery
) -> None:
    assert await rows(store, query) == recounted(_log(backdoor, orders), {}, query), query


async def test_what_is_rolled_up_and_what_is_not_yet_are_one_answer(
    store: Store, backdoor: Backdoor, orders: list[Document]
) -> None:
    await _roll(store, MORNING)
    await _check(store, backdoor, orders, fully=True)
    await _roll(store)
    await _check(store, backdoor, orders, fully=True)


async def test_late_entries_count_at_once_and_once(
    store: Store, backdoor: Backdoor, orders: list[Document]
) -> None:
    await applied(store, orders[0]["_id"], change(3))
    await _roll(store)
    made = await applied(store, orders[0]["_id"], change(5), output(2), change(-1))
    await _check(store, backdoor, orders)
    await store.relay(made.changes.outcomes)
    await _roll(store)
    await _check(store, backdoor, orders)


async def test_another_calendar_has_other_shifts(
    store: Store, backdoor: Backdoor, orders: list[Document]
) -> None:
    await _roll(store, shifts=(6 * 60, 14 * 60))
    await _check(store, backdoor, orders)
    await _roll(store)
    await _check(store, backdoor, orders)


async def test_one_calendar_is_right_while_another_takes_its_place(
    store: Store, backdoor: Backdoor, orders: list[Document]
) -> None:
    await _roll(store)
    made = await applied(store, orders[0]["_id"], change(5), at=MORNING - timedelta(hours=9))
    await store.relay(made.changes.outcomes)
    while await store.statistics.roll_up(_ZONE, (6 * 60, 14 * 60), _LATER):
        await _agree(store, backdoor, orders, replace(_EVERYTHING, group=(Dimension.DAY,)))


async def test_half_hours_of_years_ago_do_not_hide_days_of_whole_ones(
    store: Store, backdoor: Backdoor, orders: list[Document]
) -> None:
    zone = ZoneInfo("Asia/Singapore")
    assert not Calendar.of(zone, _LONG_AGO, _LONG_AGO, _SHIFTS).whole_hours
    while await store.statistics.roll_up(zone, _SHIFTS, _LATER):
        pass
    calendar = Calendar.of(zone, _BEGUN, _END, _SHIFTS)
    for group in ((), (Dimension.DAY,), (Dimension.SHIFT, Dimension.LINE)):
        query = replace(_EVERYTHING, group=group, calendar=calendar)
        await _agree(store, backdoor, orders, query)


async def test_a_day_that_a_node_summed_up_and_wrote_late_is_not_that_of_before(
    database: Database,
    store: Store,
    backdoor: Backdoor,
    orders: list[Document],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await _roll(store)
    for hours in (9, 10):
        at = MORNING - timedelta(hours=hours)
        made = await applied(store, orders[0]["_id"], change(5), at=at)
        await store.relay(made.changes.outcomes)
    shelf: Any = store.statistics._shelf  # type: ignore[attr-defined]  # noqa: SLF001 -- between its reading and writing
    write = shelf._write  # noqa: SLF001
    slept: list[Any] = []

    async def write_late(period: Any, *args: Any, **more: Any) -> None:  # noqa: ANN401
        if period.level.startswith("day") and not slept:
            slept.append(period)
            await _roll(other)
        await write(period, *args, **more)

    async with database.opened() as other:
        monkeypatch.setattr(shelf, "_write", write_late)
        await _roll(store)
    assert slept
    await _agree(store, backdoor, orders, _EVERYTHING)


async def test_an_entry_that_comes_while_its_hour_is_rolled_up_is_in_it_later(
    store: Store, backdoor: Backdoor, orders: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf: Any = store.statistics._shelf  # type: ignore[attr-defined]  # noqa: SLF001 -- between its reading and writing
    write, left = shelf._write, [1, 2, 3]  # noqa: SLF001

    async def write_late(period: Any, *args: Any, **more: Any) -> None:  # noqa: ANN401
        morning = int(MORNING.timestamp() * 1000)
        if left and period.start <= morning < period.end:
            await applied(store, orders[left.pop() - 1]["_id"], change(7))
        await write(period, *args, **more)

    monkeypatch.setattr(shelf, "_write", write_late)
    await _roll(store)
    assert not left
    await _check(store, backdoor, orders)


@pytest.mark.parametrize("refused", ["roll", "sum_up"])
async def test_what_is_too_large_to_be_kept_is_left_to_the_log_and_the_rest_goes_on(
    store: Store,
    backdoor: Backdoor,
    orders: list[Document],
    monkeypatch: pytest.MonkeyPatch,
    refused: str,
) -> None:
    shelf: Any = store.statistics._shelf  # type: ignore[attr-defined]  # noqa: SLF001 -- beneath the port
    keep = getattr(shelf, refused)
    morning = int(MORNING.timestamp() * 1000)
    tries: list[int] = []

    async def keep_small(period: Any, state: Any) -> None:  # noqa: ANN401
        if period.start <= morning < period.end:
            tries.append(period.start)
            raise StoreRejected("BSONObj size is invalid")
        await keep(period, state)

    monkeypatch.setattr(shelf, refused, keep_small)
    async with asyncio.timeout(60):  # else it would be tried for ever
        await _roll(store)
    state = await shelf.state()
    assert state.through == state.summed == int(_LATER.timestamp() * 1000) - HOUR_MS
    assert {hour for hour, mark in state.marks.items() if mark == LEFT} == {*tries}
    await _check(store, backdoor, orders, fully=True)
    monkeypatch.undo()
    await store.statistics.rebuild()
    await _roll(store)
    assert not (await shelf.state()).marks
    await _check(store, backdoor, orders)


@on_mongo
@pytest.mark.parametrize("code", [50, 4031700])  # its time is over; what it gives is too large
async def test_an_hour_with_very_many_entries_is_summed_in_parts(
    store: Store,
    backdoor: RealBackdoor,
    orders: list[Document],
    monkeypatch: pytest.MonkeyPatch,
    code: int,
) -> None:
    chance = random.Random(7)  # noqa: S311 -- the same each time
    backdoor.put_logs(
        [
            random_entry(chance, 1_000 + number, orders, _BEGUN)
            | {"operateTime": MORNING + timedelta(minutes=number)}
            for number in range(60)
        ]
    )
    refused: list[timedelta] = []

    async def of_few(collection: Any, pipeline: list[Document]) -> list[Document]:  # noqa: ANN401
        period = pipeline[0]["$match"].get("operateTime")
        if period and (span := period["$lt"] - period["$gte"]) > timedelta(minutes=20):
            refused.append(span)
            raise (ExecutionTimeout if code == 50 else OperationFailure)("too much", code)
        return await all_of(collection, pipeline)

    monkeypatch.setattr(rollups, "all_of", of_few)
    await _roll(store)
    assert {*refused} == {timedelta(hours=1), timedelta(minutes=30)}
    state = await store.statistics._shelf.state()  # type: ignore[attr-defined]  # noqa: SLF001 -- beneath the port
    assert not state.marks
    await _check(store, backdoor, orders, fully=True)


@on_mongo
async def test_an_hour_that_can_not_be_read_at_all_is_tried_again_later(
    store: Store,
    orders: list[Document],  # noqa: ARG001 -- there is something to roll up
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(*_: object) -> list[Document]:
        raise NetworkTimeout("timed out")

    with monkeypatch.context() as patch:
        patch.setattr(rollups, "all_of", never)
        with pytest.raises(StoreUnavailable):
            await _roll(store)
    await _roll(store)
    assert not (await store.statistics._shelf.state()).marks  # type: ignore[attr-defined]  # noqa: SLF001 -- beneath the port


@on_mongo
async def test_an_hour_whose_sums_are_more_than_16_mib_is_left(
    store: Store, backdoor: RealBackdoor, orders: list[Document]
) -> None:
    chance = random.Random(7)  # noqa: S311 -- the same each time
    named = []
    for number in range(560):
        name = f"{number}{15_000 * 'x'}"
        named.append(
            random_entry(chance, 1_000 + number, orders, _BEGUN)
            | {"changeType": "input", "operateTime": MORNING, "operatorId": name}
            | {"operatorName": name}
        )
    backdoor.put_logs(named)
    await _roll(store)
    state = await store.statistics._shelf.state()  # type: ignore[attr-defined]  # noqa: SLF001 -- beneath the port
    assert state.marks == {int(MORNING.timestamp() * 1000): LEFT}
    await _agree(store, backdoor, orders, replace(_EVERYTHING, group=(Dimension.OPERATOR,)))


async def test_two_nodes_that_take_turns_at_random_agree_with_the_log(
    database: Database, store: Store, backdoor: Backdoor, orders: list[Document]
) -> None:
    chance = random.Random(1)  # noqa: S311 -- the same each time
    sent: list[Any] = []
    async with database.opened() as other:
        for _ in range(40):
            node = chance.choice([store, other])
            match chance.randrange(5):
                case 0:
                    at = _BEGUN + timedelta(minutes=chance.randrange(2_900))
                    made = await applied(
                        node,
                        chance.choice(orders)["_id"],
                        chance.choice([change(3), output(2), change(-1)]),
                        at=at,
                    )
                    sent.append(made.changes.outcomes)
                case 1 if sent:
                    await node.relay(chance.choice(sent))
                case 2:
                    await node.statistics.recheck()
                case _:
                    now = MORNING + timedelta(hours=chance.randrange(72))
                    for _ in range(chance.randrange(30)):
                        await node.statistics.roll_up(_ZONE, _SHIFTS, now)
            group = chance.choice(_GROUPINGS[:-2])
            query = replace(_EVERYTHING, group=group)
            numbers = {each["_id"]: each.get("productionOrderNo") for each in orders}
            found = await rows(chance.choice([store, other]), query)
            assert found == recounted(_log(backdoor, orders), numbers, query), group  # type: ignore[arg-type]
    await _roll(store)
    await _check(store, backdoor, orders)


async def test_entries_of_another_program_are_found_by_their_number(
    store: Store, backdoor: RealBackdoor, orders: list[Document]
) -> None:
    await _roll(store)
    middle = replace(_EVERYTHING, since=MORNING - timedelta(hours=20), until=MORNING)
    before = await rows(store, middle)
    backdoor.delete_logs(orders[0]["_id"])
    # Nobody told of that: the roll-ups are what answers.
    assert await rows(store, middle) == before != recounted(_log(backdoor, orders), {}, middle)
    assert await store.statistics.recheck() > 0
    assert await store.statistics.recheck() == 0
    await _check(store, backdoor, orders)
    await _roll(store)
    await _check(store, backdoor, orders)


async def test_a_rebuild_forgets_what_was_rolled_up(
    store: Store, backdoor: RealBackdoor, orders: list[Document]
) -> None:
    await _roll(store)
    backdoor.delete_logs(orders[0]["_id"])
    await store.statistics.rebuild()
    await _check(store, backdoor, orders)
    await _roll(store)
    await _check(store, backdoor, orders)
