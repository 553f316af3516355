"""Processes of a shard without Ray: an exchange each, and a way there on which calls get lost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from actors.domain.messages import Updated, UpdateQuantity
from actors.domain.model import (
    Change,
    ChangeType,
    JobId,
    LogContext,
    WorkOrderId,
    new_job_id,
)
from actors.errors import NotOwner
from actors.node.status import Dependency, NodeStatus, Role
from actors.orders.region import Statistics
from actors.ray.exchange import Exchange
from actors.ray.news import News
from actors.wire.payload import pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.orders.batch import Answer

HERE_S = 0.001


class Died(Exception):
    """What a call to a process that is gone ends with."""


def update(order: int = 1, *, within_s: float = 10.0) -> UpdateQuantity:
    change = Change(new_job_id(), ChangeType.INPUT, 1, LogContext())
    loop = asyncio.get_running_loop()
    return UpdateQuantity(WorkOrderId(f"{order:024x}"), change, loop.time() + within_s)


def status(*, serving: bool = True, node: str = "a", epoch: int = 1) -> NodeStatus:
    here = Dependency("store", ok=True, detail="ok", since_s=1.0)
    role = Role.OWNER if serving else Role.STANDBY
    reason = None if serving else "elsewhere"
    return NodeStatus(node, "", role, epoch, serving, reason, here, here, node, 5.0, paused=False)


@dataclass
class SlowOrders:
    """Applies each update after `takes_s`, or once its order is let go."""

    takes_s: float = HERE_S
    held: dict[WorkOrderId, asyncio.Event] = field(default_factory=dict)
    applied: list[JobId] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    serving: bool = True

    async def update(self, message: UpdateQuantity) -> Updated:
        if not self.serving:
            raise NotOwner("deposed")
        gate = self.held.get(message.work_order_id)
        if gate is not None:
            await gate.wait()
        await asyncio.sleep(self.takes_s)
        self.applied.append(message.change.job_id)
        seq = len(self.applied)
        order_id = message.work_order_id
        return Updated(message.change, order_id, seq, 1, 1, 0, 1, None, None, 0, 0)

    async def update_many(self, messages: Sequence[UpdateQuantity]) -> list[Answer]:
        self.groups.append(len(messages))
        return [await self.update(each) for each in messages]


@dataclass
class FakeShard:
    """One process. Implements `actors.ray.link.ShardHandle`."""

    orders: SlowOrders = field(default_factory=SlowOrders)
    name: str = "a"
    serving: bool = True
    epoch: int = 1
    dead: bool = False
    frozen: bool = False
    loses_answers: bool = False
    counted: list[Any] = field(default_factory=list)
    """What its release tells of it besides the news."""
    calls: list[int] = field(default_factory=list)
    """Groups in each call that arrived."""
    at_once: int = 0
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Put a new process in the place of this one."""
        self.exchange_ = Exchange(self.orders, lambda _order: True, self._news)

    def _news(self) -> list[Any]:
        counts = Statistics(0, 0, len(self.orders.applied), 0, 0, 0, paused=False, wait_ms=0.0)
        now = status(serving=self.serving, node=self.name, epoch=self.epoch)
        return News(now, counts).written()

    async def exchange(self, payload: bytes) -> bytes:
        await self._travel()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            answer = await self.exchange_.call(payload)
        finally:
            self.at_once -= 1
        if self.loses_answers:
            raise Died
        await self._travel()
        return answer

    async def operate(self, payload: bytes) -> bytes:
        await self._travel()
        return pack(None, len(payload), self._news())

    async def info(self) -> bytes:
        await self._travel()
        return pack(self._news(), *self.counted)

    async def _travel(self) -> None:
        await asyncio.sleep(HERE_S)
        if self.frozen:
            await asyncio.Event().wait()
        if self.dead:
            raise Died
