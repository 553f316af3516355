"""The supervisor: the only one that creates, replaces and retires order actors."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import structlog
from pykka import ActorDeadError

from actors.domain.guards import WATCH_ALL, Guards
from actors.domain.messages import (
    Crashed,
    EmptyOutboxes,
    Pause,
    PauseOrder,
    Ready,
    Resolve,
    Resume,
    ResumeOrder,
    Sweep,
    Unknown,
)
from actors.errors import NotOwner, TooManyActors
from actors.orders.order import OrderContext, WorkOrderActor
from actors.runtime.actor import AsyncioActor
from actors.runtime.directory import Directory, mailbox_of
from actors.runtime.mailbox import Gate

if TYPE_CHECKING:
    from pykka import ActorRef

    from actors.commit.committer import Committer
    from actors.domain.messages import SupervisorMessage
    from actors.domain.model import Epoch, WorkOrderId
    from actors.jobs.keeper import JobKeeper
    from actors.orders.order import Settled
    from actors.runtime.delivery import Delivery
    from actors.runtime.directory import OrderRef
    from actors.telemetry.telemetry import Telemetry


_log = structlog.get_logger(__name__)

_SWEEP_ROUND = 2_000
"""Actors retired between two turns of the loop, so that a sweep never stalls it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the order actors: counts, and seconds for `idle_s`."""

    max_actors: int = 100_000
    mailbox_size: int = 1_000
    max_waiting: int = 20_000
    idle_s: float = 300.0


class Supervisor(AsyncioActor):
    """Owns the directory of order actors for one term of ownership (one epoch)."""

    in_registry = False

    def __init__(
        self,
        epoch: Epoch,
        committer: ActorRef[Committer],
        limits: Limits,
        telemetry: Telemetry,
        jobs: JobKeeper,
        guards: Guards = WATCH_ALL,
        settled: Settled | None = None,
    ) -> None:
        super().__init__()
        self._limits = limits
        self._context = OrderContext(
            epoch, committer, self._tell, telemetry, jobs, guards, settled=settled
        )
        gate = Gate(limits.max_waiting, telemetry.waits, telemetry.handlings)
        self.directory = Directory(gate=gate)
        self.stats = telemetry.actors
        self._outside: deque[tuple[WorkOrderId, Delivery]] = deque()
        """Who waits for room, when `max_actors` orders are live."""
        self._leaving: dict[WorkOrderId, int] = {}
        """Whose `Ready` is awaited, and how many messages they had handled before."""
        self._tried: set[WorkOrderId] = set()
        """Who was asked to make room already for those who wait."""

    async def on_receive(self, message: Any) -> object:  # noqa: ANN401 -- pykka's signature
        """Handle a `SupervisorMessage`; never waits for an order's actor."""
        match message:
            case Resolve():
                self._resolve(message.work_order_id, self.defer_reply())
            case Ready():
                self._on_ready(message)
                await asyncio.sleep(0)  # many may say so at once
            case Unknown():
                self.stats.unknown += self._retire_if_idle(message.work_order_id)
                self._admit()
            case Crashed():
                self._replace(message.work_order_id)
                self._admit()
            case Sweep():
                return await self._sweep(everything=message.everything)
            case Pause():
                self.directory.gate.open = False
            case Resume():
                await self._resume()
            case PauseOrder():
                self._pause_order(message.work_order_id)
            case ResumeOrder():
                self._resume_order(message.work_order_id)
            case _:
                raise TypeError(f"not for a supervisor: {message!r}")
        return None

    def _tell(self, message: SupervisorMessage) -> bool:
        try:
            self.actor_ref.tell(message)
        except ActorDeadError:
            return False
        return True

    def _resolve(self, order_id: WorkOrderId, delivery: Delivery) -> None:
        ref = self._find(order_id)
        if ref is not None:
            delivery.reply(ref)
            return
        self._outside.append((order_id, delivery))
        self._admit()

    def _find(self, order_id: WorkOrderId) -> OrderRef | None:
        ref = self.directory.find(order_id)
        if ref is None and order_id in self.directory.refs:
            return self._replace(order_id)
        return ref

    def _create(self, order_id: WorkOrderId) -> OrderRef:
        ref = WorkOrderActor.start(order_id, self._context)
        mailbox = mailbox_of(ref)
        mailbox.gate = self.directory.gate
        mailbox.capacity = self._limits.mailbox_size
        mailbox.paused = order_id in self.directory.paused
        self.directory.add(order_id, ref)
        self._tried.discard(order_id)
        self.stats.created += 1
        self._context.jobs.fill_mailbox(order_id, mailbox)
        return ref

    def _replace(self, order_id: WorkOrderId) -> OrderRef:
        """Return the mailbox of an actor that died to a new one, which reads its state again."""
        ref = self.directory.refs.get(order_id)
        if ref is None:
            return self._create(order_id)
        if not ref.actor_stopped.is_set():
            return ref  # replaced already
        successor = WorkOrderActor(order_id, self._context)
        successor.adopt(mailbox_of(ref))
        self.directory.add(order_id, successor.actor_ref)
        self._leaving.pop(order_id, None)  # it may have died of being asked to
        self.stats.restarted += 1
        self._context.jobs.fill_mailbox(order_id, mailbox_of(ref))
        mailbox_of(ref).wake()
        return successor.actor_ref

    def _admit(self) -> None:
        """Create actors for those who wait for room, making room where there is none."""
        while self._outside:
            order_id, delivery = self._outside[0]
            ref = self._find(order_id)  # made for another one who waits, perhaps
            if ref is None:
                if len(self.directory) >= self._limits.max_actors:
                    self._make_room()
                    break
                ref = self._create(order_id)
            self._outside.popleft()
            delivery.reply(ref)
        if self._outside and not self._leaving:
            busy = TooManyActors(f"{len(self.directory)} orders are live, and none can go now")
            while self._outside:
                self._outside.popleft()[1].fail(busy)
        if not self._outside:
            self._tried.clear()

    def _make_room(self) -> None:
        """Passivate the least recently used idle actors, a hundredth of all at a time.

        Each is asked once: an outbox that can't be emptied now can't be a moment later.
        """
        if self._leaving:
            return
        share = max(1, self._limits.max_actors // 100)
        idle = (
            order_id
            for order_id, ref in self.directory.refs.items()
            if order_id not in self._tried and _is_idle(ref)
        )
        some = list(islice(idle, share))
        self._tried.update(some)
        self._passivate(some)

    # -- passivation -------------------------------------------------------------------------

    async def _sweep(self, *, everything: bool) -> int:
        """Passivate idle actors, least recently used first; give how many will go."""
        limit = time.monotonic() - (0 if everything else self._limits.idle_s)
        asked = 0
        idle = []
        for order_id, ref in self.directory.refs.items():
            if mailbox_of(ref).last_put > limit:
                break
            idle.append(order_id)
        for start in range(0, len(idle), _SWEEP_ROUND):
            asked += self._passivate(idle[start : start + _SWEEP_ROUND])
            await asyncio.sleep(0)
        return asked

    def _passivate(self, order_ids: list[WorkOrderId]) -> int:
        """Have the outboxes of idle actors emptied, so that they can go; give their number."""
        leaving = []
        for order_id in order_ids:
            ref = self.directory.refs.get(order_id)
            if ref is not None and order_id not in self._leaving and _is_idle(ref):
                self._leaving[order_id] = mailbox_of(ref).handled
                leaving.append(order_id)
        if leaving:
            committer = self._context.committer
            committer.tell(EmptyOutboxes(tuple(leaving), self.actor_ref))
        return len(leaving)

    def _on_ready(self, message: Ready) -> None:
        """Retire the actors whose outboxes are empty, unless a message came for them meanwhile."""
        for order_id in message.work_order_ids:
            handled = self._leaving.pop(order_id, None)
            ref = self.directory.refs.get(order_id)
            if ref is not None and message.emptied and mailbox_of(ref).handled == handled:
                self.stats.passivated += self._retire_if_idle(order_id)
        self._admit()

    def _retire_if_idle(self, order_id: WorkOrderId) -> bool:
        """Stop and forget the actor, in one turn of the loop, unless something waits for it."""
        ref = self.directory.refs.get(order_id)
        if ref is None or not _is_idle(ref):
            return False
        ref.actor_stopped.set()
        self.directory.remove(order_id)
        self._context.memory.forget(order_id)
        return True

    # -- the whole ---------------------------------------------------------------------------

    def _pause_order(self, order_id: WorkOrderId) -> None:
        self.directory.paused.add(order_id)
        ref = self.directory.refs.get(order_id)
        if ref is not None:
            mailbox_of(ref).paused = True

    def _resume_order(self, order_id: WorkOrderId) -> None:
        self.directory.paused.discard(order_id)
        ref = self.directory.refs.get(order_id)
        if ref is not None:
            mailbox_of(ref).release()
        self._context.jobs.feed()

    async def _resume(self) -> None:
        self.directory.gate.reopen()
        self._context.jobs.feed()
        for number, ref in enumerate(list(self.directory.refs.values())):
            mailbox_of(ref).wake()
            if number % _SWEEP_ROUND == 0:
                await asyncio.sleep(0)

    def abandon(self) -> int:
        """Answer everything that waits "not applied" and stop all actors; in-flight ones settle.

        For the end of a term; gives the number of messages answered so.
        """
        answered = 0
        for ref in self.directory.refs.values():
            ref.actor_stopped.set()
            answered += mailbox_of(ref).discard(NotOwner("this node gave the actors up"))
        self.directory.clear()
        self.actor_stopped.set()
        while self._outside:
            self._outside.popleft()[1].fail(NotOwner("this node gave the actors up"))
        self.actor_inbox.discard(NotOwner("this node gave the actors up"))
        return answered


def _is_idle(ref: OrderRef) -> bool:
    actor = mailbox_of(ref).actor
    if actor is None or actor.current is not None:
        return False
    return ref.actor_inbox.empty() and not ref.actor_stopped.is_set()
