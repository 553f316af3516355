"""Actors on the event loop: a pykka actor type whose idle actors cost no task and no thread.

pykka offers its own hooks for new actor types (`_create_actor_inbox`, `_create_future`,
`_start_actor_loop`); they are underscored, so pykka is pinned below its next major release.
A task exists only while a mailbox is being drained.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import pykka
from pykka.messages import _ActorStop

from actors.errors import MailboxFull
from actors.future import LoopFuture

if TYPE_CHECKING:
    from collections.abc import Callable

    from pykka._envelope import Envelope

_log = logging.getLogger(__name__)
_SMOOTHING = 0.02


class Delivery:
    """One message in, or taken from, a mailbox."""

    __slots__ = ("attempts", "enqueued_at", "message", "reply_to")

    def __init__(self, message: Any, reply_to: LoopFuture[Any] | None) -> None:  # noqa: ANN401 -- pykka sends anything
        self.message = message
        self.reply_to = reply_to
        self.enqueued_at = time.monotonic()
        self.attempts = 0
        """How often an actor died holding it."""

    @property
    def answered(self) -> bool:
        """Whether the asker has its reply; a `tell` has nobody who waits for one."""
        return self.reply_to is not None and self.reply_to.done()

    def reply(self, value: object) -> None:
        """Answer the asker, if there is one and it has no answer yet."""
        if self.reply_to is not None and not self.reply_to.done():
            self.reply_to.set(value)

    def fail(self, error: BaseException) -> None:
        """Answer the asker with an exception, if there is one and it has no answer yet."""
        if self.reply_to is not None and not self.reply_to.done():
            self.reply_to.set_error(error)


class Gate:
    """What mailboxes of one kind share: whether they are drained, and how much may wait in all."""

    def __init__(self, max_waiting: int = 2**31) -> None:
        self.open = True
        self.waiting = 0
        self.active = 0
        """Messages taken by an actor and not finished."""
        self.max_waiting = max_waiting
        self.wait_s = 0.0
        """Time waited in these mailboxes, in seconds, smoothed over about the last fifty."""
        self.delayed = 0
        """Messages whose actor waits for the store before it tries again."""


@dataclass(frozen=True, slots=True)
class MailboxStats:
    """A mailbox as operators see it; times in seconds, sums since the mailbox was made."""

    depth: int
    oldest_waiting_s: float
    handled: int
    failed: int
    waited_s: float
    handling_s: float


class StopFlag:
    """What pykka needs of `threading.Event`, without its kilobyte per actor."""

    __slots__ = ("_set",)

    def __init__(self) -> None:
        self._set = False

    def is_set(self) -> bool:
        """Tell whether the actor has stopped."""
        return self._set

    def set(self) -> None:
        """Mark the actor as stopped."""
        self._set = True


class Mailbox:
    """The waiting messages of one actor, first in first out, and what became of the others.

    `put` may be called from any thread; everything else on the loop.
    """

    __slots__ = (
        "_loop",
        "_queue",
        "_thread",
        "actor",
        "capacity",
        "created",
        "draining",
        "failed",
        "gate",
        "handled",
        "handling_s",
        "last_put",
        "waited_s",
    )

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._queue: deque[Delivery] | None = None  # an idle mailbox holds no queue
        self.actor: AsyncioActor | None = None
        self.gate = _OPEN
        self.capacity = 2**31
        self.draining = False
        self.handled = 0
        self.failed = 0
        self.waited_s = 0.0
        self.handling_s = 0.0
        self.created = self.last_put = time.monotonic()

    def __len__(self) -> int:
        return len(self._queue) if self._queue else 0

    def empty(self) -> bool:
        """Tell whether nothing waits."""
        return not self._queue

    def get(self) -> Envelope[Any]:
        """Refuse: pykka's blocking loop does not run these actors."""
        raise NotImplementedError("loop actors take their messages with take()")

    def put(self, envelope: Envelope[Any]) -> None:
        """Add a message and wake the actor.

        Raises:
            MailboxFull: nothing was added; this mailbox, or all of its gate, is full.

        """
        reply_to = cast("LoopFuture[Any] | None", envelope.reply_to)
        delivery = Delivery(envelope.message, reply_to)
        if threading.get_ident() == self._thread:
            self._check_room(envelope.message)
            self._add(delivery)
        else:
            self._check_room(envelope.message)
            self._loop.call_soon_threadsafe(self._add_from_thread, delivery)

    def _check_room(self, message: object) -> None:
        if isinstance(message, _ActorStop):
            return
        if len(self) >= self.capacity:
            raise MailboxFull("mailbox", self.capacity)
        if self.gate.waiting >= self.gate.max_waiting:
            raise MailboxFull("node", self.gate.max_waiting)

    def _add_from_thread(self, delivery: Delivery) -> None:
        try:
            self._check_room(delivery.message)
        except MailboxFull as error:
            self.failed += 1
            delivery.fail(error)
            if delivery.reply_to is None:
                _log.warning("a told message found its mailbox full: %s", error)
        else:
            self._add(delivery)

    def _add(self, delivery: Delivery) -> None:
        actor = self.actor
        if actor is None or actor.actor_stopped.is_set():
            delivery.fail(pykka.ActorDeadError("the actor stopped before it saw the message"))
            return
        if self._queue is None:
            self._queue = deque()
        self._queue.append(delivery)
        self.last_put = delivery.enqueued_at
        self.gate.waiting += 1
        if delivery.reply_to is not None:
            delivery.reply_to.bind(self, delivery)
        self.wake()

    def wake(self) -> None:
        """Let the actor drain what waits, unless it is at it or the gate is closed."""
        if self._queue and not self.draining and self.gate.open and self.actor is not None:
            self.draining = True
            self.actor.begin_draining()

    def take(self) -> Delivery | None:
        """Give the next message to its actor; None when there is none or the gate is closed."""
        if not self._queue or not self.gate.open:
            return None
        delivery = self._queue.popleft()
        self.gate.waiting -= 1
        waited = time.monotonic() - delivery.enqueued_at
        self.waited_s += waited
        self.gate.wait_s += (waited - self.gate.wait_s) * _SMOOTHING
        return delivery

    def head(self) -> Delivery | None:
        """Look at the next message without taking it; None when the gate is closed."""
        return self._queue[0] if self._queue and self.gate.open else None

    def remove(self, delivery: Delivery) -> bool:
        """Take a message back before any actor saw it; ``False`` when one has."""
        if not self._queue or delivery not in self._queue:
            return False
        self._queue.remove(delivery)
        self.gate.waiting -= 1
        return True

    def detach(self) -> None:
        """Part from an actor that died: what waits stays for the next one (`adopt`)."""
        self.actor = None
        self.draining = False

    def put_back(self, deliveries: list[Delivery]) -> None:
        """Return messages that an actor died holding to the front, in their order."""
        if self._queue is None:
            self._queue = deque()
        self._queue.extendleft(reversed(deliveries))
        self.gate.waiting += len(deliveries)

    def rest(self) -> None:
        """Give the queue's memory back once it is empty."""
        self.draining = False
        if not self._queue:
            self._queue = None

    def discard(self, error: BaseException) -> int:
        """Answer everything that waits with `error`; give how many that were."""
        waiting, self._queue = self._queue or (), None
        self.gate.waiting -= len(waiting)
        for delivery in waiting:
            if isinstance(delivery.message, _ActorStop):
                delivery.reply(None)
            else:
                delivery.fail(error)
        return len(waiting)

    def stats(self) -> MailboxStats:
        """Say how the mailbox is doing."""
        oldest = time.monotonic() - self._queue[0].enqueued_at if self._queue else 0.0
        return MailboxStats(
            len(self), oldest, self.handled, self.failed, self.waited_s, self.handling_s
        )


