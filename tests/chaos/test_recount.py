"""Statistics that are off, and what reconcile finds, are seen; what the traffic implies is not."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from actors.store.schema import ROLLUPS
from actors.store.sqlite.file import SqliteFile
from scripts.reconcile.findings import Kind
from scripts.reconcile.sqlite import SqliteSource
from tests.chaos.recount import IMPLIED, check_database, findings, statistics_off
from tests.contract.backdoor import MongoBackdoor, SqliteBackdoor
from tests.misbooked import Account, spoilt
from tests.recounted import RecountedStatistics

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.servers import Databases, MongoServer

Document = dict[str, Any]


def log() -> list[Document]:
    account = Account(1)
    for piece in range(3):
        account.count("input", 1, f"SN-{piece}")
    return account.log


def found(path: Path, accounts: Iterable[Account], bench: Iterable[Document] = ()) -> set[str]:
    """Return what is found, each as "kind order"."""
    with closing(SqliteFile(path, 5.0)) as file:
        file.open()
    backdoor = SqliteBackdoor(path)
    for each in accounts:
        each.put(backdoor)
    with closing(SqliteSource(path)) as source:
        return {each.replace(": order", "").partition(",")[0] for each in findings(source, bench)}


@pytest.mark.parametrize(
    ("spoil", "off"),
    [
        (lambda _: None, False),
        (lambda log: log.pop(), True),
        (lambda log: log.append(log[0]), True),
        (lambda log: log[0].update(changeQuantity=2), True),
        (lambda log: log[0].update(barcodeOperation="OTHER"), True),
    ],
)
async def test_statistics_that_are_not_the_sum_of_the_log_are_off(spoil: Any, off: bool) -> None:  # noqa: ANN401, FBT001
    told = log()
    spoil(told)
    assert bool(await statistics_off(RecountedStatistics(lambda: told), log())) == off


async def test_roll_ups_are_looked_at_when_all_is_rolled_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = log()

    async def roll_up(*_: object) -> bool:
        return len(told) == 3 and bool(told.pop())

    monkeypatch.setattr(RecountedStatistics, "roll_up", roll_up)
    assert {
        each.partition(",")[0]
        for each in await statistics_off(RecountedStatistics(lambda: told), log())
    } == {"rolled up"}


async def test_a_roll_up_that_is_not_the_sum_of_its_hour_is_seen(
    mongo_standalone: MongoServer, databases: Databases, database_name: str
) -> None:
    backdoor = MongoBackdoor(databases.client(mongo_standalone), database_name)
    account = Account(1, ours=True)
    account.count("input", 1, "SN-1")
    account.put(backdoor)
    assert await check_database(mongo_standalone.uri, backdoor, ()) == []
    backdoor.database[ROLLUPS].update_many({"view": "order"}, {"$inc": {"rows.0.input_added": 1}})
    wrong = await check_database(mongo_standalone.uri, backdoor, ())
    assert {kind for kind, _ in wrong} == {"statistics off"}


def test_each_finding_counts_but_those_that_the_traffic_implies(tmp_path: Path) -> None:
    accounts, expected = spoilt()
    wrong = {f"{kind} {order}" for kind, order, _ in expected if kind not in IMPLIED}
    assert found(tmp_path / "orders.sqlite3", accounts) == wrong


def test_at_the_bench_nothing_is_implied_but_what_it_had_before(tmp_path: Path) -> None:
    accounts, expected = spoilt()
    before = Account(9_000)
    before.order["inputQuantity"] = 3
    bench = [each.order | {"inputQuantity": 3} for each in accounts] + [before.order]
    wrong = {f"{kind} {order}" for kind, order, _ in expected}
    assert found(tmp_path / "orders.sqlite3", [*accounts, before], bench) == wrong
    assert found(tmp_path / "others.sqlite3", [before]) == {f"{Kind.MISSING_ROW} {before.id}"}


def test_nothing_is_on_its_way_any_more(tmp_path: Path) -> None:
    left = Account(1, ours=True)
    left.count("input", 1, operateTime=datetime.now(UTC) + timedelta(hours=1))
    left.order["planServer"]["outbox"] = [left.log.pop()]
    assert f"{Kind.OUTBOX} {left.id}" in found(tmp_path / "orders.sqlite3", [left])
