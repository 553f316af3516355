"""The outbox as the event loop sees it: the disk is touched on a thread of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from .outbox_file import OutboxFile, OutboxUnusable

if TYPE_CHECKING:
    from collections.abc import Callable

    from .options import ClientOptions
    from .results import Update

_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")
_BUSY_S: Final = 5.0
"""How long one waits for other processes at the file."""
_AT_ONCE: Final = 1000
"""Updates that share one commit."""


class Outbox:
    """Keeps updates until the service has them; calls come back in the order they were made."""

    def __init__(self, options: ClientOptions) -> None:
        if options.outbox is None:
            raise ValueError("an outbox needs a file")
        self._file = OutboxFile(options.outbox, options.max_entries, options.max_bytes, _BUSY_S)
        self._worker: ThreadPoolExecutor | None = None
        self._asked: set[str] = set()
        self._look: asyncio.Task[set[str]] | None = None
        """The next look at what waits, which those in `_asked` will share."""
        self._arrivals: deque[tuple[Update, Future[int]]] = deque()
        self.filled = asyncio.Event()
        """Set when something was kept: there is work for the replayer."""

    async def open(self) -> None:
        """Open the file; raises `OutboxUnusable`."""
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="plan-server-outbox")
        try:
            await self.run(self._file.open)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the file, after what is under way. Idempotent."""
        worker, self._worker = self._worker, None
        if worker is not None:
            try:
                await asyncio.get_running_loop().run_in_executor(worker, self._file.close)
            finally:
                worker.shutdown(wait=False)

    @property
    def file(self) -> OutboxFile:
        """Return the blocking side, whose methods are for `run`."""
        return self._file

    async def run(
        self, work: Callable[_Args, _Result], *args: _Args.args, **kwargs: _Args.kwargs
    ) -> _Result:
        """Do something with the file on its thread; what was asked first is done first."""
        if self._worker is None:
            raise OutboxUnusable("the outbox is not open")
        return await asyncio.wrap_future(self._worker.submit(work, *args, **kwargs))

    async def waiting(self, orders: set[str]) -> set[str]:
        """Return those orders of which an update waits; a later one must go behind it.

        Those who ask in one turn of the loop share one look at the file.
        """
        if self._look is None:
            self._look = asyncio.create_task(self._look_once())
        self._asked |= orders
        return orders & await asyncio.shield(self._look)

    async def _look_once(self) -> set[str]:
        asked, self._asked, self._look = self._asked, set(), None
        return await self.run(self._file.waiting, asked)

    async def put(self, update: Update) -> int:
        """Keep an update; give the number that waits once it is on the disk.

        Raises `OutboxFull`, `KeyTaken`, `OutboxUnusable`. When the caller stops waiting it may
        be kept all the same.
        """
        if self._worker is None:
            raise OutboxUnusable("the outbox is not open")
        kept: Future[int] = Future()
        self._arrivals.append((update, kept))
        self._worker.submit(self._commit_together)
        waiting = await asyncio.wrap_future(kept)
        self.filled.set()
        return waiting

    def _commit_together(self) -> None:
        """Commit, with one sync, all that came while the last commit was under way."""
        taken = [self._arrivals.popleft() for _ in range(min(len(self._arrivals), _AT_ONCE))]
        # Those whose callers have given up are left out.
        batch = [(update, kept) for update, kept in taken if kept.set_running_or_notify_cancel()]
        if not batch:
            return
        try:
            outcomes = self._file.put([update for update, _ in batch])
        except Exception as error:  # noqa: BLE001 -- each of them is told
            outcomes = [error] * len(batch)
        for (_, kept), outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Exception):
                kept.set_exception(outcome)
            else:
                kept.set_result(outcome)
