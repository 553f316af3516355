"""Reconcile on real databases: both are read alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from bson import ObjectId

from actors.store.mongo import archive
from actors.store.schema import INBOX, LOGS, ORDERS
from scripts.reconcile.findings import Kind
from scripts.reconcile.flows import FlowCheck
from scripts.reconcile.mongo import MongoSource
from scripts.reconcile.mongo_flows import MongoFlows
from scripts.reconcile.sqlite import SqliteSource
from scripts.reconcile.sweep import Sweep
from tests.contract.backdoor import MongoBackdoor
from tests.contract.cases import applied, change, loaded, order_document
from tests.contract.conftest import on_both, on_mongo
from tests.misbooked import Account, spoilt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from actors.store import Store
    from scripts.reconcile.source import Source
    from tests.contract.backdoor import RealBackdoor

_AGES_S = 1e9
pytestmark = pytest.mark.adapters


@pytest.fixture
def source(
    store: Store,  # noqa: ARG001 opened by now
    backdoor: RealBackdoor,
    tmp_path: Path,
) -> Iterator[Source]:
    found: Source
    if isinstance(backdoor, MongoBackdoor):
        host, port = backdoor.database.client.address or ("", 0)
        uri = f"mongodb://{host}:{port}/?directConnection=true"
        found = MongoSource(uri, backdoor.database.name)
    else:
        found = SqliteSource(tmp_path / "orders.sqlite3")
    yield found
    found.close()


def sweep(source: Source, grace_s: float = 60.0) -> Sweep:
    return Sweep(source, timedelta(seconds=grace_s), lambda _: None)


def seen(source: Source) -> list[tuple[Kind, str, str]]:
    return sorted((each.kind, each.order, each.subject) for each in sweep(source).findings())


@on_both
def test_each_planted_fault_is_found_and_nothing_else_twice_the_same(
    source: Source, backdoor: RealBackdoor
) -> None:
    accounts, expected = spoilt()
    for each in accounts:
        each.put(backdoor)
    gone = Account(9_000)
    gone.count("input", 1)
    backdoor.put_log(gone.log[0])
    expected.add((Kind.ORPHAN_ROWS, gone.id, "log"))
    assert seen(source) == sorted(expected)
    assert seen(source) == sorted(expected)
    looked = sweep(source)
    keys = [(each.order, each.key) for each in looked.findings()]
    assert len(set(keys)) == len(keys)
    assert looked.orders == len(accounts) + 1
    assert looked.entries == sum(len(each.log) for each in accounts) + 1
    assert source.size() == looked.entries


@on_both
async def test_what_the_service_itself_wrote_is_right_while_it_is_in_the_outbox_and_after(
    store: Store, source: Source, backdoor: RealBackdoor
) -> None:
    order = order_document(actualStartTime=None)
    backdoor.put_order(order)
    for quantity in (3, 2):
        await applied(store, order["_id"], change(quantity))
    await applied(store, order["_id"], change(-1), relayed=False)
    assert list(sweep(source, _AGES_S).findings()) == []
    await store.relay((await loaded(store, order["_id"])).outbox)
    assert seen(source) == []


@on_both
def test_originals_and_supplements_that_are_not_done_together_are_told_of(
    source: Source, backdoor: RealBackdoor
) -> None:
    def put(number: int, status: str, original: Account | None = None) -> Account:
        account = Account(number)
        account.order["status"] = status
        if original is not None:
            account.order["originalWorkOrderId"] = _as(source, original.id)
        account.order |= {"planProductionQuantity": 0}
        account.order["actualEndTime"] = datetime.now(UTC)
        account.put(backdoor)
        return account

    done, waits, fine, nowhere = (
        put(1, "COMPLETED"),
        put(2, "PAUSED"),
        put(3, "PAUSED"),
        Account(4),
    )
    still_open = put(5, "PENDING", done)
    put(6, "COMPLETED", waits)
    put(7, "IN_PROGRESS", fine)
    orphan = put(8, "PENDING", nowhere)
    assert {order for kind, order, _ in seen(source) if kind is Kind.SUPPLEMENT} == {
        still_open.id,
        waits.id,
        orphan.id,
    }


def _as(source: Source, order_id: str) -> object:
    return ObjectId(order_id) if source.id_type is ObjectId else order_id


@on_mongo
def test_an_entry_whose_order_is_a_text_is_counted_to_it_and_told_of(
    source: Source, backdoor: MongoBackdoor
) -> None:
    account = Account(1)
    account.count("input", 1)
    wrong = account.count("input", 1)
    account.put(backdoor)
    logs = backdoor.database[LOGS]
    logs.update_one({"_id": ObjectId(wrong)}, {"$set": {"workOrderId": account.id.upper()}})
    assert seen(source) == [(Kind.WRONG_TYPE, account.id, f"entry {wrong}")]
    logs.update_one({"_id": ObjectId(wrong)}, {"$set": {"workOrderId": "nothing"}})
    assert [kind for kind, order, _ in seen(source) if order == "nothing"] == [Kind.ORPHAN_ROWS]


@on_mongo
def test_ids_of_orders_that_are_text_are_told_of(source: Source, backdoor: MongoBackdoor) -> None:
    account = Account(1)
    account.put(backdoor)
    wanted = {"_id": ObjectId(account.id)}
    backdoor.database[ORDERS].update_one(wanted, {"$set": {"productionLineId": "line 1"}})
    assert seen(source) == [(Kind.WRONG_TYPE, account.id, "productionLineId")]


@on_mongo
def test_jobs_that_wait_for_long_or_were_given_up_are_told_of(
    source: Source, backdoor: MongoBackdoor
) -> None:
    now = datetime.now(UTC)
    jobs = backdoor.database[INBOX]
    for number, (state, dead, received) in enumerate(
        [
            ("waiting", False, now),
            ("waiting", False, now - timedelta(hours=1)),
            ("failed", True, now),
            ("failed", False, now),
            ("completed", False, now),
        ]
    ):
        jobs.insert_one(
            {
                "_id": ObjectId(f"{number:024x}"),
                "workOrderId": ObjectId("a" * 24),
                "state": state,
                "dead": dead,
                "receivedAt": received,
                "epoch": 1,
                "n": number,
            }
        )
    assert seen(source) == [
        (Kind.INBOX, "a" * 24, f"job {1:024x}"),
        (Kind.INBOX, "a" * 24, f"job {2:024x}"),
    ]


@on_mongo
def test_flows_that_do_not_agree_with_what_is_counted_are_told_of(
    source: Source, backdoor: MongoBackdoor
) -> None:
    first, second = Account(1), Account(2)
    for barcode in ("made", "open", "moved", "taken back", "untracked"):
        first.count("output", 1, barcode)
    first.count("output", -1, "taken back")
    second.count("output", 1, "right")
    for account in (first, second):
        account.put(backdoor)
    for barcode, account, status, product in (
        ("made", first, "COMPLETED", True),
        ("open", first, "IN_PROCESS", True),
        ("moved", second, "COMPLETED", True),
        ("taken back", first, "COMPLETED", True),
        ("never", first, "COMPLETED", True),
        ("begun", first, "PENDING", True),
        ("part", first, "COMPLETED", False),
        ("right", second, "COMPLETED", True),
    ):
        backdoor.database["flows"].insert_one(
            {
                "barcode": barcode,
                "status": status,
                "isProduct": product,
                "productionPlanWorkOrderId": ObjectId(account.id),
            }
        )
    assert isinstance(source, MongoSource)

    def found(grace_s: float) -> list[tuple[str, str]]:
        flows = FlowCheck(MongoFlows(source.database, "flows"))
        looked = Sweep(source, timedelta(seconds=grace_s), lambda _: None, flows)
        return sorted(
            (each.order, each.subject) for each in looked.findings() if each.kind is Kind.FLOW
        )

    assert found(60) == [
        (first.id, "moved"),
        (first.id, "never"),
        (first.id, "open"),
        (first.id, "taken back"),
        (second.id, "moved"),
    ]
    # What was scanned just now may be on its way to its flow.
    assert found(1e9) == [(first.id, "never"), (second.id, "moved")]


@on_both
async def test_an_archived_log_is_read_with_the_rest(
    source: Source, store: Store, backdoor: RealBackdoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "REST_S", 0)
    accounts, _ = spoilt()
    for each in accounts:
        each.put(backdoor)
    before, size = seen(source), source.size()
    books = {each.id: sweep(source).book(each.id).rows for each in accounts}
    while await store.archive.move(datetime.now(UTC) + timedelta(days=1)):
        pass
    assert (await store.archive.kept()).entries > 0
    assert {each.id: sweep(source).book(each.id).rows for each in accounts} == books
    assert seen(source) == before
    assert source.size() == size
