"""Tasks that call all nodes until they are told to stop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

_TIMEOUT_S: Final = 4.0
_CANCELLED_AGAIN_S: Final = 1.0


@dataclass(slots=True)
class Crew:
    """A session for each node, and the tasks that use them."""

    urls: Sequence[str]
    _sessions: list[aiohttp.ClientSession] = field(default_factory=list, init=False)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list, init=False)
    _stopping: bool = field(default=False, init=False)

    def _open(self) -> None:
        self._sessions += [
            aiohttp.ClientSession(
                url,
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
            )
            for url in self.urls
        ]

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def finish(self) -> None:
        """Let each settle what it is at; afterwards nothing is under way."""
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """End what is left, and give the connections back."""
        while left := [task for task in self._tasks if not task.done()]:
            for task in left:
                task.cancel()
            # Python 3.11's `wait_for`, in the driver, loses one that comes just as it is done.
            await asyncio.wait(left, timeout=_CANCELLED_AGAIN_S)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for session in self._sessions:
            await session.close()
