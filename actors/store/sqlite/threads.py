"""The threads that work on the SQLite file: one that decides and writes, a few that only read."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from actors.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.store.sqlite.file import SqliteFile

T = TypeVar("T")

_READERS: Final = 2
"""One that searches all orders does not hold up one that shows a single order."""


class SqliteThreads:
    """Runs functions on `file`: those of `run` one by one, those of `read` beside them.

    A reader has a connection of its own and sees what was committed before it began; in WAL mode
    neither waits for the other. Both raise `StoreUnavailable` for whatever a disk may answer.
    """

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._writer: ThreadPoolExecutor | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._idle: list[SqliteFile] = []

    async def open(self) -> None:
        """Make or check the file, and connect all; raises `StartupError`."""
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="sqlite-reader")
        try:
            await self.run(self._file.open)
            self._idle = [await self.run(self._file.reader) for _ in range(_READERS)]
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Finish what is under way and close the file. Idempotent."""
        (writer, self._writer), (readers, self._readers) = (
            (self._writer, None),
            (self._readers, None),
        )
        if writer is None or readers is None:
            return
        # The writer's connection last: that one brings the file in order.
        await asyncio.to_thread(readers.shutdown)
        while self._idle:
            self._idle.pop().close()
        await asyncio.get_running_loop().run_in_executor(writer, self._file.close)
        writer.shutdown()

    async def run(self, work: Callable[[], T]) -> T:
        """Call `work` when all that came before it is done; it may read and write."""
        return await _call(self._writer, work)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Give `work` one snapshot to read, as soon as a reader is idle."""

        def with_an_idle_one() -> T:
            file = self._idle.pop()
            try:
                with file.reading() as db:
                    return work(db)
            finally:
                self._idle.append(file)

        return await _call(self._readers, with_an_idle_one)


async def _call(threads: ThreadPoolExecutor | None, work: Callable[[], T]) -> T:
    if threads is None:
        raise StoreUnavailable("the SQLite file is not open")
    try:
        return await asyncio.get_running_loop().run_in_executor(threads, work)
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(f"SQLite: {error}") from error
