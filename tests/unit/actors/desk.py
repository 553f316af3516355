"""A committer of its own, for the tests of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from actors.commit.committer import Committer
from actors.domain.messages import ReadOrder
from actors.domain.model import Epoch
from actors.store import Committed, StoredOrder
from tests.contract.cases import decide
from tests.fakes import MemoryStore
from tests.unit.actors.owner import ORDER, OTHER

if TYPE_CHECKING:
    from actors.domain.model import Change, WorkOrderId
    from actors.runtime.future import LoopFuture

MINE = Epoch(2)


class Desk:
    """A committer of epoch 2, on a store with two orders."""

    def __init__(self, *, batch: int = 200) -> None:
        self.store = MemoryStore()
        self.store.put(ORDER)
        self.store.put(OTHER)
        self.deposed: list[int] = []
        self.committer = Committer(
            self.store, MINE, batch=batch, in_flight=3, deposed=self.deposed.append
        )

    def ask(self, message: object) -> LoopFuture[Any]:
        return self.committer.actor_ref.ask(message, block=False)  # type: ignore[return-value]

    async def ask_all(self, *messages: object) -> list[Any]:
        return await asyncio.gather(*map(self.ask, messages), return_exceptions=True)

    async def load(self, order_id: WorkOrderId = ORDER) -> StoredOrder:
        order = await self.ask(ReadOrder(order_id))
        assert isinstance(order, StoredOrder)
        return order

    async def commit(self, *changes: Change, order: StoredOrder | None = None) -> StoredOrder:
        """Commit what must be applied."""
        result = await self.ask(decide(order or await self.load(), *changes, epoch=MINE))
        assert isinstance(result, Committed), result
        return result.order

    async def relayed(self) -> None:
        while not self.committer.idle:  # noqa: ASYNC110 lanes have no event
            await asyncio.sleep(0.01)

    def jobs(self, order_id: WorkOrderId = ORDER) -> list[str]:
        return [each.change.job_id for each in self.store.written(order_id)]
