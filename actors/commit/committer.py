"""The committer: the order actors' one way to the store, many orders in one round trip.

It settles answers that are lost on the wire, hands what is committed to the relay, and is where a
higher epoch is noticed.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

import structlog

from actors.commit.outboxes import Outboxes
from actors.commit.relay import Relay
from actors.domain.commit import ChangeSet, Committed, Stale, StoredOrder
from actors.domain.evidence import EvidenceQuery, size_of
from actors.domain.messages import EmptyOutboxes, ReadOrder, Ready, Tidy, Trim
from actors.domain.records import changed
from actors.errors import Fenced, OutcomeUnknown, StoreRejected, StoreUnavailable
from actors.runtime.actor import AsyncioActor
from actors.runtime.backoff import FIRST_PAUSE_S, rest_for
from actors.runtime.batcher import Batcher, BatcherStats
from actors.telemetry.counters import CommitStats, StuckCommit
from actors.telemetry.spans import NO_SPANS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pykka import ActorRef

    from actors.domain.commit import CommitResult
    from actors.domain.evidence import Evidence, Outcome
    from actors.domain.model import Epoch, WorkOrderId
    from actors.runtime.delivery import Delivery
    from actors.store.port import Store
    from actors.telemetry.spans import Spans

_log = structlog.get_logger(__name__)

MAX_OUTBOX = 256
"""Outcomes an order's document may carry."""
MAX_OUTBOX_BYTES = 6 * 2**20
"""Bytes that they may take: the document, fields of others included, has 16 MiB in MongoDB."""
_SENT_TOGETHER = 3
"""Times that a batch is sent without an answer before each of its commits is settled alone."""
READ_BATCH = 200
TRIM_BATCH = 1_000
TIDIED_AT_ONCE = 2_000
"""Outboxes that one `Tidy` has emptied, so that updates never queue behind many of them."""


@dataclass(frozen=True, slots=True)
class _Emptying:
    """An outbox on its way to be emptied, and the supervisor that waits for it."""

    order: StoredOrder
    report_to: ActorRef[Any] | None = None


class _Unsettled(Exception):
    """A batch was sent several times and not answered; the store answers other calls."""


