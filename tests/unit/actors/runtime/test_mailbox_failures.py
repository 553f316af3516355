"""Whatever is raised in an actor: who hears of it, who dies of it, and who does not."""

from __future__ import annotations

import asyncio
from typing import Any

import pykka
import pytest

from actors.runtime.actor import ActorInterrupted
from tests.unit.actors.stubs import Clerk, ask, clerk_of, mailbox_of, raising

INTERRUPTIONS = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)


async def test_an_exception_under_ask_goes_to_the_asker_and_the_actor_lives() -> None:
    ref = Clerk.start()

    with pytest.raises(ZeroDivisionError):
        await ask(ref, raising(ZeroDivisionError()))

    assert await ask(ref, "still here") == "still here"
    assert mailbox_of(ref).failed == 1


async def test_an_exception_under_tell_kills_that_actor_alone() -> None:
    ref, neighbour, error = Clerk.start(), Clerk.start(), ZeroDivisionError()
    clerk = clerk_of(ref)
    ref.tell(raising(error))
    behind = ask(ref, "behind")

    with pytest.raises(pykka.ActorDeadError):
        await behind
    assert clerk.failures == [error]
    assert not ref.is_alive()
    assert await ask(neighbour, "alive") == "alive"


@pytest.mark.parametrize("interruption", INTERRUPTIONS)
async def test_an_interruption_under_ask_leaves_nobody_hanging_and_stops_nobody(
    interruption: type[BaseException],
) -> None:
    ref, neighbour = Clerk.start(), Clerk.start()
    asked, behind = ask(ref, raising(interruption())), ask(ref, "behind")

    with pytest.raises(ActorInterrupted, match=interruption.__name__):
        await asked
    assert await behind == "behind"
    assert await ask(neighbour, "alive") == "alive"


@pytest.mark.parametrize("interruption", INTERRUPTIONS)
async def test_an_interruption_under_tell_kills_that_actor_alone(
    interruption: type[BaseException],
) -> None:
    ref, neighbour = Clerk.start(), Clerk.start()
    clerk = clerk_of(ref)

    async def interrupted() -> None:
        await asyncio.sleep(0)
        raise interruption

    ref.tell(interrupted)
    with pytest.raises(pykka.ActorDeadError):
        await ask(ref, "behind")

    [failure] = clerk.failures
    assert isinstance(failure, ActorInterrupted)
    assert isinstance(failure.args[1], interruption)
    assert await ask(neighbour, "alive") == "alive"


@pytest.mark.parametrize("error", [ValueError, *INTERRUPTIONS])
async def test_an_on_failure_that_raises_does_no_harm(error: type[BaseException]) -> None:
    class Clumsy(Clerk):
        def on_failure(self, *exc_info: Any) -> None:  # noqa: ANN401 -- pykka's signature
            super().on_failure(*exc_info)
            raise error

    ref = Clumsy.start()
    clerk = clerk_of(ref)
    ref.tell(raising(ZeroDivisionError()))
    with pytest.raises(pykka.ActorDeadError):
        await ask(ref, "behind")

    assert len(clerk.failures) == 1
    assert not asyncio.all_tasks() - {asyncio.current_task()}
