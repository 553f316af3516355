"""The Store port over the simulated database: every call is a packet that may come to harm.

The steps of a call are those of the MongoDB store: one batch of writes, then, when not all of
it matched, a read of the orders, one of their logs' last seq, and one of the outcomes.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from actors.domain.commit import Committed, Stale, StoredOrder
from actors.domain.evidence import Evidence
from actors.domain.model import Epoch, LogEntry
from actors.errors import OutcomeUnknown, RelayRejected, StoreRejected, StoreUnavailable
from actors.store.documents import is_same
from actors.store.port import Claim
from tests.fake_records import MemoryRecords
from tests.fake_views import page_of
from tests.recounted import RecountedStatistics
from tests.sim.archive import SimArchive
from tests.sim.database import stored_order
from tests.sim.evidence import note_barcodes, note_outcomes
from tests.sim.faults import Fate
from tests.sim.inbox import SimInbox

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

    from actors.domain.commit import ChangeSet, CommitResult
    from actors.domain.evidence import EvidenceQuery, Outcome
    from actors.domain.model import Neighbours, WorkOrderId
    from actors.store.archive import Archive
    from actors.store.port import Found, LogPage, LogQuery, OperationQuery, Trait
    from actors.store.quantities import Statistics
    from tests.sim.database import Database
    from tests.sim.evidence import Asked
    from tests.sim.faults import Faults
    from tests.sim.loop import Process, SimLoop


class BrokenDriver(RuntimeError):
    """Stands for whatever a driver's mistake may raise."""


@dataclass(slots=True)
class Network:
    """The way to a server, for all nodes: how long it takes and what goes wrong."""

    loop: SimLoop
    random: Random
    faults: Faults
    timeout_s: float
    latest_s: float
    """How late a packet may still arrive."""
    before_commit: Callable[[WorkOrderId], None]
    """Called as a commit arrives, for others to write just before it."""
    at_write: Callable[[Process], None]
    """Called when a write has been carried out and its answer is not yet on its way."""
    when_late: Callable[[WorkOrderId, float], None]
    """Called with its delay when a commit is held up on its way."""
    down: bool = False
    log_held: bool = False
    cut: set[str] | None = None
    """Processes that can't reach the server."""

    def delay(self) -> float:
        """Return how long a packet takes one way, in seconds."""
        return self.random.uniform(0.0005, 0.008)

    def reaches(self, process: Process) -> bool:
        """Return whether packets of that process arrive now."""
        return not self.down and not (self.cut and process.name in self.cut)


