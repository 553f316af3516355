"""The actor of one work order: its mailbox makes updates serial, its commits make them last."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from actors.domain.commit import ChangeSet, Committed, Stale
from actors.domain.decide import decide, questions
from actors.domain.guards import WATCH_ALL, Guards
from actors.domain.messages import (
    Crashed,
    DescribeOrder,
    OrderActorState,
    ReadOrder,
    Unknown,
    Updated,
    UpdateQuantity,
)
from actors.domain.operations import is_operation
from actors.errors import (
    Fenced,
    NotApplied,
    NotOwner,
    OutcomeUnknown,
    PoisonMessage,
    StillWaiting,
    StoreRejected,
    StoreUnavailable,
    WorkOrderError,
    WorkOrderNotFound,
)
from actors.jobs.outcomes import failure_of
from actors.orders.memory import BarcodeMemory, Recalled
from actors.orders.room import Room
from actors.runtime.actor import AsyncioActor
from actors.runtime.delivery import Stage
from actors.runtime.directory import mailbox_of
from actors.telemetry.telemetry import what_became_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pykka import ActorRef

    from actors.commit.committer import Committer
    from actors.domain.commit import CommitResult, StoredOrder
    from actors.domain.decide import Decision, Verdict
    from actors.domain.messages import SupervisorMessage
    from actors.domain.model import Epoch, OrderState, WorkOrderId
    from actors.jobs.keeper import JobKeeper
    from actors.runtime.delivery import Delivery
    from actors.runtime.future import LoopFuture
    from actors.telemetry.telemetry import Telemetry

    Settled = Callable[[WorkOrderId, OrderState, Sequence[Verdict]], None]

_log = structlog.get_logger(__name__)

MAX_TAKEN = 128
"""Messages that one commit takes from the mailbox; half an outbox, see `committer.MAX_OUTBOX`."""
MAX_ATTEMPTS = 3
"""Times a message may kill its actor before it is a dead letter."""
MAX_VAIN = 8
"""Commits in a row that match nothing, though nothing has changed; half a minute in all."""
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0


@dataclass(frozen=True, slots=True)
class OrderContext:
    """Whom the order actors of one term of ownership work with."""

    epoch: Epoch
    committer: ActorRef[Committer]
    tell_supervisor: Callable[[SupervisorMessage], bool]
    """Tell the supervisor; False when the term is over, and the directory with it."""
    telemetry: Telemetry
    jobs: JobKeeper
    guards: Guards = WATCH_ALL
    memory: BarcodeMemory = field(default_factory=BarcodeMemory)
    settled: Settled | None = None
    """Told of each order what was committed last."""


class WorkOrderActor(AsyncioActor):
    """Decides and commits the changes of one order, many waiting ones at once."""

    in_registry = False

    def __init__(self, order_id: WorkOrderId, context: OrderContext) -> None:
        super().__init__()
        self.order_id = order_id
        self._context = context
        self._stored: StoredOrder | None = None
        self._doing = ""

    def on_receive(self, message: Any) -> object:  # noqa: ANN401 -- pykka's signature
        """Handle an `OrderMessage`; updates are answered one by one, by what is to be awaited."""
        match message:
            case UpdateQuantity():
                return self._update(self.defer_reply())
            case DescribeOrder():
                return self.describe()
            case _:
                raise TypeError(f"not for an order: {message!r}")

    def describe(self) -> OrderActorState:
        """Say how the actor is doing."""
        stats = self.actor_inbox.stats()
        stored = self._stored
        return OrderActorState(
            work_order_id=self.order_id,
            loaded=stored is not None,
            seq=stored.seq if stored else 0,
            epoch=self._context.epoch,
            waiting=stats.depth,
            handled=stats.handled,
            failed=stats.failed,
            work_order_no=self.actor_inbox.label,
            doing=self._doing if self.current is not None else None,
        )

    # -- updates -----------------------------------------------------------------------------

    async def _update(self, first: Delivery) -> None:
        batch = [first]
        # A suspect is tried alone, so that it takes nobody with it.
        if not first.attempts and not self.actor_inbox.empty():
            batch += self.take_waiting(MAX_TAKEN - 1, Room(first))
        try:
            again = await self._settle(batch)
            if again:
                self._try_again_later(again)
        except BaseException as error:  # noqa: BLE001 -- the edge of the actor
            self._crash(batch, error)
        finally:
            self.finished(len(batch) - 1)

    async def _settle(self, batch: list[Delivery]) -> list[Delivery]:
        """Answer each delivery, once its change is committed or certain not to be.

        Gives those that are to be tried again later: a job that failed by its own fault, and
        what came behind it.
        """
        pause = FIRST_PAUSE_S
        vain = 0
        pending = batch
        while pending := self._still_wanted(pending):
            try:
                before = self._stored
                if await self._try_commit(pending):
                    return []
                vain = vain + 1 if repr(self._stored) == repr(before) else 0
                if vain:
                    pause = await self._wait_in_vain(pending, pause, vain)
            except StoreUnavailable as error:
                pause = await self._wait_for_store(pending, pause, error)
            except (Fenced, NotOwner) as error:
                self._answer_all(pending, error)
                return []
            except StoreRejected as error:
                return await self._isolate(pending, error)
        return []

    async def _isolate(self, pending: list[Delivery], error: StoreRejected) -> list[Delivery]:
        """Try the messages of a rejected commit one by one: only the culprit is refused."""
        if len(pending) == 1:
            return self._rejected(pending[0], error)
        for index, each in enumerate(pending):
            again = await self._settle([each])
            if again:
                return [*again, *pending[index + 1 :]]
        return []

    def _rejected(self, delivery: Delivery, error: StoreRejected) -> list[Delivery]:
        if delivery.durable:
            delivery.note_failure(failure_of(error))
            if delivery.attempts < self._context.jobs.options.attempts:
                self._context.jobs.failed(delivery)
                return [delivery]
        self._answer_one(delivery, error)
        return []

    def _try_again_later(self, deliveries: list[Delivery]) -> None:
        """Let a job that failed by its own fault keep its place, and its order wait with it."""
        self.actor_inbox.put_back(deliveries)
        pause_s = self._context.jobs.options.backoff_s * 2 ** (deliveries[0].attempts - 1)
        self.actor_inbox.back_off(pause_s)

    async def _try_commit(self, pending: list[Delivery]) -> bool:
        """Decide on what is stored and commit; ``False`` when it had changed meanwhile."""
        order = self._stored
        changes, suspects, any_operation = [], set(), False
        for each in pending:
            message: UpdateQuantity = each.message
            changes.append(message.change)
            any_operation = any_operation or is_operation(message.change)
            if each.attempts or message.suspect:
                suspects.add(message.change.job_id)
        if order is None or any_operation:
            order = await self._load(order)  # operations go by more than commits compare
        if order is None:
            self._answer_all(pending, WorkOrderNotFound(self.order_id))
            self._context.tell_supervisor(Unknown(self.order_id))
            return True
        epoch, guards = self._context.epoch, self._context.guards
        asked = questions(
            self.order_id, changes, frozenset(suspects), guards, archived=order.archived
        )
        recalled = self._context.memory.take(self.order_id, order.seq)
        if asked is not None and (query := recalled.missing(asked)) is not None:
            self._doing = "reading the log"
            recalled.learn(await self._ask_committer(query), query)
        at = _now()
        decision = decide(order, changes, recalled.evidence, epoch, at, guards)
        if decision.outcomes:
            if not await self._commit(order, decision, at, pending):
                return False
        elif decision.refuses and repr(await self._load(order)) != repr(order):
            return False  # a refusal, too, is decided on what is stored now
        # Beside a commit in doubt others may have edited the order, which nobody compared.
        as_decided = self._stored is not None and self._stored.state == decision.after
        known = recalled if as_decided or not decision.outcomes else Recalled()
        self._context.memory.keep(self.order_id, known, decision.outcomes)
        self._answer(pending, decision.verdicts)
        if (settled := self._context.settled) is not None:
            settled(self.order_id, decision.after, decision.verdicts)
        return True

    async def _commit(
        self, order: StoredOrder, decision: Decision, at: datetime, pending: Sequence[Delivery]
    ) -> bool:
        traced = self._context.telemetry.spans.carried(pending)
        change_set = ChangeSet(order, decision.after, decision.outcomes, (), at, traced)
        self._doing = "committing"
        # Until we know better: an attempt that raises may still have been applied.
        self._stored = None
        result: CommitResult = await self._ask_committer(change_set)
        match result:
            case Committed():
                self._stored = result.order
                return True
            case Stale():
                self._read(result.current, order)
                return False
            case _:
                raise result

    async def _load(self, known: StoredOrder | None = None) -> StoredOrder | None:
        self._doing = "reading the order"
        order: StoredOrder | None = await self._ask_committer(ReadOrder(self.order_id))
        self._read(order, known)
        return order

    def _read(self, order: StoredOrder | None, known: StoredOrder | None) -> None:
        """Go on from the order as it is stored now; None when it is gone."""
        self._stored = order
        self._context.memory.forget(self.order_id)
        if order is not None:
            self._context.telemetry.oddities.compare(known, order)
            self.actor_inbox.label = order.facts.work_order_no

    def _ask_committer(self, message: object) -> LoopFuture[Any]:
        # No deadline: until the committer has settled what it accepted, this actor may not take
        # another message. The askers' deadlines run in the region.
        reply: LoopFuture[Any] = mailbox_of(self._context.committer).ask(message)
        return reply

    async def _wait_for_store(
        self, pending: Sequence[Delivery], pause: float, error: StoreUnavailable
    ) -> float:
        """Back off, at most until the first caller's deadline."""
        _log.debug("order_waits_for_store", work_order_id=self.order_id, error=str(error))
        self._doing = "waiting for the store"
        deadline = min(each.message.deadline for each in pending)
        gate = self.actor_inbox.gate
        gate.delayed += len(pending)
        for each in pending:
            each.stage = Stage.DELAYED
        try:
            jitter = random.uniform(0.5, 1.0)  # noqa: S311 -- not a secret
            await asyncio.sleep(max(0.0, min(pause * jitter, deadline - time.monotonic())))
        finally:
            gate.delayed -= len(pending)
            for each in pending:
                each.stage = Stage.ACTIVE
        for each in pending:
            if each.message.deadline <= time.monotonic():
                self._answer_one(each, error)
        return min(pause * 2, LONGEST_PAUSE_S)

    async def _wait_in_vain(self, pending: Sequence[Delivery], pause: float, tries: int) -> float:
        """Back off where the store takes no commit, though the order is as it was decided on.

        Raises:
            StoreRejected: it was tried often enough.

        """
        if tries >= MAX_VAIN:
            odd = ("what commits compare", "not found as it was read")
            self._context.telemetry.oddities.note_unreadable(self.order_id, *odd)
            raise StoreRejected(f"work order {self.order_id} is as read, and takes no commit")
        _log.warning("commit_in_vain", work_order_id=self.order_id, tries=tries)
        error = StoreUnavailable("the order takes no commit")
        return await self._wait_for_store(pending, pause, error)

    def _still_wanted(self, pending: Sequence[Delivery]) -> list[Delivery]:
        now = time.monotonic()
        wanted = []
        for each in pending:
            if each.answered:
                continue
            if each.message.deadline <= now:
                self._answer_one(each, StillWaiting(paused=False))
            else:
                wanted.append(each)
        return wanted

    # -- answers -----------------------------------------------------------------------------

    def _answer_all(self, deliveries: Sequence[Delivery], error: WorkOrderError) -> None:
        for delivery in deliveries:
            self._answer_one(delivery, error)

    def _answer(self, deliveries: Sequence[Delivery], verdicts: Sequence[Verdict]) -> None:
        for delivery, verdict in zip(deliveries, verdicts, strict=True):
            self._answer_one(delivery, verdict)

    def _answer_one(self, delivery: Delivery, verdict: Verdict) -> None:
        if delivery.attempts and isinstance(verdict, NotApplied):
            # Not by this actor; the one that died with it may have had it committed.
            verdict = OutcomeUnknown(f"its actor died, and then: {verdict}")
        if isinstance(verdict, Updated):
            self._context.telemetry.applied(delivery, verdict)
            delivery.reply(verdict)
        else:
            refuse = self._context.jobs.options.refuse_repeats
            event = what_became_of(delivery.message.change, verdict, refuse=refuse)
            self._context.telemetry.not_applied(
                delivery, self._context.epoch, self._stored, verdict, event
            )
            self.actor_inbox.failed += event != "duplicate"
            delivery.fail(verdict)

    # -- life --------------------------------------------------------------------------------

    def _crash(self, batch: Sequence[Delivery], error: BaseException) -> None:
        """Leave the mailbox and the unanswered messages to a successor."""
        _log.error(
            "actor_crashed",
            work_order_id=self.order_id,
            epoch=self._context.epoch,
            exc_info=error,
        )
        kept = []
        for delivery in batch:
            if delivery.answered:
                continue
            delivery.note_failure(failure_of(error))
            if delivery.attempts < self._attempts_of(delivery):
                kept.append(delivery)
                self._context.jobs.failed(delivery)
            else:
                self._give_up(delivery, error)
        self.actor_stopped.set()
        if kept and kept[0].durable and len(batch) == 1:
            self._try_again_later(kept)
        else:  # who of them it was will show: each is tried alone
            self.actor_inbox.put_back(kept)
        self._hand_mailbox_over(error)

    def _attempts_of(self, delivery: Delivery) -> int:
        return self._context.jobs.options.attempts if delivery.durable else MAX_ATTEMPTS

    def _give_up(self, delivery: Delivery, error: BaseException) -> None:
        dead = PoisonMessage(delivery.attempts, repr(error))
        if not delivery.durable and not is_operation(delivery.message.change):
            self._context.jobs.dead_letter(delivery, dead)
        self._answer_one(delivery, dead)

    def on_failure(self, *exc_info: Any) -> None:  # noqa: ANN401 -- pykka's signature
        """Leave the mailbox to a successor: a message that was told killed the actor."""
        self._hand_mailbox_over(exc_info[1])

    def _hand_mailbox_over(self, error: BaseException) -> None:
        self.actor_inbox.detach()
        if not self._context.tell_supervisor(Crashed(self.order_id, repr(error))):
            self.actor_inbox.discard(NotOwner("this node gave the actors up"))


def _now() -> datetime:
    """Return the time in the milliseconds that MongoDB keeps."""
    return datetime.fromtimestamp(time.time_ns() // 1_000_000 / 1000, UTC)
