"""What is kept for operators, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from actors.store.records import Record


class MemoryRecords:
    """Implements `actors.store.records.Records`; `meet` is how the database fares now."""

    def __init__(self, meet: Callable[[], Awaitable[None]] | None = None) -> None:
        self.kept: dict[tuple[str, str], Record] = {}
        self._meet = meet

    async def put(self, records: Sequence[Record]) -> None:
        await self._arrive()
        self.kept |= {(each.kind, each.name): each for each in records}

    async def read(
        self, kind: str, *, limit: int, since: datetime | None = None, skip: int = 0
    ) -> list[Record]:
        await self._arrive()
        found = [each for each in self._of(kind) if since is None or each.at >= since]
        found.sort(key=lambda each: (each.at, each.name), reverse=True)
        return found[skip : skip + limit]

    async def count(self, kind: str) -> int:
        await self._arrive()
        return len(self._of(kind))

    async def remove(self, kind: str, name: str) -> None:
        await self._arrive()
        self.kept.pop((kind, name), None)

    async def trim(self, kind: str, before: datetime) -> None:
        await self._arrive()
        for each in self._of(kind):
            if each.at < before:
                del self.kept[each.kind, each.name]

    def _of(self, kind: str) -> list[Record]:
        return [each for each in self.kept.values() if each.kind == kind]

    async def _arrive(self) -> None:
        if self._meet is not None:
            await self._meet()
