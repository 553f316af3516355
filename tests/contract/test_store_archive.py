"""Entries of orders that ended leave the log and come back; for readers they never moved."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from bson import ObjectId

from actors.domain.decide import questions
from actors.domain.model import RequestId
from actors.errors import StoreRejected
from actors.store import Committed, EvidenceQuery, LogQuery, Stale
from actors.store.archive import Moved
from actors.store.mongo import archive as mongo_archive
from actors.store.mongo.archive import MongoArchive
from actors.store.port import Trait
from actors.store.quantities import Calendar, Dimension, QuantityQuery
from actors.store.schema import ARCHIVE
from tests.contract.backdoor import MongoBackdoor
from tests.contract.cases import (
    FIRST,
    MORNING,
    applied,
    change,
    commit_one,
    decide,
    loaded,
    old_log_document,
    order_document,
    output,
    scan,
    unbind,
    whole_log,
)
from tests.contract.conftest import FAKES, on_mongo
from tests.contract.logged import rows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.domain.model import WorkOrderId
    from actors.store import Evidence, Store
    from tests.contract.backdoor import Backdoor, RealBackdoor
    from tests.contract.conftest import Database

pytestmark = pytest.mark.adapters
on_fakes = pytest.mark.adapters(*FAKES)
"""On the stores in memory too."""
_BEFORE = MORNING + timedelta(days=1)
_EVERYTHING = QuantityQuery(
    MORNING - timedelta(days=1),
    MORNING + timedelta(days=2),
    group=(Dimension.ORDER, Dimension.DAY),
    calendar=Calendar.of(MORNING.tzinfo, MORNING, _BEFORE, (0,)),
)
_GROUPINGS = [(), (Dimension.PRODUCTION_ORDER, Dimension.HOUR), (Dimension.LINE,)]


class _Stopped(Exception):
    """Whoever moved entries is gone."""


@pytest.fixture(autouse=True)
def _short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongo_archive, "REST_S", 0)


@pytest.fixture
async def ended(store: Store, backdoor: Backdoor, order_id: WorkOrderId) -> WorkOrderId:
    """Let an order end whose entries have keys and barcodes, with one of years ago."""
    made = await applied(
        store, order_id, scan("SN-1", key="first"), scan("SN-2"), unbind("SN-2"), output(100)
    )
    await store.trim(FIRST, [made.order])
    backdoor.put_log(old_log_document(order_id, relatedBarcode="SN-0", operateTime=MORNING))
    return order_id


@pytest.fixture
async def others(store: Store, backdoor: Backdoor, ended: WorkOrderId) -> list[WorkOrderId]:  # noqa: ARG001 -- made before
    """Let two orders have entries that stay: one is at work, one has ended just now."""
    found = []
    for at, count in ((MORNING, 7), (_BEFORE, 100)):
        document = order_document()
        backdoor.put_order(document)
        made = await applied(store, document["_id"], output(count, related_barcode="SN-1"), at=at)
        await store.trim(FIRST, [made.order])
        found.append(document["_id"])
    return found


async def _known(store: Store, order_id: WorkOrderId) -> Evidence:
    query = EvidenceQuery(
        order_id,
        frozenset({RequestId("first")}),
        barcodes=frozenset({"SN-1", "SN-2"}),
        archived=(await loaded(store, order_id)).archived,
    )
    [found] = await store.evidence([query])
    [whole] = await store.evidence([replace(query, whole=True)])
    assert whole.whole
    assert set(whole.moves) == {"SN-0", "SN-1", "SN-2"}
    assert [whole.moves[each] for each in found.moves] == list(found.moves.values())
    return found


async def _seen(store: Store, orders: list[WorkOrderId]) -> dict[str, Any]:
    """Return all that readers are told of orders, of which the first is to be moved."""
    first = orders[0]
    pages = [
        await store.log_page(LogQuery(first, page, 2, since=since))
        for page in (1, 2, 3)
        for since in (None, MORNING)
    ]
    known = await _known(store, first)
    job = known.by_request[RequestId("first")].change.job_id
    searched = [
        await store.search_by(*each, 10) for each in ((Trait.BARCODE, "SN-1"), (Trait.KEY, "first"))
    ]
    return {
        "logs": [await whole_log(store, each) for each in orders],
        "pages": pages,
        "known": known,
        "outcome": await store.inbox.outcome(job),
        "found": [sorted(order["workOrderNo"] for order in each.orders) for each in searched],
        "sums": await rows(store, _EVERYTHING),
        "sum": [await rows(store, replace(_EVERYTHING, group=each)) for each in _GROUPINGS],
        "seq": (await loaded(store, first)).seq,
    }


async def _moved(step: Callable[[], Awaitable[Moved | None]]) -> Moved:
    total = Moved()
    while some := await step():
        total += some
    return total


def _watch(
    store: Store, monkeypatch: pytest.MonkeyPatch, look: Callable[[], Awaitable[None]]
) -> None:
    """Look between all steps of a batch, and between any two parts of them."""
    monkeypatch.setattr(mongo_archive, "_AT_ONCE", 2)
    monkeypatch.setattr(store.archive, "rest", look, raising=False)


async def test_readers_see_the_same_before_and_after_and_all_the_while(
    store: Store,
    backdoor: Backdoor,
    ended: WorkOrderId,
    others: list[WorkOrderId],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    orders, looks = [ended, *others], []
    before = await _seen(store, orders)

    async def look() -> None:
        assert await _seen(store, orders) == before
        looks.append(1)

    _watch(store, monkeypatch, look)
    log = backdoor.logs(ended)

    assert await store.archive.old(_BEFORE) == Moved(1, 5)
    assert await _moved(lambda: store.archive.move(_BEFORE)) == Moved(1, 5)
    assert backdoor.logs(ended) == []
    assert [len(backdoor.logs(each)) for each in others] == [1, 1]
    assert await _seen(store, orders) == before
    assert await store.archive.old(_BEFORE) == Moved()
    assert await store.archive.kept() == await store.archive.kept([ended]) == Moved(1, 5)
    assert await store.archive.kept(others) == Moved()

    assert await _moved(store.archive.restore) == Moved(1, 5)
    ours = {"planServerRestored", "planServerBatch"}
    assert log == [
        {name: each[name] for name in each if name not in ours} for each in backdoor.logs(ended)
    ]
    assert await _seen(store, orders) == before
    # They have come back to stay for as long as new ones.
    assert await store.archive.move(_BEFORE) is None
    assert await store.archive.restore() is None
    assert len(looks) == (4 if isinstance(backdoor, MongoBackdoor) else 0)


async def test_roll_ups_stay_right(
    store: Store, ended: WorkOrderId, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def roll_up() -> None:
        await store.statistics.rebuild()
        while await store.statistics.roll_up(None, (0,), _BEFORE):
            pass
        assert await rows(store, _EVERYTHING) == before
        assert await store.statistics.recheck() == 0

    before = await rows(store, _EVERYTHING)
    assert before
    await roll_up()
    _watch(store, monkeypatch, roll_up)
    await _moved(lambda: store.archive.move(_BEFORE))
    await roll_up()
    await _moved(lambda: store.archive.restore([ended]))
    await roll_up()


async def test_who_decided_without_the_archive_finds_his_commit_stale(
    store: Store, ended: WorkOrderId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In MongoDB; on SQLite there is nothing that he could not have known."""
    known = await loaded(store, ended)
    late = decide(known, output(-1))
    stale = []

    async def look() -> None:
        stale.append(await loaded(store, ended))

    _watch(store, monkeypatch, look)
    await _moved(lambda: store.archive.move(_BEFORE))
    result = await commit_one(store, late)
    if store.name == "mongodb":
        assert isinstance(result, Stale)
        assert result.current is not None
        assert result.current.archived
        assert [each.archived for each in stale] == [False, True]
        asked = questions(ended, [scan("SN-1")], frozenset(), archived=True)
        assert asked is not None
        assert asked.archived