class Committer(AsyncioActor):
    """Answers `Load`, `EvidenceQuery`, `ChangeSet` and `Trim`, each in batches of its kind.

    Told `EmptyOutboxes` or `Tidy`, it empties the outboxes of orders that rest.
    """

    in_registry = False
    inline = True

    def __init__(
        self,
        store: Store,
        epoch: Epoch,
        *,
        batch: int,
        in_flight: int,
        deposed: Callable[[int], None],
        stats: CommitStats | None = None,
        spans: Spans = NO_SPANS,
    ) -> None:
        super().__init__()
        self._store = store
        self._epoch = epoch
        self._deposed = deposed
        self.outboxes = Outboxes()
        self.stats = stats or CommitStats()
        self._spans = spans
        self._relay = Relay(store, self._note_relay_error, self.stats.relays)
        self.ledger = self._relay.ledger
        """Outcomes that are committed and not yet durable in the log."""
        self._loads: Batcher[ReadOrder] = Batcher(self._load, READ_BATCH, 2, apart=True)
        self._evidence: Batcher[EvidenceQuery] = Batcher(
            self._gather, READ_BATCH, in_flight, apart=True
        )
        self._commits: Batcher[ChangeSet] = Batcher(
            self._commit, batch, in_flight, stats=self.stats.batches
        )
        self._trims: Batcher[_Emptying] = Batcher(self._trim, TRIM_BATCH, 2)

    def on_receive(self, message: Any) -> None:  # noqa: ANN401 -- pykka's signature
        """Put the request on its lane; the lane answers."""
        delivery = self.defer_reply()
        match message:
            case ChangeSet():
                self._submit_commit(message, delivery)
            case EvidenceQuery():
                self._evidence.submit(message, delivery)
            case ReadOrder():
                self._loads.submit(message, delivery)
            case Trim():
                self._submit_trim(_Emptying(message.order), delivery)
            case EmptyOutboxes():
                self._empty(message)
            case Tidy():
                self._tidy(message.rest_s)
            case _:
                raise TypeError(f"not for a committer: {message!r}")

    @property
    def batch_stats(self) -> BatcherStats:
        """Sizes of the commit batches."""
        return self._commits.stats

    @property
    def idle(self) -> bool:
        """Whether all that was committed is durable in the log and nothing else is asked."""
        lanes = (self._loads, self._evidence, self._commits, self._trims)
        return self._relay.idle and all(lane.idle for lane in lanes)

    def close(self) -> None:
        """Begin nothing new; commits under way settle. Undurable outcomes stay in outboxes."""
        for lane in (self._loads, self._evidence, self._commits, self._trims):
            lane.close()
        self._relay.close()

    @property
    def settling(self) -> int:
        """Commits, of many orders each, that are under way."""
        return self._commits.in_flight

    async def settled(self) -> None:
        """Return when no commit is under way."""
        await self._commits.settled()

    # -- reading -----------------------------------------------------------------------------

    async def _load(self, loads: list[ReadOrder]) -> list[StoredOrder | Fenced | None]:
        # The ledger first: what leaves it meanwhile may not have been in the log as that was read.
        taken = [self.ledger.highest_seq(each.work_order_id) for each in loads]
        orders = await self._store.load([each.work_order_id for each in loads])
        return [
            self._taken_over(order, seq) if order is not None else None
            for order, seq in zip(orders, taken, strict=True)
        ]

    def _taken_over(self, order: StoredOrder, taken: int) -> StoredOrder | Fenced:
        """Check the fence, relay what an earlier owner left in the outbox, and leave it out.

        `taken` is the highest seq that was given away before the order was read.
        """
        if order.epoch > self._epoch:
            return self._fenced(order.epoch)
        self._relay.remember(order.outbox)
        seq = max(order.seq, taken, self.ledger.highest_seq(order.id))
        # Where an old copy was put back, the seq that it has is what the next commit must find.
        stored_seq = order.document_seq if order.adopted and seq > order.seq else order.stored_seq
        mine = replace(order, outbox=(), seq=seq, stored_seq=stored_seq)
        if order.outbox:
            self.outboxes.note(mine)
        return mine

    async def _gather(self, queries: list[EvidenceQuery]) -> list[Evidence]:
        # The ledger first: what is no longer in it is in the log already.
        held = [self.ledger.of(query.work_order_id) for query in queries]
        found = await self._store.evidence(queries)
        for evidence, mine in zip(found, held, strict=True):
            for outcome in mine:
                evidence.note(outcome)
        return found

    # -- committing --------------------------------------------------------------------------

    def _submit_commit(self, change: ChangeSet, delivery: Delivery) -> None:
        order_id = change.before.id
        if self._has_room(order_id, change.outcomes):
            self._commits.submit(change, delivery, weight=len(change.outcomes))
            return
        self._relay.after_progress(
            order_id,
            lambda: self._submit_commit(change, delivery),
            lambda: delivery.fail(StoreUnavailable("the order's outbox is full, its log is stuck")),
        )

    def _has_room(self, order_id: WorkOrderId, outcomes: Sequence[Outcome]) -> bool:
        held = self.ledger.count(order_id)
        if not held:
            return True  # what can't be parted goes as it is; its order's actor bounds it
        size = self.ledger.size(order_id) + sum(map(size_of, outcomes))
        return held + len(outcomes) <= MAX_OUTBOX and size <= MAX_OUTBOX_BYTES

    async def _commit(
        self, changes: list[ChangeSet]
    ) -> Sequence[CommitResult | Fenced | asyncio.Task[CommitResult | Fenced]]:
        changes = [self._with_carried(each) for each in changes]
        began = time.monotonic()
        try:
            results, doubtful = await self._until_answered(changes, _SENT_TOGETHER)
            limit = _SENT_TOGETHER if doubtful else 0
            return await self._settled_as(changes, results, began, limit)
        except _Unsettled as error:
            # Others, of this batch and behind it, must not wait for what may be one order's matter.
            return [asyncio.create_task(self._settle_alone(each, error, began)) for each in changes]

    async def _settle_alone(
        self, change: ChangeSet, error: _Unsettled, began: float
    ) -> CommitResult | Fenced:
        """Send one commit again until its outcome is known, beside all others."""
        stuck = self.stats.stuck
        stuck[change.before.id] = StuckCommit(began, str(error))
        try:
            results, _ = await self._until_answered([change], None, doubtful=True)
            (result,) = await self._settled_as([change], results, began, None)
        finally:
            stuck.pop(change.before.id, None)
        return result

    async def _settled_as(
        self,
        changes: Sequence[ChangeSet],
        results: list[CommitResult],
        began: float,
        limit: int | None,
    ) -> list[CommitResult | Fenced]:
        """Judge results; `limit` bounds the tries to rule out a lost attempt: 0, none was lost."""
        if limit != 0:
            results = [
                await self._rule_out(change, result, limit)
                for change, result in zip(changes, results, strict=True)
            ]
        self.stats.times.note(time.monotonic() - began)
        self._spans.committed(changes, results, self._epoch, began)
        return [
            self._judge(change, result) for change, result in zip(changes, results, strict=True)
        ]

    def _with_carried(self, change: ChangeSet) -> ChangeSet:
        carried = self.ledger.of(change.before.id)
        return changed(change, carried=carried) if carried else change

    async def _until_answered(
        self, changes: Sequence[ChangeSet], limit: int | None, *, doubtful: bool = False
    ) -> tuple[list[CommitResult], bool]:
        """Issue the same compare-and-sets until the store has answered; tell if any got lost.

        Raises `_Unsettled` when `limit` of them were not answered, though the store does answer.
        """
        pause = FIRST_PAUSE_S
        for times in count(1):
            try:
                return await self._store.commit(self._epoch, changes), doubtful
            except StoreUnavailable:
                if not doubtful:
                    raise  # nothing was sent: the actors may answer "not applied"
                self.stats.retries += 1
            except OutcomeUnknown as error:
                doubtful = True
                self.stats.retries += 1
                _log.warning(
                    "commit_unanswered",
                    orders=len(changes),
                    epoch=self._epoch,
                    error=str(error),
                )
                for each in changes:
                    if each.before.id in self.stats.stuck:
                        self.stats.stuck[each.before.id].error = str(error)
                if limit is not None and times >= limit and await self._store_answers():
                    raise _Unsettled(str(error)) from error
            pause = await rest_for(pause)
        raise AssertionError("the count has no end")

    async def _store_answers(self) -> bool:
        try:
            await self._store.ping()
        except (StoreUnavailable, OutcomeUnknown):
            return False
        return True

    async def _rule_out(
        self, change: ChangeSet, result: CommitResult, limit: int | None
    ) -> CommitResult:
        """Make sure that a lost attempt which was not applied never will be, however late.

        Raises `_Unsettled` after `limit` tries without effect, though the store does answer.
        """
        pause, reason = FIRST_PAUSE_S, "it is neither applied nor ruled out"
        for times in count(1):
            if not (
                isinstance(result, Stale) and change.is_possible_on(result.current, self._epoch)
            ):
                break
            if times > 1:
                self.stats.retries += 1
                if limit is not None and times > limit and await self._store_answers():
                    raise _Unsettled(reason)
                pause = await rest_for(pause)
            try:
                await self._store.invalidate(self._epoch, change.before)
                (result,) = await self._store.commit(self._epoch, [change])
            except (OutcomeUnknown, StoreUnavailable, StoreRejected) as error:
                reason = str(error)
        return result

    def _judge(self, change: ChangeSet, result: CommitResult) -> CommitResult | Fenced:
        match result:
            case Committed():
                self.stats.commits += 1
                self.stats.entries += len(change.outcomes)
                self.outboxes.note(result.order)
                self._relay.remember(change.outcomes)
            case Stale(current=current):
                self.stats.conflicts += 1
                if current is not None:
                    mine = self._taken_over(current, change.before.seq)
                    return mine if isinstance(mine, Fenced) else Stale(mine)
        return result

    def _fenced(self, seen: int) -> Fenced:
        self.stats.fenced += 1
        self._deposed(seen)
        return Fenced(self._epoch, seen)

    def _note_relay_error(self) -> None:
        self.stats.relay_errors += 1

    # -- trimming ----------------------------------------------------------------------------

    def _empty(self, message: EmptyOutboxes) -> None:
        clean = []
        for order_id in message.work_order_ids:
            order = self.outboxes.find(order_id)
            if order is None:
                clean.append(order_id)
            else:
                self._submit_trim(_Emptying(order, message.report_to), None)
        if clean and message.report_to.is_alive():
            message.report_to.tell(Ready(tuple(clean), emptied=True))

    def _tidy(self, rest_s: float) -> None:
        if not self._trims.idle:
            return  # those of the last time, perhaps
        for order in self.outboxes.resting(rest_s, TIDIED_AT_ONCE):
            if not self.ledger.count(order.id):
                self._trims.submit(_Emptying(order), None)

    def _submit_trim(self, emptying: _Emptying, delivery: Delivery | None) -> None:
        order_id = emptying.order.id
        if not self.ledger.count(order_id):
            self._trims.submit(emptying, delivery)
            return

        def keep() -> None:
            _report([emptying], emptied=False)
            if delivery is not None:
                delivery.fail(StoreUnavailable("the log does not take the order's entries"))

        self._relay.after_progress(order_id, lambda: self._submit_trim(emptying, delivery), keep)

    async def _trim(self, some: list[_Emptying]) -> list[None]:
        emptied = False
        try:
            await self._store.trim(self._epoch, [each.order for each in some])
            emptied = True
            for each in some:
                self.outboxes.emptied(each.order)
        finally:
            _report(some, emptied=emptied)
        return [None] * len(some)


def _report(some: Sequence[_Emptying], *, emptied: bool) -> None:
    by_supervisor: dict[ActorRef[Any], list[WorkOrderId]] = {}
    for each in some:
        if each.report_to is not None:
            by_supervisor.setdefault(each.report_to, []).append(each.order.id)
    for supervisor, order_ids in by_supervisor.items():
        if supervisor.is_alive():
            supervisor.tell(Ready(tuple(order_ids), emptied))
