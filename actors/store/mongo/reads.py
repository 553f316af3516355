"""What is read from MongoDB before changes are decided: orders, and what their log says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bson import ObjectId

from actors.domain.evidence import MOST_MOVES, Evidence, EvidenceQuery, Refusal
from actors.domain.model import (
    Epoch,
    LogEntry,
    OperationEntry,
    WorkOrderId,
)
from actors.domain.slots import SLOTS, WHOLE, Shard, ShardMap
from actors.runtime.slices import in_slices
from actors.store.contexts import request_key
from actors.store.documents import order_from, outcome_from
from actors.store.mongo.bson import as_object_id, note_history
from actors.store.mongo.client import cursor_of, reading
from actors.store.pages import bytes_of
from actors.store.port import MAX_WHOLE, Claim
from actors.store.schema import (
    ARCHIVE,
    INBOX,
    LOGS,
    MATERIALS,
    NODE_STATE,
    OPERATIONS,
    ORDER_FIELDS,
    ORDERS,
    OURS,
    RECORDS,
    REFUSALS,
    ROLLUPS,
)
from actors.store.values import count_from, id_from, mapping_from
from actors.store.views import detail_row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from actors.domain.commit import StoredOrder

BARCODE_INDEX = [("relatedBarcode", 1), ("operateTime", -1)]
_SCANS_INDEX = [("workOrderId", 1), ("relatedBarcode", 1), ("operateTime", -1)]
"""Of inputs only."""
_WHOLE_INDEX = [
    ("workOrderId", 1),
    ("relatedBarcode", 1),
    ("processStepId", 1),
    ("changeType", 1),
    ("operateTime", -1),
]
OUTCOMES = (LogEntry, OperationEntry, Refusal)
"""Each kind is in a collection of its own."""
_FETCHED_AT_ONCE = 100
_FEW = 20
"""Entries that a barcode is expected to have: its steps, in and out."""
_HISTORY = dict.fromkeys(
    (
        "workOrderId",
        "relatedBarcode",
        "processStepId",
        "changeType",
        "changeQuantity",
        "barcodeOperation",
        "operateTime",
        f"{OURS}.seq",
        f"{OURS}.requestedQuantity",
    ),
    1,
)


@dataclass(frozen=True, slots=True)
class Collections:
    """The collections, of either driver, and which of the orders in them are meant."""

    orders: Any
    logs: Any
    materials: Any
    refusals: Any
    state: Any
    inbox: Any
    records: Any
    operations: Any
    rollups: Any
    archive: Any
    shard: Shard = WHOLE

    @property
    def owner(self) -> dict[str, str]:
        """The document of who owns these orders: with several shards, one each."""
        return {"_id": "owner" if self.shard.whole else f"owner:{self.shard.index}"}

    @property
    def fence(self) -> str:
        """The field of the document of pauses that keeps earlier owners of these orders out."""
        return "fence" if self.shard.whole else f"fences.{self.shard.index}"

    @property
    def slots(self) -> dict[str, Any]:
        """The condition of a waiting job of these orders."""
        shard = self.shard
        return {} if shard.whole else {"slot": {"$gte": shard.first, "$lt": shard.end}}

    @property
    def of_outcomes(self) -> tuple[Any, ...]:
        """The collections of outcomes, in the order of `OUTCOMES`."""
        return self.logs, self.operations, self.refusals

    @classmethod
    def of(cls, database: Any) -> Collections:  # noqa: ANN401 -- either driver's database
        """Find them in a database."""
        return cls(
            database[ORDERS],
            database[LOGS],
            database[MATERIALS],
            database[REFUSALS],
            database[NODE_STATE],
            database[INBOX],
            database[RECORDS],
            database[OPERATIONS],
            database[ROLLUPS],
            database[ARCHIVE],
        )


async def fetch(
    cursor: Any,  # noqa: ANN401 -- either driver's
    max_bytes: int | None,
    *,
    at_least: int = 1,
) -> tuple[list[dict[str, Any]], bool]:
    """Read what `cursor` finds, in parts, until it is more than `max_bytes`.

    Gives `at_least` so many documents if there are, and whether there may be more.
    """
    if max_bytes is None:
        return await cursor.to_list(None), False
    found: list[dict[str, Any]] = []
    size = 0
    cursor.batch_size(_FETCHED_AT_ONCE)
    while some := await cursor.to_list(_FETCHED_AT_ONCE):
        found += some
        size += sum(map(bytes_of, some))
        if size > max_bytes and len(found) >= at_least:
            await cursor.close()
            return found, True
    return found, False


def claimed_epoch(state: Mapping[str, Any] | None) -> int:
    """Return the epoch that the node state's document says was claimed last, 0 when none."""
    return count_from((state or {}).get("epoch")) or 0


