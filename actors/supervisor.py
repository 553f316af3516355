"""The supervisor: the only one that creates, replaces and retires order actors."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import nsmallest
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import structlog

from actors.errors import NotOwner, TooManyActors
from actors.inbox import Gate
from actors.mailbox import AsyncioActor
from actors.messages import Crashed, Held, Passivate, Pause, Resolve, Resume, Sweep, Unknown
from actors.order import Colleagues, WorkOrderActor

if TYPE_CHECKING:
    from pykka import ActorRef

    from actors.committer import Committer
    from actors.messages import Epoch
    from actors.rules import WorkOrderId
    from actors.tally import Tally

    OrderRef = ActorRef[WorkOrderActor]

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


@dataclass(slots=True)
class SupervisorStats:
    """Counts since the supervisor started."""

    created: int = 0
    passivated: int = 0
    restarted: int = 0
    unknown: int = 0


@dataclass(slots=True)
class Directory:
    """The live order actors, least recently used first: the registry of orders.

    The supervisor alone adds and removes; the region looks up and touches.
    """

    refs: OrderedDict[WorkOrderId, OrderRef] = field(default_factory=OrderedDict)
    gate: Gate = field(default_factory=Gate)

    def __len__(self) -> int:
        return len(self.refs)

    def find(self, order_id: WorkOrderId) -> OrderRef | None:
        """Give the order's live actor, if there is one, and count it as used now."""
        ref = self.refs.get(order_id)
        if ref is None or ref.actor_stopped.is_set():
            return None
        self.refs.move_to_end(order_id)
        return ref

    def held(self, limit: int) -> list[Held]:
        """Give the `limit` live actors that were made first, oldest first."""
        now, clock = datetime.now(UTC), time.monotonic()
        oldest = nsmallest(limit, self.refs.items(), key=lambda item: _mailbox(item[1]).created)
        return [
            Held(order_id, now - timedelta(seconds=clock - _mailbox(ref).created))
            for order_id, ref in oldest
        ]


