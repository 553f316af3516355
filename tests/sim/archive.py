"""The Archive port over the simulated database: what the MongoDB store sends, step by step.

Entries are copied, then the copies count, then the originals are deleted. Whoever moves them may
be killed or sleep between any two steps, and another goes on with the batch.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from actors.errors import StoreRejected
from actors.store.archive import ENDED, Moved

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from actors.domain.commit import StoredOrder
    from actors.domain.model import LogEntry, WorkOrderId
    from tests.sim.database import Database
    from tests.sim.store import SimStore

_EVER = datetime(9999, 1, 1, tzinfo=UTC)
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
_ORDERS = 2
"""What one batch has at most."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is under way; nothing while it has no orders."""

    number: int = 0
    back: bool = False
    orders: tuple[WorkOrderId, ...] = ()
    before: datetime = _EVER
    copied: bool = False
    left: tuple[WorkOrderId, ...] = ()


@dataclass(slots=True)
class Shelf:
    """Entries that left the log; every method is one step of the server."""

    entries: dict[str, LogEntry] = field(default_factory=dict)
    batch: Batch = field(default_factory=Batch)
    marks: dict[tuple[bool, str], int] = field(default_factory=dict)
    """The batch that copied an entry to the log (True) or the archive."""
    restored: dict[str, datetime] = field(default_factory=dict)

    def announce(self, batch: Batch) -> None:
        """Begin a batch, unless another is under way."""
        if not (self.batch.orders or self.batch.left):
            self.batch = replace(batch, number=self.batch.number + 1)

    def change(self, batch: Batch, **fields: Any) -> None:  # noqa: ANN401 -- those of a batch
        """Change the batch, if it is still this one and has come so far."""
        if (self.batch.number, self.batch.copied) == (batch.number, batch.copied):
            self.batch = replace(self.batch, **fields)

    def leave(self, batch: Batch, order_id: WorkOrderId) -> None:
        """Leave an order of the batch where it is, unless its copies count already."""
        orders = tuple(each for each in self.batch.orders if each != order_id)
        self.change(batch, orders=orders, left=(*self.batch.left, order_id))

    def copy(self, database: Database, batch: Batch, job_id: str) -> str | None:
        """Copy one entry while the batch is at that step; say why the log refuses it."""
        now, source = self.batch, self.entries if batch.back else database.logs
        entry = source.get(job_id)
        if entry is None or now.number != batch.number or now.copied:
            return None
        if entry.work_order_id not in now.orders:
            return None
        if not batch.back:
            self.entries[job_id] = entry
        elif reason := database.insert([entry]).get(job_id):
            return reason
        else:
            self.restored[job_id] = datetime.now(UTC)
        self.marks[batch.back, job_id] = batch.number
        return None

    def delete_original(self, database: Database, batch: Batch, job_id: str) -> None:
        """Delete what has its copy, unless it was copied to there since."""
        log = not batch.back
        if self.marks.get((log, job_id), 0) < batch.number:
            self._delete(database, job_id, log=log)

    def delete_copy(self, database: Database, batch: Batch, job_id: str) -> None:
        """Delete what the batch has copied, unless it was copied once more since."""
        if self.marks.get((batch.back, job_id)) == batch.number:
            self._delete(database, job_id, log=batch.back)

    def copies(self, database: Database, batch: Batch, orders: Sequence[WorkOrderId]) -> list[str]:
        """Return what the batch has copied of these orders."""
        place = database.logs if batch.back else self.entries
        return [
            job
            for job, entry in place.items()
            if entry.work_order_id in orders and self.marks.get((batch.back, job)) == batch.number
        ]

    def _delete(self, database: Database, job_id: str, *, log: bool) -> None:
        self.marks.pop((log, job_id), None)
        if log:
            database.remove(job_id)
            self.restored.pop(job_id, None)
        else:
            self.entries.pop(job_id, None)

    def seq(self, order_id: WorkOrderId) -> int:
        """Return the highest seq of an order in the archive; 0 where it has nothing there."""
        return max((each.seq for each in self.of([order_id])), default=0)

    def of(self, orders: Sequence[WorkOrderId] | None) -> list[LogEntry]:
        """Return what is in the archive of these orders, or of all."""
        return [
            each for each in self.entries.values() if orders is None or each.work_order_id in orders
        ]


