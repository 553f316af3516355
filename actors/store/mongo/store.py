"""The store on MongoDB, stand-alone or replica set, through motor or PyMongo's async API.

Only calls that both drivers have are used. Writes are acknowledged by a majority and
journaled; what decides about new writes is read with read concern majority.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bson import ObjectId
from pymongo import ReadPreference, UpdateOne
from pymongo.errors import BulkWriteError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from actors.domain.commit import Committed, Stale, StoredOrder
from actors.domain.model import Epoch, LogEntry, Neighbours, WorkOrderId
from actors.errors import (
    RelayRejected,
    StartupError,
    StoreRejected,
    StoreUnavailable,
)
from actors.store.documents import is_same, outcome_from
from actors.store.mongo import families, reads, search
from actors.store.mongo.archive import MongoArchive
from actors.store.mongo.bson import (
    CODEC,
    EncodedOnce,
    changed_fields,
    commit_filter,
    commit_update,
    plan_filter,
    revision_filter,
)
from actors.store.mongo.client import (
    UNSTORABLE,
    Driver,
    connect,
    disconnect,
    prepare,
    reading,
    refused_writes,
    sent,
    writing,
)
from actors.store.mongo.control import CONTROL, change_control, claim_epoch, cluster_secret
from actors.store.mongo.exclusive import Exclusive, exclusive
from actors.store.mongo.inbox import MongoInbox
from actors.store.mongo.log import log_page, operations
from actors.store.mongo.orders import insert_orders
from actors.store.mongo.outcomes import insert_outcomes
from actors.store.mongo.reads import OUTCOMES, Collections, claimed_epoch, evidence, load
from actors.store.mongo.records import MongoRecords
from actors.store.mongo.shard_map import MongoShardMap
from actors.store.mongo.statistics import MongoStatistics
from actors.store.operations import scrap_records
from actors.store.schema import OURS, SCRAPPED
from actors.store.supplements import supplements_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.domain.commit import ChangeSet, CommitResult
    from actors.domain.evidence import Evidence, EvidenceQuery, Outcome
    from actors.domain.slots import Shard
    from actors.store.archive import Archive
    from actors.store.jobs import Inbox
    from actors.store.port import Claim, Found, LogPage, LogQuery, OperationQuery, Trait
    from actors.store.quantities import Statistics
    from actors.store.records import Records


class MongoStore:
    """Implements `actors.store.port.Store`; `timeout_s` bounds each operation."""

    name = "mongodb"

    def __init__(
        self, uri: str, database: str, *, driver: Driver = "motor", timeout_s: float = 5.0
    ) -> None:
        self._uri, self._database_name = uri, database
        self._driver, self._timeout_s = driver, timeout_s
        self._client: Any = None
        self._encoded = EncodedOnce()
        self._of: tuple[MongoStore, Shard] | None = None
        self._at: Collections
        self.inbox: Inbox = MongoInbox(lambda: self._at)
        self.records: Records = MongoRecords(lambda: self._at)
        self._statistics = MongoStatistics(lambda: self._at)
        self.statistics: Statistics = self._statistics
        self.archive: Archive = MongoArchive(lambda: self._at)
        self.exclusive: Exclusive = lambda name: exclusive(self._at, name)

    def __repr__(self) -> str:
        return f"<MongoStore {self._database_name} by {self._driver}>"

    def part(self, shard: Shard) -> MongoStore:
        """Return a store of one shard's orders, over the connections of this one.

        It is opened after this one, and closes nothing.
        """
        store = type(self)(
            self._uri, self._database_name, driver=self._driver, timeout_s=self._timeout_s
        )
        store._of = (self, shard)  # noqa: SLF001 -- of the same class
        return store

    @property
    def shard_map(self) -> MongoShardMap:
        """The map of shards of this database, and the nodes that share them."""
        return MongoShardMap(self._at)

    async def open(self) -> None:
        """Connect and make indexes; raises `StartupError` with one line that says what to do."""
        if self._of is not None:
            whole, shard = self._of
            self._client, self._at = whole._client, replace(whole._at, shard=shard)  # noqa: SLF001
            return
        self._client = connect(self._uri, self._driver, self._timeout_s)
        database = self._client.get_database(
            self._database_name,
            codec_options=CODEC,
            write_concern=WriteConcern(w="majority", j=True),
            read_concern=ReadConcern("majority"),
            # Whatever the URI says: a secondary that lags would hide a key or a scan.
            read_preference=ReadPreference.PRIMARY,
        )
        self._at = Collections.of(database)
        try:
            await prepare(database, self._timeout_s)
        except StartupError:
            await self.close()
            raise
        except PyMongoError as error:
            await self.close()
            reason = str(error).split(", Timeout", 1)[0][:300]
            raise StartupError(f"MongoDB (MONGODB_URI) can't be used: {reason}") from error

    async def close(self) -> None:
        """Give all connections back."""
        client, self._client = self._client, None
        if client is not None and self._of is None:
            await disconnect(client)

    async def ping(self) -> None:
        """Return when a primary answers."""
        if self._client is None:
            raise StoreUnavailable("MongoDB's client is closed")
        with reading():
            await self._client.admin.command("ping")

    async def claim_epoch(self, node: str, *, above: int = 0, url: str = "") -> Epoch:
        """Take the next epoch, by majority."""
        return await claim_epoch(self._at, node, above, url)

    async def claim(self) -> Claim | None:
        """Return who claimed the highest epoch."""
        return await reads.claim(self._at)

    async def cluster_secret(self, fresh: str) -> str:
        """Return the secret that all nodes of this store share."""
        return await cluster_secret(self._at, fresh)

    async def epoch(self) -> Epoch:
        """Return the highest epoch claimed so far."""
        with reading():
            return Epoch(claimed_epoch(await self._at.state.find_one(self._at.owner)))

    # -- reading before a decision -----------------------------------------------------------

    async def load(self, ids: Sequence[WorkOrderId]) -> list[StoredOrder | None]:
        """Read orders with their outboxes."""
        return await load(self._at, ids)

    async def evidence(self, queries: Sequence[EvidenceQuery]) -> list[Evidence]:
        """Ask log and refusals, for all queries at once."""
        return await evidence(self._at, queries)

    # -- committing --------------------------------------------------------------------------

    async def commit(self, epoch: Epoch, changes: Sequence[ChangeSet]) -> list[CommitResult]:
        """Compare-and-set each order in one round trip; supplements are made behind it."""
        if not changes:
            return []
        results = await self._commit(epoch, changes)
        for change, result in zip(changes, results, strict=True):
            if isinstance(result, Committed) and (made := supplements_in(change.outcomes)):
                with sent():
                    await families.make_supplements(self._at, made)
        return results

    async def _commit(self, epoch: Epoch, changes: Sequence[ChangeSet]) -> list[CommitResult]:
        written = [changed_fields(change) for change in changes]
        afters = [
            change.applied(epoch, (*fields, OURS))
            for change, fields in zip(changes, written, strict=True)
        ]
        rejected: dict[int, StoreRejected] = {}
        try:
            updates = [
                UpdateOne(
                    self._filter(epoch, change.before) | plan_filter(change),
                    self._update(epoch, change, fields, after),
                )
                for change, fields, after in zip(changes, written, afters, strict=True)
            ]
            with writing():
                matched = await self._write(updates, rejected)
        except (*UNSTORABLE, StoreRejected) as error:
            if len(changes) == 1:
                return [StoreRejected(str(error)[:300])]
            with sent():
                return [(await self._commit(epoch, [change]))[0] for change in changes]
        if matched == len(changes):
            return [Committed(after) for after in afters]
        with sent():
            return await self._sort_out(changes, rejected)

    # Hooks for the negative controls of the test suite, which break the one or the other.
    _filter = staticmethod(commit_filter)

    def _update(
        self, epoch: Epoch, change: ChangeSet, fields: Mapping[str, Any], after: StoredOrder
    ) -> dict[str, Any]:
        outbox = [self._encoded.give(outcome) for outcome in (*change.carried, *change.outcomes)]
        update = commit_update(epoch, fields, after, outbox)
        if scrapped := scrap_records(change.outcomes):
            update["$push"] = {SCRAPPED: {"$each": scrapped}}
        return update

    async def _write(self, operations: list[UpdateOne], rejected: dict[int, StoreRejected]) -> int:
        """Send the operations; give how many matched, and which the server refuses for good."""
        try:
            return int((await self._at.orders.bulk_write(operations, ordered=False)).matched_count)
        except BulkWriteError as error:
            rejected.update(
                (each["index"], StoreRejected(str(each.get("errmsg"))[:300]))
                for each in refused_writes(error)
            )
            return -1

    async def _sort_out(
        self, changes: Sequence[ChangeSet], rejected: Mapping[int, StoreRejected]
    ) -> list[CommitResult]:
        """Find out which of the changes are stored, after a write that did not match them all."""
        stored = await self.load([change.before.id for change in changes])
        found = await self._find_outcomes(changes, stored)
        results: list[CommitResult] = []
        for index, (change, order) in enumerate(zip(changes, stored, strict=True)):
            if index in rejected:
                results.append(rejected[index])
            elif _is_stored(change, found):
                results.append(Committed(replace(order or change.before, outbox=())))
            else:
                results.append(Stale(order))
        return results

    async def _find_outcomes(
        self, changes: Sequence[ChangeSet], stored: Sequence[StoredOrder | None]
    ) -> dict[str, Outcome]:
        """Find the first and last outcome of each change set, by job, as they are stored.

        In an outbox, or, when a later commit has moved them on, in the log or its archive. The
        outboxes were read before: what is in none of them was never applied.
        """
        wanted = {str(each.change.job_id) for change in changes for each in _ends(change)}
        found: dict[str, Outcome] = {
            outcome.change.job_id: outcome for order in stored if order for outcome in order.outbox
        }
        rest = [ObjectId(job_id) for job_id in wanted - found.keys()]
        if rest:
            with reading():
                for collection in (*self._at.of_outcomes, self._at.archive):
                    for document in await collection.find({"_id": {"$in": rest}}).to_list(None):
                        found[str(document["_id"])] = outcome_from(document)
        return found

    async def invalidate(self, epoch: Epoch, order: StoredOrder) -> None:
        """Advance the turn, so that no attempt decided on `order` can match any more."""
        spent = {
            "epoch": epoch,
            "seq": order.seq,
            "turn": order.revision + 1,
            "outbox": [],
        }
        fields: dict[str, Any] = {f"{OURS}.turn": order.revision + 1, f"{OURS}.epoch": epoch}
        with writing():
            await self._at.orders.update_one(
                revision_filter(epoch, order), {"$set": fields if order.adopted else {OURS: spent}}
            )

    # -- the log -----------------------------------------------------------------------------

    async def relay(self, outcomes: Sequence[Outcome]) -> None:
        """Insert outcomes into log and refusals, by majority; a second time does no harm."""
        await families.make_supplements(self._at, supplements_in(outcomes))
        refused: dict[str, str] = {}
        for collection, kind in zip(self._at.of_outcomes, OUTCOMES, strict=True):
            some = [each for each in outcomes if isinstance(each, kind)]
            if some:
                refused |= await insert_outcomes(collection, some, self._encoded)
        # Behind the insertion: what breaks off before it is relayed, and marked, once more.
        await self._statistics.mark_late(
            each.operate_time for each in outcomes if isinstance(each, LogEntry)
        )
        for outcome in outcomes:
            if outcome.change.job_id not in refused:
                self._encoded.forget(outcome)
        if refused:
            raise RelayRejected(frozenset(refused), next(iter(refused.values())))

    async def trim(self, epoch: Epoch, orders: Sequence[StoredOrder]) -> None:
        """Empty outboxes whose outcomes the log holds."""
        empty = {"$set": {f"{OURS}.outbox": []}, "$unset": {f"{OURS}.dirty": ""}}
        # An order that was never ours has none; a place for it would look like another's write.
        updates = [
            UpdateOne(revision_filter(epoch, each), empty) for each in orders if each.adopted
        ]
        if updates:
            with writing():
                await self._at.orders.bulk_write(updates, ordered=False)

    async def dirty(self, limit: int) -> list[WorkOrderId]:
        """Find orders whose outbox is not empty, by a partial index."""
        return await reads.dirty(self._at, limit)

    # -- for readers -------------------------------------------------------------------------

    async def detail(self, order_id: WorkOrderId) -> Mapping[str, Any] | None:
        """Read an order as `detail/:id` shows it."""
        return await reads.detail(self._at, order_id)

    async def neighbours(self, order_id: WorkOrderId) -> Neighbours | None:
        """Read what the order shares with others, and how these are."""
        return await families.neighbours(self._at, order_id)

    async def closable(self, order_id: WorkOrderId | None) -> list[WorkOrderId]:
        """Find originals whose supplements are all done."""
        return await families.closable(self._at, order_id)

    async def next_order(self, order_id: WorkOrderId) -> WorkOrderId | None:
        """Find the order that is next on a line."""
        return await families.next_order(self._at, order_id)

    async def search(self, text: str, limit: int) -> Sequence[Mapping[str, Any]]:
        """Find orders by the beginning of their id or number."""
        return await search.search(self._at, text, limit)

    async def numbers(self, ids: Sequence[WorkOrderId]) -> Mapping[WorkOrderId, str]:
        """Return the numbers of orders."""
        return await search.numbers(self._at, ids)

    async def search_by(self, trait: Trait, text: str, limit: int) -> Found:
        """Find orders by a part of their number, or by what their log has."""
        return await search.search_by(self._at, trait, text, limit)

    async def log_page(self, query: LogQuery) -> LogPage:
        """Read a page of the log, the outbox merged in."""
        with reading():
            return await log_page(self._at, query)

    async def operations(self, query: OperationQuery) -> Sequence[Mapping[str, Any]]:
        """Read operations, the outbox merged in."""
        with reading():
            return await operations(self._at.orders, self._at.operations, query)

    async def paused(self) -> bool:
        """Return whether processing is paused."""
        with reading():
            state = await self._at.state.find_one(CONTROL)
        return bool(state and state.get("paused"))

    async def set_paused(self, epoch: Epoch, *, paused: bool) -> None:
        """Remember by majority whether processing is paused."""
        await change_control(self._at, epoch, {"$set": {"paused": paused}})

    async def insert_orders(self, documents: Sequence[Mapping[str, Any]]) -> int:
        """Add orders whose `_id` or number is new."""
        return await insert_orders(self._at, documents)


def _ends(change: ChangeSet) -> tuple[Outcome, ...]:
    """Return the first and the last outcome: a change set is applied as a whole or not at all."""
    return change.outcomes[:1] + change.outcomes[-1:]


def _is_stored(change: ChangeSet, found: Mapping[str, Outcome]) -> bool:
    ends = _ends(change)
    return bool(ends) and all(is_same(found.get(each.change.job_id), each) for each in ends)