_OPEN = Gate()


class AsyncioActor(pykka.Actor):
    """A pykka actor whose messages are handled on the event loop, one at a time.

    `on_receive` may be a coroutine, and may take further waiting messages with
    `take_waiting`. pykka's rules hold: an exception under `ask` goes to the asker and the
    actor lives; under `tell` the actor dies and `on_failure` runs. Unlike stock pykka, a
    BaseException (a CancelledError, too) counts as an exception of this actor alone.
    """

    in_registry: ClassVar[bool] = True
    """Whether `pykka.ActorRegistry` lists the actor: it is a list with a linear search."""

    actor_inbox: Mailbox
    _draining: asyncio.Task[None] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 -- pykka's signature
        super().__init__(*args, **kwargs)
        self.actor_stopped = cast("threading.Event", StopFlag())
        self._actor_ref = pykka.ActorRef(self)
        self.actor_inbox.actor = self
        self.current: Delivery | None = None
        self._handed_over = False

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> pykka.ActorRef[Self]:  # noqa: ANN401 -- pykka's signature
        """Start an actor on the running loop; `on_start` has run when this returns."""
        if cls.in_registry:
            return super().start(*args, **kwargs)
        actor = cls(*args, **kwargs)
        actor._start_actor_loop()
        return actor.actor_ref

    @staticmethod
    def _create_actor_inbox() -> Mailbox:
        return Mailbox()

    @staticmethod
    def _create_future() -> LoopFuture[Any]:
        return LoopFuture()

    def _start_actor_loop(self) -> None:
        self._actor_loop_setup()

    def adopt(self, mailbox: Mailbox) -> None:
        """Take over the mailbox, with all that waits, of an actor that this one replaces."""
        self.actor_inbox = mailbox
        mailbox.actor = self
        self._actor_ref = pykka.ActorRef(self)

    def take_waiting(self, limit: int, wanted: Callable[[Delivery], bool]) -> list[Delivery]:
        """Take up to `limit` further messages from the mailbox's head while they are `wanted`.

        Who takes a message answers it, with `Delivery.reply` or `fail`.
        """
        taken: list[Delivery] = []
        mailbox = self.actor_inbox
        while len(taken) < limit:
            head = mailbox.head()
            if head is None or not wanted(head):
                break
            mailbox.take()
            taken.append(head)
        mailbox.gate.active += len(taken)
        mailbox.handled += len(taken)
        return taken

    def hand_over(self) -> Delivery:
        """Take the current message's reply upon oneself: returning gives no answer any more."""
        delivery = self.current
        if delivery is None:
            raise RuntimeError("no message is being handled")
        self._handed_over = True
        return delivery

    def finished(self, count: int) -> None:
        """Say that `count` messages of `take_waiting` are done with."""
        self.actor_inbox.gate.active -= count

    def begin_draining(self) -> None:
        """Start the task that drains the mailbox; it ends when nothing waits."""
        self._draining = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        mailbox = self.actor_inbox
        try:
            while not self.actor_stopped.is_set():
                delivery = mailbox.take()
                if delivery is None:
                    break
                await self._handle(delivery)
        finally:
            self._draining = None
            if mailbox.actor is self:  # else another actor has adopted it
                mailbox.rest()
                if self.actor_stopped.is_set():
                    mailbox.discard(pykka.ActorDeadError(f"{self.actor_ref} stopped"))
                else:
                    mailbox.wake()

    async def _handle(self, delivery: Delivery) -> None:
        mailbox = self.actor_inbox
        self.current = delivery
        self._handed_over = False
        mailbox.gate.active += 1
        started = time.monotonic()
        try:
            answer = self._handle_receive(delivery.message)
            if inspect.iscoroutine(answer):
                answer = await answer
            if not self._handed_over:
                delivery.reply(answer)
        except BaseException as error:  # noqa: BLE001 -- the edge of an actor
            mailbox.failed += 1
            self._fail(delivery, error)
        finally:
            mailbox.gate.active -= 1
            mailbox.handled += 1
            mailbox.handling_s += time.monotonic() - started
            self.current = None

    def _fail(self, delivery: Delivery, error: BaseException) -> None:
        if not isinstance(error, Exception):
            # pykka would now stop every actor and leave the asker hanging.
            error = ActorInterrupted(f"{type(error).__name__} in {self}", error)
        if delivery.reply_to is not None:
            delivery.fail(error)
            return
        self._handle_failure(type(error), error, error.__traceback__)
        try:
            self.on_failure(type(error), error, error.__traceback__)
        except Exception:
            _log.exception("on_failure of %s raised", self)


class ActorInterrupted(Exception):  # noqa: N818 -- a state, not a mistake
    """Something that is not an Exception (`args[1]`) ended the handling of a message."""