def shards_in(control: Mapping[str, Any] | None) -> ShardMap:
    """Return the map of shards that the document of pauses holds too; one shard when none."""
    stored = mapping_from((control or {}).get("shards"))
    return ShardMap(
        _number_of_shards(stored.get("count")) or 1,
        count_from(stored.get("version")) or 0,
        _number_of_shards(stored.get("planned")),
    )


def _number_of_shards(value: object) -> int | None:
    count = count_from(value)
    return count if count and count <= SLOTS else None


async def load(at: Collections, ids: Sequence[WorkOrderId]) -> list[StoredOrder | None]:
    """Read orders with their outboxes, in the order of `ids`."""
    with reading():
        found = await at.orders.find(
            {"_id": {"$in": [ObjectId(each) for each in ids]}}, dict.fromkeys(ORDER_FIELDS, 1)
        ).to_list(None)
        materials = await materials_of(at, found)
        seqs = await _log_seqs(at.logs, [order["_id"] for order in found])
        archived = await _archived(at, [order["_id"] for order in found])
        seqs_there = await _log_seqs(at.archive, archived) if archived else {}
    orders = {}
    for document in found:
        material = materials.get(id_from(document.get("materialId")))
        order_id = WorkOrderId(str(document["_id"]))
        seq = max(seqs.get(document["_id"], 0), seqs_there.get(document["_id"], 0))
        order = order_from(document, material, seq)
        orders[order_id] = replace(order, archived=True) if document["_id"] in archived else order
    return [orders.get(each) for each in ids]


async def materials_of(at: Collections, orders: Iterable[Mapping[str, Any]]) -> dict[Any, Any]:
    """Look up the materials of orders."""
    wanted = {id_from(order.get("materialId")) for order in orders} - {None}
    if not wanted:
        return {}
    found = await at.materials.find(
        {"_id": {"$in": [as_object_id(each) for each in wanted]}}, {"FNumber": 1, "FName": 1}
    ).to_list(None)
    return {str(material["_id"]): material for material in found}


async def dirty(at: Collections, limit: int) -> list[WorkOrderId]:
    """Find orders whose outbox is not empty, by a partial index."""
    found: list[WorkOrderId] = []
    with reading():
        cursor = at.orders.find({f"{OURS}.dirty": True}, {"_id": 1})
        while len(found) < limit and (some := await cursor.to_list(limit)):
            ids = (WorkOrderId(str(each["_id"])) for each in some)
            found += [order_id for order_id in ids if at.shard.has(order_id)]
        await cursor.close()
    return found[:limit]


async def detail(at: Collections, order_id: WorkOrderId) -> Mapping[str, Any] | None:
    """Do `Store.detail`."""
    with reading():
        document = await at.orders.find_one({"_id": ObjectId(order_id)}, {OURS: 0})
        return None if document is None else (await details_of(at, [document]))[0]


