"""What the tests of the callers' client share: quick options, orders, and waiting for events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from tests.event_loop import LoopOfTests
from web.clients.python import ClientOptions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.unit.web.clients.fake_service import FakeService

_Result = TypeVar("_Result")

ORDER = "6560a0000000000000000001"
OTHER = "6560a0000000000000000002"
_LIMIT_S = 100.0


def quick(outbox: Path | None, **options: Any) -> ClientOptions:  # noqa: ANN401
    """Return options that try again soon; with an outbox, sending ends soon as well."""
    given: dict[str, Any] = {
        "deadline_s": 60.0 if outbox is None else 21.0,
        "attempt_s": 20.0 if outbox is None else 1.0,
        "breaker_failures": 1000,
        "breaker_open_s": 0.1,
        "replay_poll_s": 0.05,
        "language": "en",
    }
    return ClientOptions(outbox=outbox, fallback=outbox is not None, **(given | options))


async def given_up(
    service: FakeService, options: ClientOptions, call: Awaitable[_Result]
) -> _Result:
    """Have the time of a call be over once the service was sent it; give its result."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LoopOfTests)
    asked = asyncio.ensure_future(call)
    await until(lambda: bool(service.sizes))
    loop.skip(options.deadline_s)
    return await asked


async def until(condition: Callable[[], Awaitable[bool]] | Callable[[], bool]) -> None:
    """Wait until something is so; raises TimeoutError."""
    async with asyncio.timeout(_LIMIT_S):
        while True:
            found = condition()
            if found is True or (not isinstance(found, bool) and await found):
                return
            await asyncio.sleep(0.01)
