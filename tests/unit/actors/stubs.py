"""What the tests of the runtime share: an actor that does as told, and ways to wait."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, cast

from actors.runtime.actor import AsyncioActor
from actors.runtime.mailbox import Gate, Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from pykka import ActorRef

    from actors.runtime.future import LoopFuture

PATIENCE_S = 20.0
"""How long a test waits for what must come; never reached unless it fails."""


class Clerk(AsyncioActor):
    """Handles a message that can be called by calling it, and answers with any other."""

    in_registry = False

    def __init__(self, gate: Gate | None = None) -> None:
        super().__init__()
        self.actor_inbox.gate = gate or Gate()
        self.failures: list[BaseException | None] = []
        self.stops = 0

    def on_receive(self, message: Any) -> object:  # noqa: ANN401 -- pykka's signature
        return message() if callable(message) else message

    def on_failure(self, *exc_info: Any) -> None:  # noqa: ANN401 -- pykka's signature
        self.failures.append(exc_info[1])

    def on_stop(self) -> None:
        self.stops += 1


class Gatherer(Clerk):
    """Answers numbers with how many of them it took together."""

    async def on_receive(self, message: Any) -> object:  # noqa: ANN401 -- pykka's signature
        if not isinstance(message, int):
            answer = super().on_receive(message)
            return await answer if inspect.iscoroutine(answer) else answer
        mine = [self.defer_reply()]
        taken = self.take_waiting(9, lambda each: isinstance(each.message, int))
        await asyncio.sleep(0)
        for delivery in [*mine, *taken]:
            delivery.reply(1 + len(taken))
        self.finished(len(taken))
        return "never seen"


def raising(error: BaseException) -> Callable[[], None]:
    """Make a message that has its `Clerk` raise `error`."""

    def fail() -> None:
        raise error

    return fail


def clerk_of(ref: ActorRef[Any]) -> Clerk:
    actor = mailbox_of(ref).actor
    assert isinstance(actor, Clerk)
    return actor


def mailbox_of(ref: ActorRef[Any]) -> Mailbox:
    return cast("Mailbox", ref.actor_inbox)


def ask(ref: ActorRef[Any], message: object) -> LoopFuture[Any]:
    return cast("LoopFuture[Any]", ref.ask(message, block=False))


async def until(condition: Callable[[], object]) -> None:
    """Return once `condition` holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 -- what is awaited here has no event of its own
            await asyncio.sleep(0.002)
