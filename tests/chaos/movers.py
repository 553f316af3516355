"""Movers beside the callers: entries of orders that have ended go to the archive and come back.

Each is killed again and again, wherever it is then, and sleeps between the steps of a batch. All
that has ended is old to them: orders go on, and their keys come again, while entries are moved.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Final

from actors.errors import WorkOrderError
from actors.store.mongo.archive import MongoArchive
from actors.store.mongo.store import MongoStore
from tests.chaos.crew import Crew

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from actors.store.archive import Moved

    Step = Callable[[MongoArchive], Awaitable[Moved | None]]

EVER: Final = datetime(2999, 1, 1, tzinfo=UTC)
"""Also what came back just now may be moved, and what a clock that is ahead made."""
_NAPS_S: Final = (0.0, 0.0, 0.2, 1.0)
_TIMEOUT_S: Final = 5.0
_LAST_DEADLINE_S: Final = 600


class NappingArchive(MongoArchive):
    """Rests between two steps of a batch for one of `naps`, in seconds.

    So short rests are not for readers, but for decisions, which don't rely on them.
    """

    def __init__(self, store: MongoStore, rng: Random, naps: Sequence[float] = _NAPS_S) -> None:
        super().__init__(lambda: store._at)  # noqa: SLF001 -- a mover's own connections
        self._rng, self._naps = rng, naps

    async def rest(self) -> None:
        await asyncio.sleep(self._rng.choice(self._naps))


@dataclass(frozen=True, slots=True)
class Lives:
    """What a mover lives for at most, and the mean of what passes until the next; in seconds."""

    longest_s: float = 3.0
    rest_s: float = 0.25


@dataclass(slots=True)
class Movers(Crew):
    """Two who move and one who brings back, each of whom is killed, wherever it is then."""

    uri: str
    database: str
    seed: int
    lives: Lives = field(default_factory=Lives)
    moved: int = 0
    """Entries that were told as moved; who was killed tells nothing."""
    restored: int = 0
    _store: MongoStore | None = field(default=None, init=False)

    async def open(self) -> None:
        """Connect; raises `StartupError`."""
        store = MongoStore(self.uri, self.database, driver="pymongo", timeout_s=_TIMEOUT_S)
        await store.open()
        self._store = store

    def start(self) -> None:
        """Set them to work."""
        for number, step in enumerate((self._move, self._move, self._restore)):
            rng = Random(f"{self.seed} mover {number}")  # noqa: S311 -- a load, not a secret
            self._begin(self._work(rng, step))

    async def finish(self) -> None:
        """Kill them all; raises what one of them has ended with."""
        for task in self._tasks:
            if task.done():
                task.result()
        await super(Movers, self).close()

    async def close(self) -> None:
        await super(Movers, self).close()
        if self._store is not None:
            await self._store.close()

    async def settle(self) -> None:
        """Move what has ended, bring all back, and move it once more; raises TimeoutError.

        That also settles what a mover that was killed has left, and what an owner that slept for
        longer than entries here take to be old has written once more. Nobody else is at work. In
        the end the log has some orders' entries, and the archive those of others.
        """
        rng = Random(self.seed)  # noqa: S311 -- the same
        archive = NappingArchive(self._opened(), rng, naps=(0.0,))
        async with asyncio.timeout(_LAST_DEADLINE_S):
            for step in (self._move, self._restore, self._move):
                while await step(archive):
                    pass

    async def _work(self, rng: Random, step: Step) -> None:
        while True:
            archive = NappingArchive(self._opened(), rng)
            with suppress(WorkOrderError, TimeoutError):
                async with asyncio.timeout(rng.uniform(0.0, self.lives.longest_s)):
                    while await step(archive):
                        pass
            await asyncio.sleep(rng.uniform(0, 2 * self.lives.rest_s))

    def _opened(self) -> MongoStore:
        assert self._store is not None
        return self._store

    async def _move(self, archive: MongoArchive) -> Moved | None:
        moved = await archive.move(EVER)
        self.moved += moved.entries if moved else 0
        return moved

    async def _restore(self, archive: MongoArchive) -> Moved | None:
        moved = await archive.restore()
        self.restored += moved.entries if moved else 0
        return moved
