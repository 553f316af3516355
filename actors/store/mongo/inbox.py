"""Waiting work in MongoDB: a collection of its own, written by majority and journaled."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from actors.domain.job import JOB_UNREADABLE, Job, JobState
from actors.domain.model import JobId, WorkOrderId
from actors.domain.slots import slot_of
from actors.errors import OutcomeUnknown, StoreRejected
from actors.runtime.slices import in_slices
from actors.store.contexts import request_key
from actors.store.documents import known_outcome
from actors.store.job_documents import job_document, job_from, state_fields
from actors.store.jobs import JobPage, JobQuery, StoredJobs
from actors.store.mongo.bson import as_object_id
from actors.store.mongo.client import (
    UNSTORABLE,
    cursor_of,
    reading,
    refused_writes,
    sent,
    writing,
)
from actors.store.mongo.control import CONTROL, change_control, check, note_slots, unfenced
from actors.store.mongo.reads import fetch
from actors.store.pages import within
from actors.store.values import id_from, mapping_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from actors.domain.evidence import Outcome
    from actors.domain.job import Position, Progress
    from actors.domain.model import Epoch
    from actors.store.mongo.reads import Collections

_DUPLICATE_KEY: Final = 11000
_TRIES: Final = 5
_IN_ORDER: Final = [("epoch", 1), ("n", 1)]
_NEWEST_FIRST: Final = [("finishedAt", -1), ("_id", -1)]
_FINISHED: Final = [JobState.COMPLETED.value, JobState.FAILED.value]
_NOT_FINISHED: Final = {"$nin": _FINISHED}
"""Waiting, or it is not known what: nothing that was accepted is left out."""


class _Rejected(Exception):
    """The server refuses one of the documents for good."""


class MongoInbox:
    """Implements `actors.store.jobs.Inbox` in the collections that `at` gives, once open."""

    def __init__(self, at: Callable[[], Collections]) -> None:
        self._collections = at

    async def add(self, epoch: Epoch, jobs: Sequence[Job]) -> list[Job]:
        """Insert by majority, then look whether the epoch is still ours.

        In this order: who claims a higher epoch reads the inbox after that, so it either sees
        these jobs, or its claim is seen here.
        """
        stored: dict[str, Job] = {}
        missing = jobs
        for tried in range(_TRIES):
            try:
                with sent() if tried else nullcontext(), writing():
                    taken = await self._insert([self._bson(job) for job in missing])
            except (*UNSTORABLE, _Rejected) as error:
                if len(jobs) == 1:
                    raise StoreRejected(str(error)[:300]) from error
                raise
            with sent(), reading():
                stored |= await self._those_there(missing) if taken else _by_name(missing)
            await check(self._at, epoch)
            # What has taken a job's key may be forgotten before it could be read.
            missing = [job for job in jobs if _name(job) not in stored]
            if not missing:
                return [stored[_name(job)] for job in jobs]
        raise OutcomeUnknown("a key was taken and given back again and again")

    async def _insert(self, documents: list[dict[str, Any]]) -> bool:
        """Insert what is missing; tell whether an id or a key was taken."""
        try:
            await self._at.inbox.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            if {each["code"] for each in refused_writes(error)} != {_DUPLICATE_KEY}:
                raise _Rejected(str(error)[:300]) from error
            return True
        return False

    async def _those_there(self, jobs: Sequence[Job]) -> dict[str, Job]:
        """Find the jobs that are kept under the ids or the keys of these."""
        ids = [ObjectId(job.id) for job in jobs]
        keys = [_name(job) for job in jobs if job.change.request_id is not None]
        condition = {"$or": [{"_id": {"$in": ids}}, {"requestKey": {"$in": keys}}]}
        found = await self._at.inbox.find(condition).to_list(None)
        return _by_name(map(job_from, found))

    async def waiting(self) -> list[Job]:
        """Read all that waits, in order."""
        with reading():
            found = self._at.inbox.find({"state": _NOT_FINISHED} | self._at.slots).sort(_IN_ORDER)
            return [job_from(each) async for each in found]

    async def waiting_ids(self) -> list[JobId]:
        """Read the ids of all that waits."""
        with reading():
            if not self._at.shard.whole:  # what came while this shard was not yet one
                await note_slots(self._at)
            found = await self._at.inbox.find(
                {"state": JobState.WAITING.value} | self._at.slots, {"_id": 1}
            ).to_list(None)
        return [JobId(job_id) for each in found if (job_id := id_from(each["_id"]))]

    async def note(self, epoch: Epoch, progress: Sequence[Progress]) -> None:
        """Record what became of jobs, all in one round trip."""
        operations = [
            UpdateOne(
                _expected(epoch, each) | self._at.slots, {"$set": _with_ids(state_fields(each))}
            )
            for each in progress
        ]
        if operations:
            with writing():
                try:
                    await self._at.inbox.bulk_write(operations, ordered=False)
                except BulkWriteError as error:
                    refused_writes(error)
                    raise StoreRejected(str(error)[:300]) from error

    async def requeue(
        self, epoch: Epoch, places: Mapping[JobId, Position], state: JobState
    ) -> list[Job]:
        """Let jobs wait at new places."""
        anew = {} if state is JobState.WAITING else {"forgiven": "$attempts"}
        waiting = {"state": JobState.WAITING.value, "dead": False, "finishedAt": None, **anew}
        operations = [
            UpdateOne(
                {"_id": ObjectId(job_id), "state": state.value} | self._mine(epoch),
                [{"$set": {"epoch": place.epoch, "n": place.n, **waiting}}],
            )
            for job_id, place in places.items()
        ]
        if not operations:
            return []
        with writing():
            await self._at.inbox.bulk_write(operations, ordered=False)
        await check(self._at, epoch)
        ids = [ObjectId(job_id) for job_id in places]
        with sent(), reading():
            found = await self._at.inbox.find({"_id": {"$in": ids}}).sort(_IN_ORDER).to_list(None)
        moved = [job_from(each) for each in found]
        return [job for job in moved if job.dead or places[job.id] == job.position]

    async def find(self, job_id: JobId) -> Job | None:
        """Read a job."""
        with reading():
            found = await self._at.inbox.find_one({"_id": ObjectId(job_id)} | self._at.slots)
        return None if found is None else job_from(found)

    async def page(self, query: JobQuery) -> JobPage:
        """Read a page."""
        condition = _of(query) | self._at.slots
        order = _IN_ORDER if query.state is JobState.WAITING else _NEWEST_FIRST
        start = (query.page - 1) * query.page_size
        with reading():
            total = await self._at.inbox.count_documents(condition)
            found = self._at.inbox.find(condition).sort(order).skip(start).limit(query.page_size)
            rows, _ = await fetch(found, query.max_bytes)
        shown = within(rows, query.max_bytes)
        return JobPage(total, tuple(await in_slices(job_from, shown)))

    async def counts(
        self, work_order_id: WorkOrderId | None = None, error_code: str | None = None
    ) -> StoredJobs:
        """Count by state in one round trip."""
        unreadable = {"$eq": ["$error.code", JOB_UNREADABLE]}
        stages: list[dict[str, Any]] = [
            {"$match": _matching(work_order_id, error_code) | self._at.slots},
            {"$group": {"_id": {"state": "$state", "lost": unreadable}, "jobs": {"$sum": 1}}},
        ]
        with reading():
            groups = await (await cursor_of(self._at.inbox, stages)).to_list(None)
        found: Counter[str] = Counter()
        for group in groups:
            state, lost = group["_id"].get("state"), group["_id"]["lost"]
            found[str(state)] += group["jobs"]
            found[JOB_UNREADABLE] += group["jobs"] if lost and state == JobState.FAILED else 0
        counts = {state.value: found[state.value] for state in JobState}
        return StoredJobs(**counts, unreadable=found[JOB_UNREADABLE])

    async def remove(self, epoch: Epoch, job_id: JobId, state: JobState) -> bool:
        """Delete one job."""
        condition = {"_id": ObjectId(job_id), "state": state.value} | self._mine(epoch)
        with writing():
            result = await self._at.inbox.delete_one(condition)
        await check(self._at, epoch)
        return bool(result.deleted_count)

    async def forget(self, epoch: Epoch, before: datetime) -> int:
        """Delete what finished before then."""
        finished = {"state": {"$in": _FINISHED}, "finishedAt": {"$lt": before}}
        return await self._delete(epoch, finished)

    async def discard(self, epoch: Epoch, query: JobQuery) -> int:
        """Delete what a query is of."""
        return await self._delete(epoch, {"$and": [_of(query), {"state": {"$in": _FINISHED}}]})

    async def _delete(self, epoch: Epoch, condition: dict[str, Any]) -> int:
        with writing():
            result = await self._at.inbox.delete_many(condition | self._mine(epoch))
        await check(self._at, epoch)
        return int(result.deleted_count)

    async def bound(self, epoch: Epoch, kept: int) -> None:
        """Delete the oldest completed and the oldest refused jobs."""
        for state in (JobState.COMPLETED, JobState.FAILED):
            condition = {"state": state.value, "dead": False} | self._mine(epoch)
            with reading():
                oldest = await (
                    self._at.inbox.find(condition, {"finishedAt": 1})
                    .sort([("finishedAt", -1)])
                    .skip(kept)
                    .limit(1)
                    .to_list(None)
                )
            if oldest:
                with writing():
                    await self._at.inbox.delete_many(
                        condition | {"finishedAt": {"$lte": oldest[0]["finishedAt"]}}
                    )

    async def outcome(self, job_id: JobId) -> Outcome | None:
        """Look into the log and its archive, then into the refusals."""
        with reading():
            for collection in (self._at.logs, self._at.archive, self._at.refusals):
                found = await collection.find_one(
                    {"_id": ObjectId(job_id), "planServer": {"$exists": True}}
                )
                if found is not None:
                    return known_outcome(found)
        return None

    async def paused_orders(self) -> frozenset[WorkOrderId]:
        """Read which orders are paused."""
        with reading():
            state = await self._at.state.find_one(CONTROL)
        paused = mapping_from(state).get("pausedOrders")
        ids = map(id_from, paused if isinstance(paused, list) else ())
        return frozenset(WorkOrderId(each) for each in ids if each and self._at.shard.has(each))

    async def set_order_paused(self, epoch: Epoch, order_id: WorkOrderId, *, paused: bool) -> None:
        """Remember by majority whether an order is paused."""
        change = {"pausedOrders": ObjectId(order_id)}
        await change_control(self._at, epoch, {"$addToSet" if paused else "$pull": change})

    def _mine(self, epoch: Epoch) -> dict[str, Any]:
        return {**_mine(epoch), **self._at.slots}

    def _bson(self, job: Job) -> dict[str, Any]:
        document = _with_ids(job_document(job))
        if not self._at.shard.whole:
            document["slot"] = slot_of(job.work_order_id)
        return document

    @property
    def _at(self) -> Collections:
        return self._collections()


def _of(query: JobQuery) -> dict[str, Any]:
    """Return the condition of a query."""
    condition = _matching(query.work_order_id, query.error_code) | {"state": query.state.value}
    if query.dead is not None:
        condition["dead"] = query.dead
    if query.finished_before is not None:
        condition["finishedAt"] = {"$not": {"$gte": query.finished_before}}
    return condition


def _matching(work_order_id: WorkOrderId | None, error_code: str | None) -> dict[str, Any]:
    condition: dict[str, Any] = {}
    if work_order_id is not None:
        condition["workOrderId"] = ObjectId(work_order_id)
    if error_code is not None:
        condition["error.code"] = error_code
    return condition


def _by_name(jobs: Iterable[Job]) -> dict[str, Job]:
    return {_name(job): job for job in jobs}


def _name(job: Job) -> str:
    """Return what no two kept jobs share: the key, or the id of one without."""
    key = job.change.request_id
    return str(job.id) if key is None else request_key(job.work_order_id, key)


def _expected(epoch: Epoch, progress: Progress) -> dict[str, Any]:
    condition: dict[str, Any] = {"_id": as_object_id(progress.job_id)}
    if progress.state is not JobState.COMPLETED:
        # The epoch of a job that can't be read may be anything.
        unreadable = progress.error is not None and progress.error.code == JOB_UNREADABLE
        condition |= {"state": _NOT_FINISHED} | (unfenced if unreadable else _mine)(epoch)
    return condition


def _mine(epoch: Epoch) -> dict[str, Any]:
    """Return the condition of a job that no later owner has accepted, moved or marked."""
    return {"epoch": {"$not": {"$gt": epoch}}} | unfenced(epoch)


def _with_ids(document: dict[str, Any]) -> dict[str, Any]:
    for name in ("_id", "workOrderId"):
        if name in document:
            document[name] = as_object_id(document[name])
    return document
