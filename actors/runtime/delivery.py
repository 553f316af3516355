"""One message on its way through a mailbox, and its reply."""

from __future__ import annotations

import time
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actors.runtime.future import LoopFuture


class Stage(Enum):
    """Where a message is on its way."""

    WAITING = auto()
    ACTIVE = auto()
    """An actor has taken it."""
    DELAYED = auto()
    """It is to be tried again in a while."""


class Delivery:
    """One message in, or taken from, a mailbox."""

    __slots__ = (
        "attempts",
        "durable",
        "enqueued_at",
        "failures",
        "message",
        "reply_to",
        "stage",
        "taken_at",
        "waits_from",
    )

    def __init__(self, message: Any, reply_to: LoopFuture[Any] | None) -> None:  # noqa: ANN401 -- pykka sends anything
        self.message = message
        self.reply_to = reply_to
        self.enqueued_at = self.waits_from = time.monotonic()
        """Its arrival, and from when on its time counts: none paused (monotonic seconds)."""
        self.attempts = 0
        """How often an actor died holding it, or failed with it."""
        self.failures: tuple[Any, ...] = ()
        """What those who failed with it here noted of that, in their order."""
        self.durable = False
        """Whether it is kept in the store: it finds room in a full mailbox."""
        self.stage = Stage.WAITING
        self.taken_at = 0.0
        """When an actor took it last (monotonic seconds)."""

    def note_failure(self, failure: object) -> None:
        """Count an attempt that failed, and keep what is said of it."""
        self.attempts += 1
        self.failures = (*self.failures, failure)

    @property
    def answered(self) -> bool:
        """Whether the asker has its reply; a `tell` has nobody who waits for one."""
        return self.reply_to is not None and self.reply_to.done()

    def reply(self, value: object) -> None:
        """Answer the asker, if there is one and it has no answer yet."""
        if self.reply_to is not None:
            self.reply_to.settle(value, None)

    def fail(self, error: BaseException) -> None:
        """Answer the asker with an exception, if there is one and it has no answer yet."""
        if self.reply_to is not None:
            self.reply_to.settle(None, error)
