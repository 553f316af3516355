"""Orders that ended years ago, and who moves their entries to the archive and back all the while.

To movers only what was there before all began is old: what others do meanwhile stays in the log,
as no owner sleeps for as long as entries are kept there.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from actors.domain.model import (
    Change,
    ChangeType,
    JobId,
    LogContext,
    LogEntry,
    OrderFacts,
    RequestId,
)
from actors.errors import StoreRejected
from tests.sim.chance import chance
from tests.sim.database import Applied, Ours
from tests.sim.loop import Process
from tests.sim.store import SimStore

if TYPE_CHECKING:
    from actors.domain.model import WorkOrderId
    from tests.sim.database import Document
    from tests.sim.world import World

_ENDED = datetime(2001, 1, 1, tzinfo=UTC)
_BEFORE = datetime(2002, 1, 1, tzinfo=UTC)
_SCAN = LogContext("barcode-0", "SCAN_PROCESS", "5" * 24)


def end_order(world: World, order_id: WorkOrderId) -> list[LogEntry]:
    """Let an order have ended years ago: with a scan and an output, which have keys."""
    document = world.database.orders[order_id]
    plan = document.fields["plan_production_quantity"]
    scan = _entry(order_id, 1, ChangeType.INPUT, 1, _SCAN)
    output = _entry(order_id, 2, ChangeType.OUTPUT, plan, LogContext())
    document.fields |= {"input_quantity": 1, "output_quantity": plan}
    document.fields |= {"status": "COMPLETED", "progress": 100}
    _keep(world, document, [scan, output])
    return [scan, output]


def _keep(world: World, document: Document, entries: list[LogEntry]) -> None:
    for each in entries:
        document.history.append(Applied(0, (each,)))
    document.ours = Ours(0, len(entries), len(entries))
    assert not world.database.insert(entries)


def _entry(
    order_id: WorkOrderId, seq: int, kind: ChangeType, quantity: int, context: LogContext
) -> LogEntry:
    name = f"old-{order_id[-2:]}-{seq}"
    job = JobId(f"{0xF000 + 16 * int(order_id, 16) + seq:024x}")  # its last four digits are its own
    ended = kind is ChangeType.OUTPUT
    return LogEntry(
        work_order_id=order_id,
        seq=seq,
        epoch=0,
        change=Change(job, kind, quantity, context, RequestId(name), "same"),
        facts=OrderFacts(work_order_no=order_id),
        applied_quantity=quantity,
        before_quantity=0,
        after_quantity=quantity,
        before_status="IN_PROGRESS",
        after_status="COMPLETED" if ended else "IN_PROGRESS",
        before_progress=0,
        after_progress=100 if ended else 0,
        operate_time=_ENDED,
    )


class Movers:
    """Processes that move entries and bring them back, until they are told to stop."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = chance(world.scenario.seed, "movers")
        self._count = 0
        self._at_work: list[Process] = []
        for _ in range(world.scenario.movers):
            self._boot()

    def strike(self, process: Process) -> None:
        """Kill one, or send it to sleep."""
        world, random = self._world, self._random
        if not world.faults.active or process not in self._at_work or process.paused:
            return
        batch = world.database.shelf.batch
        if random.random() < 0.6:
            world.faults.note("mover killed", hit=bool(batch.orders))
            self._at_work.remove(process)
            process.kill()
            world.loop.outside(random.uniform(0.0, 0.5), self._boot)
        else:
            world.faults.note("mover paused", hit=bool(batch.orders))
            process.pause()
            world.loop.outside(random.uniform(0.1, 3.0) * world.scenario.ttl_s, process.resume)

    def stop(self) -> None:
        """End all of them, wherever they are."""
        for process in self._at_work:
            process.kill()
        self._at_work = []

    async def bring_all_back(self) -> None:
        """Finish what was left, and bring back what the log takes."""
        archive = self._store(self._process()).archive
        for _ in range(2 * len(self._world.order_ids) + 1):
            with suppress(StoreRejected):
                if await archive.restore() is None:
                    return

    def _process(self) -> Process:
        self._count += 1
        return Process(f"mover#{self._count}", self._world.loop)

    def _store(self, process: Process) -> SimStore:
        return SimStore(self._world.database, self._world.network, process)

    def _boot(self) -> None:
        if not self._world.faults.active:
            return
        process = self._process()
        self._at_work.append(process)
        process.spawn(self._move(self._store(process)))
        self._world.loop.outside(self._random.uniform(0.05, 2.0), self.strike, process)

    async def _move(self, store: SimStore) -> None:
        random, archive = self._random, store.archive
        while True:
            await asyncio.sleep(random.uniform(0.0, 0.2))
            self._world.database.shelf.restored.clear()  # as if it had been years ago
            with suppress(Exception):  # the next batch, or the next one who comes, goes on with it
                if random.random() < 0.6:
                    moved = await archive.move(_BEFORE)
                else:
                    moved = await archive.restore()
                self._world.moved += moved.entries if moved else 0
