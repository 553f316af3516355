"""An answer within its deadline, or the reason that there is none."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from actors.errors import OutcomeUnknown, StillWaiting

if TYPE_CHECKING:
    from actors.domain.messages import Updated
    from actors.runtime.future import LoopFuture

LAST_WORD_S = 0.25
"""Seconds after a deadline in which an actor may still say for certain what became of it."""


class Pausable(Protocol):
    """What can tell whether processing is paused."""

    paused: bool


class LastWord:
    """The time that actors have after the deadline, in all, however many are asked."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: float | None = None

    def left(self) -> float:
        """Return what is left of it; it begins to run when this is first asked."""
        if self._until is None:
            self._until = time.monotonic() + LAST_WORD_S
        return seconds_left(self._until)


async def answer_within(
    reply: LoopFuture[Updated],
    deadline: float,
    orders: Pausable,
    last_word: LastWord | None = None,
) -> Updated:
    """Return the reply, or raise why there is none.

    `last_word` is shared by those who are asked together.

    Raises:
        StillWaiting: the deadline passed before an actor saw the message: not applied.
        OutcomeUnknown: the deadline passed while it was being committed.

    """
    try:
        return await reply.within(seconds_left(deadline))
    except TimeoutError:
        if reply.withdraw():
            raise StillWaiting(paused=orders.paused) from None
    try:
        # Its actor has it, and may be about to say for certain that it was not applied.
        return await reply.within((last_word or LastWord()).left())
    except TimeoutError:
        raise OutcomeUnknown("the deadline passed while the update was being committed") from None


def seconds_left(deadline: float) -> float:
    """Return the seconds until `deadline` (`time.monotonic()`), 0 once it has passed."""
    return max(0.0, deadline - time.monotonic())