class SimArchive:
    """Implements `actors.store.archive.Archive` for one process."""

    def __init__(self, database: Database, store: SimStore, random: Random) -> None:
        self._db, self._store, self._random = database, store, random
        self._left: set[WorkOrderId] = set()

    async def rest(self) -> None:
        """Sleep for a moment: only readers rely on a longer one."""
        await asyncio.sleep(self._random.choice((0.0, 0.01, 0.2)))

    async def old(self, before: datetime) -> Moved:
        found: list[Moved] = await self._store.read(lambda: [*self._ended(before).values()])
        return sum(found, Moved())

    async def move(self, before: datetime) -> Moved | None:
        if not await self._under_way():
            found: list[WorkOrderId] = await self._store.read(lambda: [*self._ended(before)])
            orders = [each for each in found if each not in self._left]
            if not orders:
                self._left.clear()
                return None
            await self._announce(Batch(orders=tuple(orders[:_ORDERS]), before=before))
        return await self._finish()

    async def kept(self, order_ids: Sequence[WorkOrderId] | None = None) -> Moved:
        found: list[LogEntry] = await self._store.read(lambda: self._db.shelf.of(order_ids))
        return Moved(len({each.work_order_id for each in found}), len(found))

    async def restore(self, order_ids: Sequence[WorkOrderId] | None = None) -> Moved | None:
        if not await self._under_way():
            found: list[LogEntry] = await self._store.read(lambda: self._db.shelf.of(order_ids))
            orders = [*dict.fromkeys(each.work_order_id for each in found)]
            if not orders:
                return None
            await self._announce(Batch(back=True, orders=tuple(orders[:_ORDERS])))
        return await self._finish()

    # -- what is to be moved -----------------------------------------------------------------

    def _ended(self, before: datetime) -> dict[WorkOrderId, Moved]:
        found = {}
        for order_id, document in self._db.orders.items():
            mine = [each for each in self._db.logs.values() if each.work_order_id == order_id]
            if document.fields["status"] not in ENDED or (document.ours and document.ours.outbox):
                continue
            restored = (self._db.shelf.restored.get(e.change.job_id, _LONG_AGO) for e in mine)
            if mine and max(*(each.operate_time for each in mine), *restored) < before:
                found[order_id] = Moved(1, len(mine))
        return found

    # -- the steps of a batch ----------------------------------------------------------------

    async def _under_way(self) -> Batch | None:
        batch: Batch = await self._store.read(lambda: self._db.shelf.batch)
        return batch if batch.orders or batch.left else None

    async def _announce(self, batch: Batch) -> None:
        await self._step(lambda: self._db.shelf.announce(batch))

    async def _finish(self) -> Moved:
        """Do what is left of the batch that is under way; it may be another process's."""
        shelf, batch, refused = self._db.shelf, await self._under_way(), ""
        if batch is not None and not batch.copied:
            begun = batch
            await self.rest()
            refused = await self._copy(begun)
            for order_id in begun.orders:
                await self._advance_turn(begun, order_id)
            await self._step(lambda: shelf.change(begun, copied=True))
            batch = await self._under_way()
        if batch is None or not batch.copied:  # a later one: whoever began it goes on with it
            return Moved()
        await self.rest()
        moved = await self._delete_originals(batch)
        if refused:
            raise StoreRejected(refused)
        return moved

    async def _copy(self, batch: Batch) -> str:
        """Copy entry by entry; say why the log refuses one, whose order is left out."""
        db, refused = self._db, ""
        source = self._db.shelf.entries if batch.back else self._db.logs

        def copy(job: str) -> Callable[[], str | None]:
            return lambda: db.shelf.copy(db, batch, job)

        for order_id in batch.orders:
            jobs: list[str] = await self._store.read(
                lambda mine=order_id: [  # type: ignore[misc]
                    job
                    for job, each in source.items()
                    if each.work_order_id == mine and each.operate_time < batch.before
                ]
            )
            answers = await self._store.write("archive", [copy(job) for job in jobs])
            if reasons := [each for each in answers if each]:
                refused = f"entries of work order {order_id}: {reasons[0]}"
                await self._leave(batch, order_id)
        return refused

    async def _advance_turn(self, batch: Batch, order_id: WorkOrderId) -> None:
        """Let no decision count that was made without the copies; leave out who is at work."""
        [order] = await self._store.load([order_id])

        def step(order: StoredOrder) -> bool:
            return self._db.advance(order, None if batch.back else ENDED)

        ready = order is not None and (batch.back or not order.outbox)
        advanced = ready and await self._step(lambda: step(order))  # type: ignore[arg-type]
        if not (advanced or batch.back):
            await self._leave(batch, order_id)

    async def _delete_originals(self, batch: Batch) -> Moved:
        """Delete what has its copy, and the copies of who stays where he is; end the batch."""
        db = self._db

        def delete(job: str) -> Callable[[], None]:
            return lambda: db.shelf.delete_original(db, batch, job)

        def delete_copy(job: str) -> Callable[[], None]:
            return lambda: db.shelf.delete_copy(db, batch, job)

        jobs: list[str] = await self._store.read(lambda: db.shelf.copies(db, batch, batch.orders))
        left: list[str] = await self._store.read(lambda: db.shelf.copies(db, batch, batch.left))
        steps = [*map(delete, jobs), *map(delete_copy, left)]
        if steps:
            await self._store.write("archive", steps)
        await self._step(lambda: db.shelf.change(batch, orders=(), left=()))
        return Moved(len(batch.orders), len(jobs))

    async def _leave(self, batch: Batch, order_id: WorkOrderId) -> None:
        self._left.add(order_id)
        await self._step(lambda: self._db.shelf.leave(batch, order_id))

    async def _step(self, step: Callable[[], object]) -> object:
        [answer] = await self._store.write("archive", [step])
        return answer