class Supervisor(AsyncioActor):
    """Owns the directory of order actors for one term of ownership (one epoch)."""

    in_registry = False

    def __init__(
        self, epoch: Epoch, committer: ActorRef[Committer], limits: Limits, tally: Tally
    ) -> None:
        super().__init__()
        self._limits = limits
        self._colleagues = Colleagues(epoch, committer, self.actor_ref, tally)
        self.directory = Directory(gate=Gate(limits.max_waiting))
        self.stats = SupervisorStats()

    async def on_receive(self, message: Any) -> object:  # noqa: ANN401 -- pykka's signature
        """Handle a `SupervisorMessage`."""
        match message:
            case Resolve():
                return await self._resolve(message.work_order_id)
            case Unknown():
                self.stats.unknown += self._retire_if_idle(message.work_order_id)
            case Crashed():
                self._replace(message.work_order_id)
            case Sweep():
                return await self._sweep(everything=message.everything)
            case Pause():
                self.directory.gate.open = False
            case Resume():
                await self._resume()
            case _:
                raise TypeError(f"not for a supervisor: {message!r}")
        return None

    async def _resolve(self, order_id: WorkOrderId) -> OrderRef:
        ref = self.directory.find(order_id)
        if ref is not None:
            return ref
        if order_id in self.directory.refs:
            return self._replace(order_id)
        if len(self.directory) >= self._limits.max_actors:
            await self._make_room()
        return self._create(order_id)

    def _create(self, order_id: WorkOrderId) -> OrderRef:
        ref = WorkOrderActor.start(order_id, self._colleagues)
        mailbox = _mailbox(ref)
        mailbox.gate = self.directory.gate
        mailbox.capacity = self._limits.mailbox_size
        self.directory.refs[order_id] = ref
        self.stats.created += 1
        return ref

    def _replace(self, order_id: WorkOrderId) -> OrderRef:
        """Give the mailbox of an actor that died to a new one, which reads its state again."""
        ref = self.directory.refs.get(order_id)
        if ref is None:
            return self._create(order_id)
        if not ref.actor_stopped.is_set():
            return ref  # replaced already
        successor = WorkOrderActor(order_id, self._colleagues)
        successor.adopt(_mailbox(ref))
        self.directory.refs[order_id] = successor.actor_ref
        self.stats.restarted += 1
        _mailbox(ref).wake()
        return successor.actor_ref

    # -- passivation -------------------------------------------------------------------------

    async def _sweep(self, *, everything: bool) -> int:
        """Passivate idle actors, least recently used first; give how many went."""
        limit = time.monotonic() - (0 if everything else self._limits.idle_s)
        gone = 0
        idle = []
        for order_id, ref in self.directory.refs.items():
            if _mailbox(ref).last_put > limit:
                break
            idle.append(order_id)
        for start in range(0, len(idle), _SWEEP_ROUND):
            gone += await self._passivate(idle[start : start + _SWEEP_ROUND])
            await asyncio.sleep(0)
        return gone

    async def _make_room(self) -> None:
        """Passivate the least recently used idle actors, a hundredth of all at a time."""
        share = max(1, self._limits.max_actors // 100)
        for start in range(0, len(self.directory), share):
            oldest = list(islice(self.directory.refs, start, start + share))
            if await self._passivate(oldest):
                return
        raise TooManyActors(f"{len(self.directory)} orders are live and all of them are busy")

    async def _passivate(self, order_ids: list[WorkOrderId]) -> int:
        """Ask the actors to get ready, then retire those to which no message came meanwhile."""
        gone = 0
        asked = []
        for order_id in order_ids:
            ref = self.directory.refs.get(order_id)
            if ref is None or not _is_idle(ref):
                continue
            if not _actor(ref).outbox_in_store:
                gone += self._retire_if_idle(order_id)
            elif self.directory.gate.open:
                asked.append((order_id, ref.ask(Passivate(), block=False)))
        for order_id, ready in asked:
            try:
                if await ready:
                    gone += self._retire_if_idle(order_id)
            except Exception as error:  # noqa: BLE001 -- a store that is down keeps the actor
                _log.warning("passivation_failed", work_order_id=order_id, error=repr(error))
        self.stats.passivated += gone
        return gone

    def _retire_if_idle(self, order_id: WorkOrderId) -> bool:
        """Stop and forget the actor, in one turn of the loop, unless something waits for it."""
        ref = self.directory.refs.get(order_id)
        if ref is None or not _is_idle(ref):
            return False
        ref.actor_stopped.set()
        del self.directory.refs[order_id]
        return True

    # -- the whole ---------------------------------------------------------------------------

    async def _resume(self) -> None:
        self.directory.gate.open = True
        for number, ref in enumerate(list(self.directory.refs.values())):
            _mailbox(ref).wake()
            if number % _SWEEP_ROUND == 0:
                await asyncio.sleep(0)

    def abandon(self) -> int:
        """Answer everything that waits "not applied" and stop all actors; in-flight ones settle.

        For the end of a term; gives the number of messages answered so.
        """
        answered = 0
        for ref in self.directory.refs.values():
            ref.actor_stopped.set()
            answered += _mailbox(ref).discard(NotOwner("this node gave the actors up"))
        self.directory.refs.clear()
        self.actor_stopped.set()
        self.actor_inbox.discard(NotOwner("this node gave the actors up"))
        return answered


def _mailbox(ref: OrderRef) -> Any:  # noqa: ANN401 -- pykka types it as its own inbox
    return ref.actor_inbox


def _actor(ref: OrderRef) -> WorkOrderActor:
    return cast("WorkOrderActor", _mailbox(ref).actor)


def _is_idle(ref: OrderRef) -> bool:
    actor = _mailbox(ref).actor
    return ref.actor_inbox.empty() and actor is not None and actor.current is None
