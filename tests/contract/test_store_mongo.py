"""MongoDB's own ways to fail: servers that are down or frozen, answers lost on the wire."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from bson import ObjectId

from actors.errors import OutcomeUnknown, StoreRejected, StoreUnavailable
from actors.store import Committed, EvidenceQuery, LogQuery, Stale
from actors.store.mongo.store import MongoStore
from actors.store.schema import LOGS, NODE_STATE, ORDERS
from tests.contract.backdoor import MongoBackdoor
from tests.contract.cases import (
    FIRST,
    LATEST,
    SECOND,
    applied,
    change,
    commit_one,
    committed,
    decide,
    jobs,
    loaded,
    logged_jobs,
    order_document,
    scan,
    whole_log,
)
from tests.contract.conftest import Driver, mongo_of
from tests.proxy import Wire as Proxy
from tests.proxy import Wires
from tests.servers import MongoReplicaSet, MongoServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator

    from actors.domain.model import WorkOrderId
    from tests.proxy import Part
    from tests.servers import Databases

TIMEOUT_S = 1.5

# PyMongo leaves a socket behind when it is closed while it looks for a server that is gone.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.usefixtures("drivers_leavings"),
]


@pytest.fixture(params=["motor", "pymongo"])
def driver(request: pytest.FixtureRequest) -> Driver:
    driver: Driver = request.param
    return driver


@dataclass(frozen=True, slots=True)
class Wire:
    """A store behind a proxy, and one that reaches the same database directly."""

    store: MongoStore
    direct: MongoStore
    proxy: Proxy
    backdoor: MongoBackdoor
    order_id: WorkOrderId


@pytest.fixture
async def wire(
    request: pytest.FixtureRequest, databases: Databases, database_name: str
) -> AsyncIterator[Wire]:
    server, driver = mongo_of(request)
    member: MongoServer = server.primary() if isinstance(server, MongoReplicaSet) else server
    async with AsyncExitStack() as undo:
        backdoor = MongoBackdoor(databases.client(server), database_name)
        proxy = undo.enter_context(Wires()).to(member.port)
        uri = f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true"
        store = MongoStore(uri, database_name, driver=driver, timeout_s=TIMEOUT_S)
        direct = MongoStore(server.uri, database_name, driver=driver)
        for each in (store, direct):
            undo.push_async_callback(each.close)
            await each.open()
        document = order_document()
        backdoor.put_order(document)
        yield Wire(store, direct, proxy, backdoor, document["_id"])


@pytest.mark.parametrize("loss", ["command", "answer"])
async def test_a_commit_without_an_answer_is_unknown_and_settled_exactly_once(
    wire: Wire, loss: Part
) -> None:
    one, two = change(1, key="k"), change(2)
    made = decide(await loaded(wire.store, wire.order_id), one, two)
    wire.proxy.lose(loss, "update", ORDERS)

    with pytest.raises(OutcomeUnknown):
        await wire.store.commit(FIRST, [made])
    assert wire.proxy.mishaps
    with pytest.raises(OutcomeUnknown):
        await wire.store.commit(FIRST, [made])
    wire.proxy.passes()

    for _ in range(2):
        result = await commit_one(wire.store, made)
        assert isinstance(result, Committed)
        assert (result.order.seq, result.order.state.input_quantity) == (2, 3)
    await wire.store.relay(made.outcomes)
    assert await logged_jobs(wire.store, wire.order_id) == jobs(one, two)
    assert wire.backdoor.order(wire.order_id)["inputQuantity"] == 3


async def test_an_applied_commit_whose_answer_was_lost_is_found_after_later_ones(
    wire: Wire,
) -> None:
    made = decide(await loaded(wire.store, wire.order_id), change(1))
    wire.proxy.lose("answer", "update", ORDERS)
    with pytest.raises(OutcomeUnknown):
        await wire.store.commit(FIRST, [made])
    wire.proxy.passes()
    # A successor takes the order over, relays what is in the outbox, and goes on.
    taken = await loaded(wire.direct, wire.order_id)
    await wire.direct.relay(taken.outbox)
    await applied(wire.direct, taken, change(2), epoch=SECOND)

    result = await commit_one(wire.store, made)

    assert isinstance(result, Committed)
    assert (result.order.seq, result.order.epoch) == (2, SECOND)
    assert len(await whole_log(wire.store, wire.order_id)) == 2


async def test_a_lost_commit_that_was_burnt_is_never_applied(wire: Wire) -> None:
    before = await loaded(wire.store, wire.order_id)
    made = decide(before, change(1))
    wire.proxy.lose("command", "update", ORDERS)
    with pytest.raises(OutcomeUnknown):
        await wire.store.commit(FIRST, [made])
    with pytest.raises(OutcomeUnknown):
        await wire.store.invalidate(FIRST, before)
    wire.proxy.passes()

    await wire.store.invalidate(FIRST, before)

    assert isinstance(await commit_one(wire.store, made), Stale)
    assert await whole_log(wire.store, wire.order_id) == []


async def test_of_a_batch_without_an_answer_each_order_is_settled_exactly_once(
    wire: Wire,
) -> None:
    documents = [order_document() for _ in range(20)]
    for document in documents:
        wire.backdoor.put_order(document)
    orders = await wire.store.load([each["_id"] for each in documents])
    changes = [decide(each, change(1)) for each in orders if each is not None]
    for each in changes[::3]:
        wire.backdoor.edit_order(each.before.id, {"scrapQuantity": 9})
    wire.proxy.lose("answer", "update", ORDERS)
    with pytest.raises(OutcomeUnknown):
        await wire.store.commit(FIRST, changes)
    wire.proxy.passes()

    results = await wire.store.commit(FIRST, changes)

    for number, (each, result) in enumerate(zip(changes, results, strict=True)):
        assert isinstance(result, Stale if number % 3 == 0 else Committed)
        expected = 0 if number % 3 == 0 else 1
        assert wire.backdoor.order(each.before.id)["inputQuantity"] == expected
        assert len(await whole_log(wire.store, each.before.id)) == expected


@pytest.mark.parametrize("loss", ["command", "answer"])
async def test_a_relay_without_an_answer_is_repeated_without_harm(wire: Wire, loss: Part) -> None:
    made = decide(await loaded(wire.store, wire.order_id), change(1), change(2))
    await committed(wire.store, made, relayed=False)
    wire.proxy.lose(loss, "insert", LOGS)
    with pytest.raises((OutcomeUnknown, StoreUnavailable)):
        await wire.store.relay(made.outcomes)
    assert len(await whole_log(wire.direct, wire.order_id)) == 2
    wire.proxy.passes()

    await wire.store.relay(made.outcomes)

    assert [each["planServer"]["seq"] for each in wire.backdoor.logs(wire.order_id)] == [1, 2]


async def test_a_claim_without_an_answer_uses_its_epoch_up(wire: Wire) -> None:
    first = await wire.store.claim_epoch("node")
    wire.proxy.lose("answer", "findAndModify", NODE_STATE)
    with pytest.raises((OutcomeUnknown, StoreUnavailable)):
        await wire.store.claim_epoch("node")
    wire.proxy.passes()
    assert await wire.store.claim_epoch("node") > first + 1


async def test_a_change_that_the_collection_s_rules_refuse_fails_alone(wire: Wire) -> None:
    other = order_document()
    wire.backdoor.put_order(other)
    refused = decide(await loaded(wire.store, wire.order_id), change(5))
    sound = decide(await loaded(wire.store, other["_id"]), change(4))
    wire.backdoor.database.command("collMod", ORDERS, validator={"inputQuantity": {"$lt": 5}})

    results = await wire.store.commit(FIRST, [refused, sound])

    assert [type(each) for each in results] == [StoreRejected, Committed]
    assert wire.backdoor.order(wire.order_id)["inputQuantity"] == 0


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    with MongoServer(tmp_path_factory.mktemp("own-mongo")) as server:
        yield server


@dataclass(frozen=True, slots=True)
class Doomed:
    """A store whose server the test may stop."""

    server: MongoServer
    store: MongoStore
    order_id: WorkOrderId


@pytest.fixture
async def doomed(own_server: MongoServer, driver: Driver) -> AsyncIterator[Doomed]:
    if not own_server.running:
        await asyncio.to_thread(own_server.start)
    name = f"test_{driver}"
    store = MongoStore(own_server.uri, name, driver=driver, timeout_s=TIMEOUT_S)
    await store.open()
    document = order_document()
    await store.insert_orders([document])
    yield Doomed(own_server, store, document["_id"])
    await asyncio.to_thread(own_server.resume)
    await store.close()


async def all_unavailable(*calls: Coroutine[Any, Any, object]) -> None:
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(each) for each in answers} == {StoreUnavailable}


async def test_a_server_that_is_gone_makes_the_store_unavailable_until_it_is_back(
    doomed: Doomed,
) -> None:
    store, order_id = doomed.store, doomed.order_id
    first = await applied(store, order_id, scan(key="k"))
    made = decide(first.order, change(1))
    await asyncio.to_thread(doomed.server.kill)

    await all_unavailable(
        store.ping(),
        store.epoch(),
        store.paused(),
        store.load([order_id]),
        store.evidence([EvidenceQuery(order_id, barcodes=frozenset(["SN-1"]))]),
        store.detail(order_id),
        store.log_page(LogQuery(order_id)),
        store.dirty(10),
    )
    # By now the driver knows that nobody is there: nothing is sent.
    await all_unavailable(
        store.commit(FIRST, [made]),
        store.relay(first.changes.outcomes),
        store.trim(FIRST, [first.order]),
        store.invalidate(FIRST, first.order),
        store.claim_epoch("node"),
        store.set_paused(LATEST, paused=True),
        store.insert_orders([order_document()]),
    )

    await asyncio.to_thread(doomed.server.start)
    await store.ping()
    assert (await loaded(store, order_id)).seq == 1, "acknowledged is durable"
    await committed(store, made)
    assert len(await whole_log(store, order_id)) == 2


async def test_a_commit_under_way_when_the_server_dies_is_settled_when_it_is_back(
    doomed: Doomed,
) -> None:
    store, order_id = doomed.store, doomed.order_id
    order = await loaded(store, order_id)
    made = decide(order, change(1))
    # Answers nothing any more, and takes the commit to its grave.
    await asyncio.to_thread(doomed.server.pause)
    with pytest.raises(OutcomeUnknown):
        await store.commit(FIRST, [made])
    await asyncio.to_thread(doomed.server.kill)
    await asyncio.to_thread(doomed.server.start)

    assert isinstance(await commit_one(store, made), Committed)
    assert len(await whole_log(store, order_id)) == 1


async def test_a_server_that_is_frozen_is_told_from_one_that_answers(doomed: Doomed) -> None:
    store, order_id = doomed.store, doomed.order_id
    made = decide(await loaded(store, order_id), change(1))
    await asyncio.to_thread(doomed.server.pause)
    with pytest.raises(OutcomeUnknown):
        await store.commit(FIRST, [made])
    with pytest.raises(StoreUnavailable):
        await store.load([order_id])
    await asyncio.to_thread(doomed.server.resume)

    result = await commit_one(store, made)

    assert isinstance(result, Committed)
    assert (await loaded(store, order_id)).state.input_quantity == 1
    assert len(await whole_log(store, order_id)) == 1


async def test_closing_does_not_wait_for_a_server_that_is_frozen(doomed: Doomed) -> None:
    await doomed.store.load([doomed.order_id])
    await asyncio.to_thread(doomed.server.pause)

    closing = asyncio.create_task(doomed.store.close())
    await asyncio.sleep(0)
    assert not closing.done(), "the loop went on while the driver says good-bye"
    await asyncio.wait_for(closing, 20 * TIMEOUT_S)


async def test_a_document_that_would_be_too_large_is_rejected_for_good_and_alone(
    wire: Wire,
) -> None:
    other = order_document()
    await wire.direct.insert_orders([other])
    large = decide(
        await loaded(wire.direct, wire.order_id),
        *(change(remark="🏭" * 2_000, reason="🏭" * 2_000) for _ in range(1_100)),
    )
    small = decide(await loaded(wire.direct, other["_id"]), change(1))

    refused, done = await wire.direct.commit(FIRST, [large, small])

    assert isinstance(refused, StoreRejected)
    assert isinstance(done, Committed)
    assert await whole_log(wire.direct, wire.order_id) == []


async def test_the_line_is_text_in_the_log_and_an_entry_that_has_it_as_an_id_reads_alike(
    wire: Wire,
) -> None:
    await applied(wire.direct, wire.order_id, change(1))
    log = wire.backdoor.database[LOGS]
    stored = log.find_one({"workOrderId": ObjectId(wire.order_id)})
    assert stored is not None
    types = {name: type(stored[name]) for name in stored if name.endswith(("Id", "_id"))}
    assert types == {
        "_id": ObjectId,
        "workOrderId": ObjectId,
        "materialId": ObjectId,
        "productionLineId": str,
        "processStepId": type(None),
        "operatorId": str,
    }
    [as_text] = await whole_log(wire.direct, wire.order_id)

    line = ObjectId(stored["productionLineId"])
    log.update_one({"_id": stored["_id"]}, {"$set": {"productionLineId": line}})

    assert await whole_log(wire.direct, wire.order_id) == [as_text]
