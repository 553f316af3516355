"""A mailbox on the event loop: what waits for an actor, bounded and counted."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

import pykka
from pykka.messages import _ActorStop

from actors.domain.messages import Control
from actors.errors import MailboxFull, OutcomeUnknown
from actors.runtime.delivery import Delivery, Stage
from actors.runtime.future import LoopFuture

if TYPE_CHECKING:
    from pykka._envelope import Envelope

    from actors.runtime.stop_flag import StopFlag

_log = logging.getLogger(__name__)
_SMOOTHING = 0.02


class Durations(Protocol):
    """Takes the seconds that messages waited, or were handled."""

    def note(self, seconds: float, times: int = 1) -> None:
        """Count a duration that so many messages had."""
        ...


class _Ignored:
    def note(self, seconds: float, times: int = 1) -> None:
        pass


_IGNORED = _Ignored()


class Drained(Protocol):
    """What a mailbox needs of its actor."""

    stopped: StopFlag
    current: Delivery | None
    inline: ClassVar[bool]

    def begin_draining(self) -> None:
        """Start to take what waits, until nothing does."""
        ...

    def handle_now(self, delivery: Delivery) -> None:
        """Handle a message that need not wait, of an actor that is `inline`."""
        ...


class Gate:
    """Shared by all mailboxes of one kind: pause switch, bound on what waits in all, counters."""

    def __init__(
        self,
        max_waiting: int = 2**31,
        waits: Durations | None = None,
        handlings: Durations | None = None,
    ) -> None:
        self.open = True
        self.reopened_at = 0.0
        """When it was opened last after a pause (monotonic seconds)."""
        self.busy: set[Mailbox] = set()
        """Mailboxes in which something waits, or whose actor is at work; some may be done."""
        self.waits = waits or _IGNORED
        self.handlings = handlings or _IGNORED
        self.waiting = 0
        self.active = 0
        """Messages taken by an actor and not finished."""
        self.done = 0
        """Of those that were taken together, how many are."""
        self.max_waiting = max_waiting
        self.wait_s = 0.0
        """Time waited in these mailboxes, in seconds, smoothed over about the last fifty."""
        self.delayed = 0
        """Messages whose actor waits for the store before it tries again."""
        self.durable = 0
        """Of the waiting messages, those that are kept in the store: they have a bound there."""
        self.backing_off = 0
        """Of the waiting messages, those that failed and are tried again in a while."""

    def reopen(self) -> None:
        """End a pause; the mailboxes are to be woken."""
        if not self.open:
            self.open, self.reopened_at = True, time.monotonic()


@dataclass(frozen=True, slots=True)
class MailboxStats:
    """A mailbox as operators see it; times in seconds, sums since the mailbox was made."""

    depth: int
    oldest_waiting_s: float
    handled: int
    failed: int
    waited_s: float
    handling_s: float


class Mailbox:
    """One actor's bounded FIFO queue, with counters of what was handled.

    `put` may be called from any thread; everything else on the loop.
    """

    __slots__ = (
        "_back_off",
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
        "label",
        "last_put",
        "paused",
        "released_at",
        "waited_s",
    )

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._queue: deque[Delivery] | None = None  # an idle mailbox holds no queue
        self.actor: Drained | None = None
        self.label: str | None = None
        """What people call the actor, where it has been told."""
        self.gate = _OPEN
        self.capacity = 2**31
        self.paused = False
        """Whether this mailbox alone is not drained; `release` it, do not just reset this."""
        self._back_off: asyncio.TimerHandle | None = None
        self.draining = False
        self.handled = 0
        self.failed = 0
        self.waited_s = 0.0
        self.handling_s = 0.0
        self.released_at = 0.0
        """When a pause of this mailbox alone ended (monotonic seconds)."""
        self.created = self.last_put = time.monotonic()

    def __len__(self) -> int:
        return len(self._queue) if self._queue else 0

    def empty(self) -> bool:
        """Return whether nothing waits."""
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

    def ask(self, message: object) -> LoopFuture[Any]:
        """Do what `ActorRef.ask(message, block=False)` does, on the loop only and with less ado.

        Raises:
            MailboxFull: as `put`.

        """
        self._check_room(message)
        reply: LoopFuture[Any] = LoopFuture()
        self._add(Delivery(message, reply))
        return reply

    def _check_room(self, message: object) -> None:
        gate = self.gate
        if self._queue is not None and len(self._queue) >= self.capacity:
            full = MailboxFull("mailbox", self.capacity)
        elif gate.waiting - gate.durable >= gate.max_waiting:
            full = MailboxFull("node", gate.max_waiting)
        else:
            return
        if not isinstance(message, (_ActorStop, Control)):
            raise full

    def place(
        self, message: object, reply_to: LoopFuture[Any], *, attempts: int
    ) -> Delivery | None:
        """Add a message that is kept in the store, full or not; None where there is no actor.

        `attempts` says how often it has failed before.
        """
        if self.actor is None or self.actor.stopped.on:
            return None
        delivery = Delivery(message, reply_to)
        delivery.durable, delivery.attempts = True, attempts
        self.gate.durable += 1
        self._add(delivery)
        return delivery

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
        if actor is None or actor.stopped.on:
            delivery.fail(pykka.ActorDeadError("the actor stopped before it saw the message"))
            return
        self.last_put = delivery.enqueued_at
        if actor.inline and not self._queue and not self.draining and self.open:
            actor.handle_now(delivery)
            return
        if self._queue is None:
            self._queue = deque()
        self._queue.append(delivery)
        self.gate.waiting += 1
        self.gate.busy.add(self)
        if delivery.reply_to is not None:
            delivery.reply_to.take_back = partial(self.remove, delivery)
        self.wake()

    @property
    def held(self) -> bool:
        """Whether nothing is taken from this mailbox, for a reason of its own."""
        return self.paused or self._back_off is not None

    @property
    def open(self) -> bool:
        """Whether messages are taken from it."""
        return self.gate.open and not self.paused and self._back_off is None

    def release(self) -> None:
        """Take messages again, after a pause of this mailbox."""
        if self.paused:
            self.paused, self.released_at = False, time.monotonic()
        self.wake()

    def back_off(self, seconds: float) -> None:
        """Take nothing for a while: the first message failed and keeps its place."""
        first = self._queue[0] if self._queue else None
        if first is None or self._back_off is not None:
            return
        first.stage = Stage.DELAYED
        self.gate.backing_off += 1
        self._back_off = self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._end_back_off()
        self.wake()

    def _end_back_off(self) -> None:
        if self._back_off is not None:
            self._back_off.cancel()
            self._back_off = None
            self.gate.backing_off -= 1
            if self._queue:
                self._queue[0].stage = Stage.WAITING

    def wake(self) -> None:
        """Let the actor drain what waits, unless it is at it or nothing is to be taken."""
        if self._queue and not self.draining and self.open and self.actor is not None:
            self.draining = True
            self.actor.begin_draining()

    def take(self) -> Delivery | None:
        """Return the next message to its actor; None when there is none or none is to be taken."""
        if not self._queue or not self.open:
            return None
        delivery = self._queue.popleft()
        delivery.stage = Stage.ACTIVE
        self._left(delivery)
        delivery.taken_at = time.monotonic()
        delivery.waits_from = self.waits_from(delivery)
        waited = delivery.taken_at - delivery.waits_from
        self.gate.waits.note(waited)
        self.waited_s += waited
        self.gate.wait_s += (waited - self.gate.wait_s) * _SMOOTHING
        return delivery

    def waits_from(self, delivery: Delivery) -> float:
        """Return from when on its time counts: its arrival, or the end of a pause after that."""
        return max(delivery.enqueued_at, self.gate.reopened_at, self.released_at)

    @property
    def first(self) -> Delivery | None:
        """The message that waits longest, whether or not it may be taken."""
        return self._queue[0] if self._queue else None

    @property
    def backs_off(self) -> bool:
        """Whether the first message failed, and is tried again in a while."""
        return self._back_off is not None

    def head(self) -> Delivery | None:
        """Look at the next message without taking it; None when none is to be taken."""
        return self._queue[0] if self._queue and self.open else None

    def remove(self, delivery: Delivery) -> bool:
        """Take a message back before any actor saw it; ``False`` when one has."""
        if delivery.attempts or not self._queue or delivery not in self._queue:
            return False
        self._queue.remove(delivery)
        self._left(delivery)
        if not self._queue and not self.draining:
            self.gate.busy.discard(self)
        return True

    def _left(self, delivery: Delivery) -> None:
        self.gate.waiting -= 1
        if delivery.durable:
            self.gate.durable -= 1

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
        self.gate.busy.add(self)
        for delivery in deliveries:
            delivery.stage = Stage.WAITING
            self.gate.durable += delivery.durable

    def rest(self) -> bool:
        """Tell if something waits; else the queue's memory is given back."""
        self.draining = False
        if self._queue:
            return True
        self._queue = None
        self.gate.busy.discard(self)
        return False

    def discard(self, error: BaseException) -> int:
        """Answer everything that waits with `error`; give how many that were.

        Only what no actor ever saw: one that died may have had a message's change committed.
        """
        self._end_back_off()
        self.gate.busy.discard(self)
        waiting, self._queue = self._queue or (), None
        for delivery in waiting:
            self._left(delivery)
            if isinstance(delivery.message, _ActorStop):
                delivery.reply(None)
            elif delivery.attempts:
                delivery.fail(OutcomeUnknown("its actor died, and there is no other to find out"))
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
