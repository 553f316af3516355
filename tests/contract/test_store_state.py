"""What a store keeps besides orders and logs, and how it opens and closes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from pymongo import ASCENDING, DESCENDING

from actors.errors import StoreUnavailable
from actors.store import EvidenceQuery, LogQuery
from actors.store.schema import (
    ARCHIVE,
    INBOX,
    LOGS,
    MATERIALS,
    NODE_STATE,
    OPERATIONS,
    ORDERS,
    RECORDS,
    REFUSALS,
    ROLLUPS,
)
from tests.contract.backdoor import MongoBackdoor, SqliteBackdoor
from tests.contract.cases import (
    FIRST,
    LATEST,
    LINE,
    MATERIAL,
    MORNING,
    applied,
    change,
    decide,
    loaded,
    new_order_id,
    order_document,
    whole_log,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.domain.model import WorkOrderId
    from actors.store import Store
    from tests.contract.backdoor import Backdoor
    from tests.contract.conftest import Database


async def test_a_fresh_store_is_not_paused(store: Store) -> None:
    assert await store.paused() is False


async def test_paused_survives_a_restart_and_is_seen_by_all(
    database: Database, store: Store
) -> None:
    await store.set_paused(LATEST, paused=True)
    await store.close()

    async with database.opened() as other, database.opened() as another:
        assert await other.paused() is True
        await other.set_paused(LATEST, paused=True)
        assert await another.paused() is True
        await another.set_paused(LATEST, paused=False)
        assert await other.paused() is False


async def test_pausing_and_epochs_do_not_disturb_each_other(store: Store) -> None:
    await store.set_paused(LATEST, paused=True)
    epoch = await store.claim_epoch("node-a")
    assert await store.paused() is True
    await store.set_paused(LATEST, paused=False)
    assert await store.epoch() == epoch


async def test_all_nodes_of_a_store_are_given_one_secret_for_good(
    database: Database, store: Store
) -> None:
    async with database.opened() as other:
        asked = [each.cluster_secret(f"made-{n}") for n in range(4) for each in (store, other)]
        (secret,) = set(await asyncio.gather(*asked))
    assert secret.startswith("made-")
    await store.claim_epoch("node-a")
    await store.set_paused(LATEST, paused=True)
    await store.close()
    async with database.opened() as other:
        assert await other.cluster_secret("later") == secret


@pytest.mark.adapters
@pytest.mark.parametrize("spoilt", [None, 7, ""])
async def test_what_is_no_secret_is_made_anew(
    database: Database, store: Store, backdoor: Backdoor, spoilt: object
) -> None:
    await store.cluster_secret("first")
    if isinstance(backdoor, MongoBackdoor):
        state = backdoor.database[NODE_STATE]
        state.update_one({"_id": "cluster"}, {"$set": {"secret": spoilt}})
    elif isinstance(backdoor, SqliteBackdoor):
        # Its column holds nothing but texts.
        backdoor.spoil_state("cluster_secret", spoilt if spoilt == "" else None)
    assert await store.cluster_secret("second") == "second"
    async with database.opened() as other:
        assert await other.cluster_secret("third") == "second"


async def test_a_store_that_can_be_written_to_answers_a_ping(store: Store) -> None:
    await store.ping()
    await store.ping()


async def test_closing_twice_is_no_error(store: Store) -> None:
    await store.close()
    await store.close()


@pytest.mark.adapters
async def test_a_store_that_is_closed_is_unavailable(store: Store, order_id: WorkOrderId) -> None:
    order = await loaded(store, order_id)
    await store.close()

    for call in calls(store, order_id):
        with pytest.raises(StoreUnavailable):
            await call()
    with pytest.raises(StoreUnavailable):
        await store.commit(FIRST, [decide(order, change(1))])


def calls(store: Store, order_id: WorkOrderId) -> list[Callable[[], Awaitable[Any]]]:
    return [
        store.ping,
        store.epoch,
        store.paused,
        lambda: store.claim_epoch("node"),
        lambda: store.cluster_secret("fresh"),
        lambda: store.set_paused(LATEST, paused=True),
        lambda: store.load([order_id]),
        lambda: store.evidence([EvidenceQuery(order_id, barcodes=frozenset(["SN-1"]))]),
        lambda: store.detail(order_id),
        lambda: store.log_page(LogQuery(order_id)),
        lambda: store.insert_orders([order_document()]),
    ]


async def test_everything_is_there_after_a_restart(
    database: Database, store: Store, order_id: WorkOrderId
) -> None:
    made = await applied(store, order_id, change(1, key="k"), change(2))
    log = await whole_log(store, order_id)
    epoch = await store.claim_epoch("node-a")
    await store.close()

    async with database.opened() as reopened:
        assert await whole_log(reopened, order_id) == log
        order = await loaded(reopened, order_id)
        assert (order.seq, order.revision) == (2, 1)
        assert await reopened.epoch() == epoch
        again = await applied(reopened, order_id, change(3))
        assert again.order.seq == made.order.seq + 1


@pytest.mark.adapters
async def test_inserted_orders_can_be_worked_on(store: Store, backdoor: Backdoor) -> None:
    documents = [order_document(workOrderNo=f"IN-{number}") for number in range(3)]

    assert await store.insert_orders(documents) == 3

    for document in documents:
        assert backdoor.order(document["_id"]) == document
        made = await applied(store, document["_id"], change(1))
        assert made.order.facts.material_id == MATERIAL
        assert made.order.facts.production_line_id == LINE
        detail = await store.detail(document["_id"])
        assert detail is not None
        assert detail["createAt"] == MORNING


@pytest.mark.adapters("memory")
async def test_inserting_leaves_orders_that_exist_as_they_are(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    await applied(store, order_id, change(7))
    before = backdoor.order(order_id)
    fresh = order_document()

    assert await store.insert_orders([order_document(order_id), fresh, order_document()]) == 2
    assert await store.insert_orders([order_document(order_id), fresh]) == 0
    assert await store.insert_orders([]) == 0

    assert backdoor.order(order_id) == before


@pytest.mark.adapters("memory")
async def test_ids_are_one_order_in_upper_and_lower_case(store: Store) -> None:
    order_id = "ABCDEFabcdef000000000001"
    assert await store.insert_orders([order_document(_id=order_id)]) == 1
    assert await store.insert_orders([order_document(_id=order_id.lower())]) == 0
    detail = await store.detail(new_order_id().__class__(order_id.lower()))
    assert detail is not None
    assert detail["id"] == order_id.lower()


SHARED_INDEXES: list[tuple[str, list[tuple[str, int]], dict[str, Any]]] = [
    (ORDERS, [("workOrderNo", ASCENDING)], {"unique": True}),
    (LOGS, [("workOrderId", ASCENDING), ("operateTime", DESCENDING)], {}),
    (LOGS, [("relatedBarcode", ASCENDING), ("operateTime", DESCENDING)], {}),
    (LOGS, [("materialId", ASCENDING), ("operateTime", DESCENDING)], {}),
    (LOGS, [("operateTime", DESCENDING)], {}),
    (LOGS, [("changeType", ASCENDING), ("operateTime", DESCENDING)], {}),
    (
        LOGS,
        [
            ("workOrderId", ASCENDING),
            ("relatedBarcode", ASCENDING),
            ("processStepId", ASCENDING),
            ("changeType", ASCENDING),
            ("operateTime", DESCENDING),
        ],
        {"name": "idx_workorder_barcode_process_duplicate_check"},
    ),
]


@pytest.mark.adapters
@pytest.mark.parametrize("named", ["as Mongoose does", "otherwise", "in the background"])
async def test_a_store_opens_beside_the_indexes_that_the_main_service_made(
    database: Database, backdoor: Backdoor, named: str
) -> None:
    if isinstance(backdoor, MongoBackdoor):
        backdoor.database.drop_collection(LOGS)
        for number, (collection, keys, options) in enumerate(SHARED_INDEXES):
            others: dict[str, dict[str, Any]] = {
                "as Mongoose does": {},
                "otherwise": {"name": f"theirs_{number}"},
                "in the background": {"background": True},
            }
            made = {**options, **others[named]}
            backdoor.database[collection].create_index(keys, **made)

    async with database.opened() as store:
        document = order_document()
        backdoor.put_order(document)
        await applied(store, document["_id"], change(1, key="k", related_barcode="SN-1"))
        query = EvidenceQuery(document["_id"], barcodes=frozenset(["SN-1"]))
        await store.evidence([query])
        assert len(await whole_log(store, document["_id"])) == 1
    async with database.opened() as store:
        await store.ping()
    if isinstance(backdoor, MongoBackdoor):
        ours = {"plan_server_scans", "plan_server_seq", "plan_server_request"}
        assert ours < backdoor.database[LOGS].index_information().keys()


@pytest.mark.adapters
async def test_the_main_service_can_make_its_indexes_after_ours(
    database: Database, backdoor: Backdoor
) -> None:
    if isinstance(backdoor, MongoBackdoor):
        backdoor.database.drop_collection(LOGS)
    async with database.opened() as store:
        await store.ping()
    if isinstance(backdoor, MongoBackdoor):
        for collection, keys, options in SHARED_INDEXES:
            backdoor.database[collection].create_index(keys, background=True, **options)


@pytest.mark.adapters
async def test_only_known_collections_are_made(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    await applied(store, order_id, change(1, key="k"))
    await store.claim_epoch("node")
    await store.set_paused(LATEST, paused=True)
    if isinstance(backdoor, MongoBackdoor):
        known = {ORDERS, LOGS, MATERIALS, REFUSALS, NODE_STATE, INBOX, RECORDS, OPERATIONS, ROLLUPS}
        known |= {ARCHIVE}
        assert set(backdoor.database.list_collection_names()) <= known