async def test_an_order_goes_on_where_its_archived_log_ended(
    store: Store, backdoor: RealBackdoor, ended: WorkOrderId
) -> None:
    old = await loaded(store, ended)
    await _moved(lambda: store.archive.move(_BEFORE))
    made = await applied(store, ended, output(-1, key="later"))
    assert [each.seq for each in made.changes.outcomes] == [5]  # type: ignore[union-attr]
    assert made.order.archived == (store.name == "mongodb")
    assert [each["seq"] for each in await whole_log(store, ended)] == [5, 4, 3, 2, 1, None]
    # Also where somebody takes away what is ours.
    await store.trim(FIRST, [made.order])
    backdoor.edit_order(ended, {}, without=("planServer",))
    backdoor.delete_logs(ended)
    assert (await loaded(store, ended)).seq == old.seq == 4
    await _moved(store.archive.restore)
    assert [each["seq"] for each in await whole_log(store, ended)] == [4, 3, 2, 1, None]


@on_fakes
async def test_a_commit_whose_answer_was_lost_is_found_in_the_archive(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    made = await applied(store, order_id, output(100))
    await store.trim(FIRST, [made.order])
    await _moved(lambda: store.archive.move(_BEFORE))
    assert backdoor.logs(order_id) == []
    result = await commit_one(store, made.changes)
    assert isinstance(result, Committed)
    assert (await loaded(store, order_id)).state.output_quantity == 100


@on_fakes
async def test_orders_that_are_at_work_or_not_emptied_stay(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    made = await applied(store, order_id, output(100))
    if store.name == "mongodb":
        assert await store.archive.move(_BEFORE) is None  # its outbox is not empty
    await store.trim(FIRST, [made.order])
    backdoor.edit_order(order_id, {"status": "PAUSED"})
    assert await store.archive.move(_BEFORE) is None
    backdoor.edit_order(order_id, {"status": "CANCELLED"})
    assert await store.archive.move(MORNING) is None
    assert await store.archive.move(_BEFORE) == Moved(1, 1)
    assert await store.archive.restore([]) is None


async def test_an_order_that_goes_on_meanwhile_stays(
    store: Store, backdoor: Backdoor, ended: WorkOrderId, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not isinstance(store.archive, MongoArchive):
        return  # nothing comes in between

    async def go_on() -> None:
        if not counts:
            counts.append(await applied(store, ended, output(-1)))
        assert len(await whole_log(store, ended)) == 6

    counts: list[Any] = []
    _watch(store, monkeypatch, go_on)
    assert await store.archive.move(_BEFORE) == Moved(0, 0)
    assert len(backdoor.logs(ended)) == 6
    assert not (await loaded(store, ended)).archived
    assert await store.archive.move(_BEFORE) is None


@on_fakes
async def test_what_has_moved_is_known_as_before_and_comes_back(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    made = await applied(store, order_id, scan("SN-1", key="first"), output(100))
    await store.trim(FIRST, [made.order])
    order, log = await loaded(store, order_id), await whole_log(store, order_id)

    async def known() -> Evidence:
        archived = (await loaded(store, order_id)).archived
        asked = questions(order_id, [scan("SN-1", key="first")], frozenset(), archived=archived)
        assert asked is not None
        [found] = await store.evidence([asked])
        return found

    before = await known()
    assert before.by_request
    assert before.moves
    for step, left in ((lambda: store.archive.move(_BEFORE), 0), (store.archive.restore, 2)):
        assert await _moved(step) == Moved(1, 2)
        assert len(backdoor.logs(order_id)) == left
        assert await store.archive.kept() == (Moved() if left else Moved(1, 2))
        assert await whole_log(store, order_id) == log
        assert await known() == before
        found = await loaded(store, order_id)
        assert (found.seq, found.state) == (order.seq, order.state)
        job = before.by_request[RequestId("first")].change.job_id
        assert await store.inbox.outcome(job) == before.by_request[RequestId("first")]
    assert await store.archive.old(_BEFORE) == Moved()  # they stay as long as new ones
    assert await store.archive.move(_BEFORE) is None


@on_mongo
@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("back", [False, True])
async def test_a_batch_that_was_left_is_finished_by_whoever_comes_next(
    database: Database,
    store: Store,
    ended: WorkOrderId,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    back: bool,  # noqa: FBT001 -- a case
) -> None:
    if back:
        await _moved(lambda: store.archive.move(_BEFORE))
    before = await _seen(store, [ended])
    rests = []

    async def stop() -> None:
        rests.append(1)
        if len(rests) == step:
            raise _Stopped

    _watch(store, monkeypatch, stop)
    with pytest.raises(_Stopped):
        await (store.archive.restore() if back else store.archive.move(_BEFORE))
    assert await _seen(store, [ended]) == before
    async with database.opened() as another:
        assert await another.archive.move(_BEFORE) == Moved(1, 5)
        assert await _seen(another, [ended]) == before
        assert (await loaded(another, ended)).archived != back


@on_mongo
async def test_what_a_mover_of_the_past_deletes_is_not_what_came_back(
    store: Store, database: Database, ended: WorkOrderId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sleeps before its last step; the batch is finished, and all is brought back."""
    asleep, awake = asyncio.Event(), asyncio.Event()
    delete = MongoArchive._delete_originals  # noqa: SLF001

    async def late(self: MongoArchive, state: Any) -> int:  # noqa: ANN401
        if self is not store.archive:
            return await delete(self, state)
        asleep.set()
        await awake.wait()
        # As if it had read what is copied before it fell asleep.
        at = self._collections()
        copies = [{**each} for each in archived]
        await at.archive.insert_many(copies)
        count = await delete(self, state)
        await at.archive.delete_many({"_id": {"$in": [each["_id"] for each in copies]}})
        return count

    monkeypatch.setattr(MongoArchive, "_delete_originals", late)
    moving = asyncio.create_task(store.archive.move(_BEFORE))
    await asyncio.wait_for(asleep.wait(), 60)
    before = await _seen(store, [ended])
    assert isinstance(database.backdoor, MongoBackdoor)
    archived = list(database.backdoor.database[ARCHIVE].find({}))
    async with database.opened() as another:
        await _moved(lambda: another.archive.move(_BEFORE))
        await _moved(another.archive.restore)
    awake.set()
    await moving
    assert len(database.backdoor.logs(ended)) == 5
    assert await _seen(store, [ended]) == before


async def test_what_finds_its_place_taken_stays_in_the_archive(
    store: Store, backdoor: RealBackdoor, ended: WorkOrderId, others: list[WorkOrderId]
) -> None:
    before = backdoor.logs(ended)
    await _moved(lambda: store.archive.move(_BEFORE + timedelta(days=1)))
    assert backdoor.logs(others[1]) == []
    for again in (1, 2):
        backdoor.put_log(before[-1] | {"_id": str(ObjectId())})
        with pytest.raises(StoreRejected):
            await _moved(store.archive.restore)
        assert len(backdoor.logs(ended)) == 1, again
        backdoor.delete_logs(ended)
    await _moved(store.archive.restore)
    assert [len(backdoor.logs(each)) for each in (ended, others[1])] == [5, 1]


async def test_a_long_log_is_moved_in_parts(
    store: Store, backdoor: RealBackdoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_archive, "_ORDERS", 2)
    monkeypatch.setattr(mongo_archive, "_SCANNED", 3)
    orders = [order_document(status="COMPLETED" if n % 2 else "PAUSED") for n in range(9)]
    for each in orders:
        backdoor.put_order(each)
        backdoor.put_logs([old_log_document(each["_id"]) for _ in range(2)])
    made = await applied(store, orders[1]["_id"], change(1))
    await store.trim(FIRST, [made.order])
    backdoor.edit_order(orders[1]["_id"], {"status": "COMPLETED"})
    assert await _moved(lambda: store.archive.move(_BEFORE)) == Moved(4, 9)
    assert [len(backdoor.logs(each["_id"])) for each in orders] == [2, 0] * 4 + [2]
    assert [len(await whole_log(store, each["_id"])) for each in orders] == [2, 3, *[2] * 7]
    assert await _moved(lambda: store.archive.restore([orders[1]["_id"]])) == Moved(1, 3)
    assert await _moved(store.archive.restore) == Moved(3, 6)