class SimStore:
    """Implements `actors.store.port.Store` for one process."""

    name = "mongodb"

    def __init__(self, database: Database, network: Network, process: Process) -> None:
        self._db, self._net, self._process = database, network, process
        self.commits_in_flight = 0
        self.inbox = SimInbox(database, self)
        self.records = MemoryRecords()
        self.archive: Archive = SimArchive(database, self, network.random)

    async def open(self) -> None:
        """Nothing to connect."""

    async def close(self) -> None:
        """Nothing to give back."""

    async def ping(self) -> None:
        await self.read(lambda: None)

    async def claim_epoch(self, node: str, *, above: int = 0, url: str = "") -> Epoch:
        def step() -> int:
            self._db.top = max(self._db.top, above) + 1
            self._db.claim = Claim(Epoch(self._db.top), node, url)
            return self._db.top

        (epoch,) = await self.write("claim", [step])
        await self.write("fence", [lambda: self._db.inbox.fence_off(epoch)])
        return Epoch(epoch)

    async def claim(self) -> Claim | None:
        claim: Claim | None = await self.read(lambda: self._db.claim)
        return claim

    async def cluster_secret(self, fresh: str) -> str:
        def step() -> str:
            self._db.secret = self._db.secret or fresh
            return self._db.secret

        (secret,) = await self.write("secret", [step])
        return str(secret)

    async def epoch(self) -> Epoch:
        return Epoch(await self.read(lambda: self._db.top))

    # -- reading -------------------------------------------------------------------------------

    async def load(self, ids: Sequence[WorkOrderId]) -> list[StoredOrder | None]:
        found = await self.read(lambda: [self._db.read(each) for each in ids])
        seqs = await self.read(lambda: [self._db.log_seq(each) for each in ids])
        there = [0 for _ in ids]
        if self._db.shelf.batch.number:
            there = await self.read(lambda: [self._db.shelf.seq(each) for each in ids])
        return [
            None
            if each is None
            else replace(
                stored_order(order_id, each[0], each[1], max(seq, also)), archived=also > 0
            )
            for order_id, each, seq, also in zip(ids, found, seqs, there, strict=True)
        ]

    async def evidence(self, queries: Sequence[EvidenceQuery]) -> list[Evidence]:
        found = [Evidence(whole=each.whole) for each in queries]
        asked = list(zip(queries, found, strict=True))
        await self._note(asked, lambda: self._db.logs)
        note_outcomes(asked, await self.read(lambda: list(self._db.refusals.values())))
        if archived := [each for each in asked if each[0].archived]:
            await self._note(archived, lambda: self._db.shelf.entries)
        return found

    async def _note(self, asked: Asked, place: Callable[[], Mapping[str, LogEntry]]) -> None:
        note_outcomes(asked, await self.read(lambda: list(place().values())))
        note_barcodes(asked, await self.read(lambda: list(place().values())))

    # -- committing ----------------------------------------------------------------------------

    async def commit(self, epoch: Epoch, changes: Sequence[ChangeSet]) -> list[CommitResult]:
        steps = [self._commit_step(epoch, each) for each in changes]
        self.commits_in_flight += 1
        try:
            answers = await self.write("commit", steps, [each.before.id for each in changes])
        finally:
            self.commits_in_flight -= 1
        if all(each is True for each in answers):
            return [Committed(_after(epoch, change)) for change in changes]
        return await self._sort_out(changes, answers)

    def _commit_step(self, epoch: Epoch, change: ChangeSet) -> Callable[[], Any]:
        def step() -> bool | StoreRejected:
            self._net.before_commit(change.before.id)
            return self._db.commit(epoch, change)

        return step

    async def _sort_out(
        self, changes: Sequence[ChangeSet], answers: Sequence[bool | StoreRejected]
    ) -> list[CommitResult]:
        stored = await self.load([change.before.id for change in changes])
        wanted = {each.change.job_id for change in changes for each in change.outcomes}
        found: dict[str, Outcome] = {}

        def look(collection: Mapping[str, Outcome]) -> dict[str, Outcome]:
            return {job: collection[job] for job in sorted(wanted) if job in collection}

        for order in stored:
            found |= {each.change.job_id: each for each in (order.outbox if order else ())}
        found = await self.read(lambda: look(self._db.logs)) | found
        found = await self.read(lambda: look(self._db.refusals)) | found
        if self._db.shelf.batch.number:
            found = await self.read(lambda: look(self._db.shelf.entries)) | found
        results: list[CommitResult] = []
        for change, answer, order in zip(changes, answers, stored, strict=True):
            if isinstance(answer, StoreRejected):
                results.append(answer)
            elif change.outcomes and all(
                is_same(found.get(each.change.job_id), each) for each in change.outcomes
            ):
                results.append(Committed(replace(order or change.before, outbox=())))
            else:
                results.append(Stale(order))
        return results

    async def invalidate(self, epoch: Epoch, order: StoredOrder) -> None:
        await self.write("invalidate", [lambda: self._db.invalidate(epoch, order)])

    async def trim(self, epoch: Epoch, orders: Sequence[StoredOrder]) -> None:
        def step(order: StoredOrder) -> Callable[[], None]:
            return lambda: self._db.trim(epoch, order)

        await self.write("trim", [step(each) for each in orders])

    # -- the log -------------------------------------------------------------------------------

    async def relay(self, outcomes: Sequence[Outcome]) -> None:
        def step(outcome: Outcome) -> Callable[[], dict[str, str]]:
            return lambda: self._db.insert([outcome])

        answers = await self.write("relay", [step(each) for each in outcomes])
        refused = {job: reason for each in answers for job, reason in each.items()}
        if refused:
            raise RelayRejected(frozenset(refused), next(iter(refused.values())))

    async def dirty(self, limit: int) -> list[WorkOrderId]:
        return await self.read(  # type: ignore[no-any-return]
            lambda: [
                order_id
                for order_id, document in self._db.orders.items()
                if document.ours and document.ours.outbox
            ][:limit]
        )

    async def paused(self) -> bool:
        return await self.read(lambda: self._db.is_paused)  # type: ignore[no-any-return]

    async def set_paused(self, epoch: Epoch, *, paused: bool) -> None:
        def step() -> None:
            if epoch >= self._db.inbox.fence:
                self._db.is_paused = paused

        await self.write("pause", [step])
        await self.inbox.check(epoch)

    async def detail(self, order_id: WorkOrderId) -> Mapping[str, Any] | None:
        raise NotImplementedError(order_id)

    async def neighbours(self, order_id: WorkOrderId) -> Neighbours | None:
        raise NotImplementedError(order_id)

    def exclusive(self, _name: str) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def closable(self, order_id: WorkOrderId | None) -> list[WorkOrderId]:  # noqa: ARG002
        return []  # no order here is a supplement

    async def next_order(self, order_id: WorkOrderId) -> WorkOrderId | None:
        raise NotImplementedError(order_id)

    async def search(self, text: str, limit: int) -> Sequence[Mapping[str, Any]]:
        raise NotImplementedError(text, limit)

    async def numbers(self, ids: Sequence[WorkOrderId]) -> Mapping[WorkOrderId, str]:
        raise NotImplementedError(ids)

    async def search_by(self, trait: Trait, text: str, limit: int) -> Found:
        raise NotImplementedError(trait, text, limit)

    async def log_page(self, query: LogQuery) -> LogPage:
        entries = await self.read(lambda: self._db.written(query.work_order_id))
        return page_of(entries, query)

    async def operations(self, query: OperationQuery) -> Sequence[Mapping[str, Any]]:
        raise NotImplementedError(query)

    async def insert_orders(self, documents: Sequence[Mapping[str, Any]]) -> int:
        raise NotImplementedError(documents)

    @property
    def statistics(self) -> Statistics:
        return RecountedStatistics(lambda: ())  # nobody asks; nothing is rolled up

    # -- packets -------------------------------------------------------------------------------

    async def read(self, step: Callable[[], Any]) -> Any:  # noqa: ANN401 -- what the step gives
        net, loop = self._net, self._net.loop
        reply: asyncio.Future[Any] = loop.create_future()
        fate = net.faults.of_read(hit=self.commits_in_flight > 0)
        if fate is Fate.REFUSED:
            raise StoreUnavailable("refused")
        if fate is Fate.BROKEN_BEFORE:
            raise BrokenDriver("a read")

        def arrive() -> None:
            if net.reaches(self._process) and fate is not Fate.LOST:
                slow = net.timeout_s * 0.9 if fate is Fate.SLOW else 0.0
                loop.outside(net.delay() + slow, _settle, reply, step())
            else:
                loop.outside(net.timeout_s, _settle, reply, _NO_ANSWER)

        loop.outside(net.delay(), arrive)
        answer = await reply
        if answer is _NO_ANSWER:
            raise StoreUnavailable("no answer")
        return answer

    async def write(
        self, kind: str, steps: Sequence[Callable[[], Any]], orders: Sequence[WorkOrderId] = ()
    ) -> list[Any]:
        net, loop = self._net, self._net.loop
        fate = net.faults.of_write(kind)
        if fate is Fate.REFUSED or (net.down and net.random.random() < 0.5):
            raise StoreUnavailable("refused")
        if fate is Fate.BROKEN_BEFORE:
            raise BrokenDriver(kind)
        reply: asyncio.Future[Any] = loop.create_future()

        def arrive() -> None:
            if kind == "relay" and net.log_held:
                loop.outside(net.timeout_s, _settle, reply, _NO_ANSWER)
            elif net.reaches(self._process):
                self._carry_out(fate, steps, reply, orders)
            elif net.random.random() < 0.5:  # the way there is cut, or the way back
                self._carry_out(Fate.REPLY_LOST, steps, reply, orders)
            else:
                self._carry_out(Fate.LOST, steps, reply, orders)

        loop.outside(net.delay(), arrive)
        answer = await reply
        if answer is _NO_ANSWER:
            raise OutcomeUnknown("no answer")
        if fate is Fate.BROKEN:
            raise BrokenDriver(kind)
        return answer  # type: ignore[no-any-return]

    def _carry_out(
        self,
        fate: Fate,
        steps: Sequence[Callable[[], Any]],
        reply: asyncio.Future[Any],
        orders: Sequence[WorkOrderId],
    ) -> None:
        net, loop = self._net, self._net.loop

        def all_steps() -> list[Any]:
            answers = [step() for step in steps]
            net.at_write(self._process)
            return answers

        soon = net.random.choice((net.delay(), net.timeout_s))
        match fate:
            case Fate.LOST:
                loop.outside(net.timeout_s, _settle, reply, _NO_ANSWER)
            case Fate.REPLY_LOST:
                all_steps()
                loop.outside(soon, _settle, reply, _NO_ANSWER)
            case Fate.HALF:
                for step in steps[: net.random.randrange(len(steps) + 1)]:
                    step()
                loop.outside(soon, _settle, reply, _NO_ANSWER)
            case Fate.LATE:
                late = net.random.uniform(0, net.latest_s)
                for order_id in orders:
                    net.when_late(order_id, late)
                loop.outside(late, all_steps)
                loop.outside(soon, _settle, reply, _NO_ANSWER)
            case Fate.TWICE:
                loop.outside(net.random.uniform(0, net.latest_s), all_steps)
                loop.outside(net.delay(), _settle, reply, all_steps())
            case Fate.SLOW:
                loop.outside(net.timeout_s * 0.9, _settle, reply, all_steps())
            case _:
                loop.outside(net.delay(), _settle, reply, all_steps())


_NO_ANSWER = object()


def _settle(reply: asyncio.Future[Any], answer: object) -> None:
    if not reply.done():
        reply.set_result(answer)


def _after(epoch: Epoch, change: ChangeSet) -> StoredOrder:
    return change.applied(epoch, ())
