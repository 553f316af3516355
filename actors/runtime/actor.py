"""Actors on the event loop: a pykka actor type whose idle actors cost no task and no thread.

pykka offers its own hooks for new actor types (`_create_actor_inbox`, `_create_future`,
`_start_actor_loop`); they are underscored, so pykka is pinned below its next major release.
A task exists only while a mailbox is being drained.
"""

from __future__ import annotations

import asyncio
import logging
import time
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import pykka

from actors.runtime.delivery import Stage
from actors.runtime.future import LoopFuture
from actors.runtime.mailbox import Mailbox
from actors.runtime.stop_flag import StopFlag

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from actors.runtime.delivery import Delivery

_log = logging.getLogger(__name__)


class AsyncioActor(pykka.Actor):
    """A pykka actor whose messages are handled on the event loop, one at a time.

    `on_receive` may be a coroutine, and may take further waiting messages with
    `take_waiting`. pykka's rules hold: an exception under `ask` goes to the asker and the
    actor lives; under `tell` the actor dies and `on_failure` runs. Unlike stock pykka, a
    BaseException (a CancelledError, too) counts as an exception of this actor alone.
    """

    in_registry: ClassVar[bool] = True
    """Whether `pykka.ActorRegistry` lists the actor: it is a list with a linear search."""

    inline: ClassVar[bool] = False
    """Whether a message is handled as it is put into the mailbox, without a task: its handler is
    no coroutine, is quick, and asks nobody."""

    actor_inbox: Mailbox
    _draining: asyncio.Task[None] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 -- pykka's signature
        super().__init__(*args, **kwargs)
        self.stopped = StopFlag()
        self.actor_stopped = cast("threading.Event", self.stopped)
        self._actor_ref = pykka.ActorRef(self)
        self.actor_inbox.actor = self
        self.current: Delivery | None = None
        self._reply_deferred = False

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

    def defer_reply(self) -> Delivery:
        """Answer the current message later, with `reply` or `fail`: the return value is ignored."""
        delivery = self.current
        if delivery is None:
            raise RuntimeError("no message is being handled")
        self._reply_deferred = True
        return delivery

    def finished(self, count: int) -> None:
        """Say that `count` messages of `take_waiting` are done with."""
        gate = self.actor_inbox.gate
        gate.active -= count
        gate.done += count

    def begin_draining(self) -> None:
        """Start to drain the mailbox, until nothing waits: at once, or in a task."""
        if self.inline:
            self._drain_now()
        else:
            self._draining = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        mailbox = self.actor_inbox
        try:
            while not self.stopped.on:
                delivery = mailbox.take()
                if delivery is None:
                    break
                began = self._begin(delivery)
                try:
                    answer = self._handle_receive(delivery.message)
                    if isinstance(answer, CoroutineType):
                        answer = await answer
                    if not self._reply_deferred:
                        delivery.reply(answer)
                except BaseException as error:  # noqa: BLE001 -- the edge of an actor
                    self._fail(delivery, error)
                finally:
                    self._end(began)
        finally:
            self._draining = None
            self._drained(mailbox)

    def handle_now(self, delivery: Delivery) -> None:
        """Handle a message at once, as it would be first in the mailbox of an `inline` actor."""
        mailbox = self.actor_inbox
        mailbox.draining = True  # what is put meanwhile waits
        delivery.stage, delivery.taken_at = Stage.ACTIVE, delivery.enqueued_at
        self._handle(delivery)
        self._drained(mailbox)

    def _drain_now(self) -> None:
        mailbox = self.actor_inbox
        while not self.stopped.on:
            delivery = mailbox.take()
            if delivery is None:
                break
            self._handle(delivery)
        self._drained(mailbox)

    def _handle(self, delivery: Delivery) -> None:
        began = self._begin(delivery)
        try:
            answer = self._handle_receive(delivery.message)
            if not self._reply_deferred:
                delivery.reply(answer)
        except BaseException as error:  # noqa: BLE001 -- the edge of an actor
            self._fail(delivery, error)
        finally:
            self._end(began)

    def _drained(self, mailbox: Mailbox) -> None:
        if mailbox.actor is self:  # else another actor has adopted it
            waits = mailbox.rest()
            if self.stopped.on:
                mailbox.discard(pykka.ActorDeadError(f"{self.actor_ref} stopped"))
            elif waits:
                mailbox.wake()

    def _begin(self, delivery: Delivery) -> tuple[float, int]:
        """Count a message as being handled; return since when, and how many were before."""
        self.current = delivery
        self._reply_deferred = False
        self.actor_inbox.gate.active += 1
        return time.monotonic(), self.actor_inbox.handled

    def _end(self, began: tuple[float, int]) -> None:
        started, handled = began
        mailbox = self.actor_inbox
        mailbox.gate.active -= 1
        mailbox.handled += 1
        spent = time.monotonic() - started
        mailbox.handling_s += spent
        mailbox.gate.handlings.note(spent, mailbox.handled - handled)
        self.current = None

    def _fail(self, delivery: Delivery, error: BaseException) -> None:
        self.actor_inbox.failed += 1
        if not isinstance(error, Exception):
            # pykka would now stop every actor and leave the asker hanging.
            error = ActorInterrupted(f"{type(error).__name__} in {self}", error)
        if delivery.reply_to is not None:
            delivery.fail(error)
            return
        self._handle_failure(type(error), error, error.__traceback__)
        try:
            self.on_failure(type(error), error, error.__traceback__)
        except BaseException:  # noqa: BLE001 -- the edge of an actor
            _log.exception("on_failure of %s raised", self)


class ActorInterrupted(Exception):
    """Something that is not an Exception (`args[1]`) ended the handling of a message."""
