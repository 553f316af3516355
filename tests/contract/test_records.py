"""What is kept for operators, on every store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from actors.store.records import Record

if TYPE_CHECKING:
    from actors.store import Store
    from tests.contract.conftest import Database

_AT = datetime(2026, 11, 23, 8, 0, 0, 123_000, tzinfo=UTC)


def _record(number: int, kind: str = "audit", **fields: object) -> Record:
    return Record(kind, f"{number:03}", _AT + timedelta(seconds=number), fields)


async def test_records_are_read_newest_first_each_kind_by_itself(store: Store) -> None:
    records = store.records
    made = [
        _record(each, text="原因", none=None, many=[1, 2.5], of={"a": True}) for each in range(5)
    ]
    await records.put([*made, _record(9, "pause")])
    await records.put([])
    assert await records.read("audit", limit=99) == made[::-1]
    assert await records.read("audit", limit=2, skip=1) == [made[3], made[2]]
    assert await records.read("audit", limit=99, since=made[3].at) == [made[4], made[3]]
    assert await records.read("none", limit=9) == []
    assert [await records.count(each) for each in ("audit", "pause", "none")] == [5, 1, 0]


async def test_a_record_takes_the_place_of_the_one_of_its_name_and_goes_by_name_or_age(
    store: Store,
) -> None:
    records = store.records
    await records.put([_record(each) for each in range(4)])
    await records.put([_record(0, by="again")])
    assert (await records.read("audit", limit=9))[-1].fields == {"by": "again"}
    await records.remove("audit", "003")
    await records.remove("audit", "none")
    await records.remove("pause", "000")
    await records.trim("audit", _record(2).at)
    assert [each.name for each in await records.read("audit", limit=9)] == ["002"]


async def test_records_outlive_the_node_that_made_them(database: Database) -> None:
    if database.kind == "simulation":
        return  # what operators see is not simulated
    async with database.opened() as store:
        await store.records.put([_record(1, by="line-4")])
    async with database.opened() as store:
        (found,) = await store.records.read("audit", limit=9)
    assert found.fields == {"by": "line-4"}
