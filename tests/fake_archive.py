"""The archive of a store in memory: a mark on entries, which stay where all its readers look."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from actors.store.archive import ENDED, Moved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.domain.model import LogEntry, WorkOrderId
    from tests.fakes import MemoryStore


class MemoryArchive:
    """Implements `actors.store.archive.Archive`; `jobs` are those of the entries in the archive."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.jobs: set[str] = set()
        self._restored: dict[str, datetime] = {}

    async def old(self, before: datetime) -> Moved:
        found = self._ended(before)
        return Moved(len(found), sum(map(len, found)))

    async def move(self, before: datetime) -> Moved | None:
        found = self._ended(before)
        if not found:
            return None
        self.jobs |= found[0].keys()
        return Moved(1, len(found[0]))

    async def kept(self, order_ids: Sequence[WorkOrderId] | None = None) -> Moved:
        found = self._archived(order_ids)
        return Moved(len(found), sum(map(len, found)))

    async def restore(self, order_ids: Sequence[WorkOrderId] | None = None) -> Moved | None:
        found = self._archived(order_ids)
        if not found:
            return None
        self.jobs -= found[0].keys()
        self._restored |= dict.fromkeys(found[0], datetime.now(UTC))
        return Moved(1, len(found[0]))

    def _ended(self, before: datetime) -> list[dict[str, LogEntry]]:
        found = []
        for order_id, order in self._store.orders.items():
            if order.state.status not in ENDED or order.outbox:
                continue
            log = self._store.log[order_id]
            mine = {job: entry for job, entry in log.items() if job not in self.jobs}
            times = [entry.operate_time for entry in mine.values()]
            times += [self._restored[job] for job in mine if job in self._restored]
            if times and max(times) < before:
                found.append(mine)
        return found

    def _archived(self, order_ids: Sequence[WorkOrderId] | None) -> list[dict[str, LogEntry]]:
        wanted = self._store.log if order_ids is None else order_ids
        found = [
            {job: entry for job, entry in self._store.log[each].items() if job in self.jobs}
            for each in wanted
        ]
        return [each for each in found if each]