async def details_of(
    at: Collections, documents: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Return orders as `detail` shows them."""
    materials = await materials_of(at, documents)
    return [detail_row(each, materials.get(id_from(each.get("materialId")))) for each in documents]


async def _archived(at: Collections, ids: Sequence[Any]) -> set[Any]:
    """Return which of the orders have entries in the archive."""
    found = await cursor_of(
        at.archive,
        [
            {"$match": {"workOrderId": {"$in": ids}}},
            {"$sort": {"workOrderId": 1, "operateTime": -1}},  # one index key per order, as below
            {"$group": {"_id": "$workOrderId", "newest": {"$first": "$operateTime"}}},
        ],
    )
    return {each["_id"] async for each in found}


async def _log_seqs(log: Any, ids: Iterable[Any]) -> dict[Any, int]:  # noqa: ANN401 -- either driver's
    """Return the highest seq in the log, or the archive, of each order that has one."""
    highest = await cursor_of(
        log,
        [
            {"$match": {"workOrderId": {"$in": list(ids)}, f"{OURS}.seq": {"$gt": 0}}},
            # In the index's own order backwards: MongoDB reads one index key per order.
            {"$sort": {"workOrderId": -1, f"{OURS}.seq": -1}},
            {"$group": {"_id": "$workOrderId", "seq": {"$first": f"${OURS}.seq"}}},
        ],
    )
    return {each["_id"]: count_from(each["seq"]) or 0 async for each in highest}


async def evidence(at: Collections, queries: Sequence[EvidenceQuery]) -> list[Evidence]:
    """Ask log and refusals for all queries at once; results in the order of `queries`."""
    known = {query.work_order_id: Evidence() for query in queries}
    archived = [query for query in queries if query.archived]
    with reading():
        whole = there = await _note(at, queries, known)
        if archived:  # behind the log: what leaves that is in the archive then
            there = await _note(replace(at, logs=at.archive), archived, known)
    # A copy each: of one order's two askers, one a crashed actor, neither may see what the
    # other adds to it.
    answers = []
    for query in queries:
        read = whole & there if query.archived else whole
        answers.append(Evidence(whole=query.whole and query.work_order_id in read))
        answers[-1].include(known[query.work_order_id])
    return answers


async def _note(
    at: Collections, queries: Sequence[EvidenceQuery], known: Mapping[WorkOrderId, Evidence]
) -> set[WorkOrderId]:
    """Note what the log says; give the orders of which it was read whole."""
    await _note_outcomes(at, queries, known)
    whole = await _note_whole(at, {q.work_order_id for q in queries if q.whole}, known)
    rest = [each for each in queries if not (each.whole and each.work_order_id in whole)]
    await _note_barcodes(at, rest, known)
    return whole


async def _note_outcomes(
    at: Collections, queries: Sequence[EvidenceQuery], known: Mapping[WorkOrderId, Evidence]
) -> None:
    keys = [request_key(q.work_order_id, each) for q in queries for each in q.request_ids]
    jobs = [ObjectId(each) for q in queries for each in q.job_ids]
    conditions: list[dict[str, Any]] = []
    if keys:
        conditions.append({f"{OURS}.requestKey": {"$in": keys}})
    if jobs:
        conditions.append({"_id": {"$in": jobs}})
    for condition in conditions:
        for collection in at.of_outcomes:
            for document in await collection.find(condition).to_list(None):
                outcome = outcome_from(document)
                if outcome.work_order_id in known:
                    known[outcome.work_order_id].note(outcome)


async def _note_whole(
    at: Collections, orders: Iterable[WorkOrderId], known: Mapping[WorkOrderId, Evidence]
) -> set[WorkOrderId]:
    """Read all entries with a barcode of these orders; give the orders that had not too many."""
    left = sorted(map(ObjectId, orders))
    whole: set[WorkOrderId] = set()

    def note(document: Mapping[str, Any]) -> None:
        note_history(known[WorkOrderId(str(document["workOrderId"]))], document)

    while left:
        condition = {"workOrderId": {"$in": left}, "relatedBarcode": {"$gt": ""}}
        # In the order of the index: all that is found is whole, but for the last order.
        found = at.logs.find(condition, _HISTORY).sort(_WHOLE_INDEX).hint(_WHOLE_INDEX)
        documents = await found.limit(MAX_WHOLE + 1).to_list(None)
        cut = documents[-1]["workOrderId"] if len(documents) > MAX_WHOLE else None
        read = [each for each in left if cut is None or each < cut]
        whole.update(WorkOrderId(str(each)) for each in read)
        await in_slices(note, (each for each in documents if each["workOrderId"] != cut))
        # The order that was cut is read again, from its first entry, unless it has too many.
        too_many = cut is not None and documents[0]["workOrderId"] == cut
        left = left[len(read) + too_many :]
    return whole


async def _note_barcodes(
    at: Collections, queries: Sequence[EvidenceQuery], known: Mapping[WorkOrderId, Evidence]
) -> None:
    asking = [query for query in queries if query.barcodes]
    if not asking:
        return
    barcodes = list({each for query in asking for each in query.barcodes})
    # By the barcode alone, so that the limit is on what is read, not on what fits.
    few = MOST_MOVES + _FEW * len(barcodes)
    found = await (
        at.logs.find({"relatedBarcode": {"$in": barcodes}}, _HISTORY)
        .hint(BARCODE_INDEX)
        .limit(few)
        .to_list(None)
    )
    if len(found) == few:
        found = [each async for each in _newest(at, asking)]
    for document in found:
        evidence = known.get(WorkOrderId(str(document.get("workOrderId"))))
        if evidence is not None:
            note_history(evidence, document)


async def _newest(
    at: Collections, asking: Sequence[EvidenceQuery]
) -> AsyncIterator[Mapping[str, Any]]:
    """Read the newest entries of each barcode in each order, one by one: some have very many."""
    for query in asking:
        for barcode in query.barcodes:
            condition = {
                "workOrderId": ObjectId(query.work_order_id),
                "relatedBarcode": barcode,
                "changeType": "input",
            }
            found = at.logs.find(condition, _HISTORY).sort("operateTime", -1).hint(_SCANS_INDEX)
            for document in await found.limit(MOST_MOVES).to_list(None):
                yield document
            # Outputs have no index of one order's: of the barcode's newest in all orders.
            condition = {"relatedBarcode": barcode}
            found = at.logs.find(condition, _HISTORY).sort("operateTime", -1).hint(BARCODE_INDEX)
            for document in await found.limit(MOST_MOVES).to_list(None):
                if document.get("changeType") == "output":
                    yield document


async def claim(at: Collections) -> Claim | None:
    """Read who claimed the highest epoch; the address only if it was left with that epoch."""
    with reading():
        state = await at.state.find_one(at.owner)
    if state is None:
        return None
    left = mapping_from(state.get("at"))
    epoch = claimed_epoch(state)
    url = str(left.get("url", "")) if left.get("epoch") == epoch else ""
    return Claim(Epoch(epoch), str(state.get("node", "")), url)
