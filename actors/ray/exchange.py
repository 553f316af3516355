"""A shard's side of the updates that front doors send: in with some, out with whatever is done.

A call brings new updates and takes back results of any call before it, so that a slow order holds
none of its neighbours. With nothing done it is parked; what is done next is handed to the oldest.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

from actors.errors import NotOwner, WorkOrderError
from actors.wire.payload import pack, read_answer, unpack, write_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.domain.messages import Queued, Updated, UpdateQuantity
    from actors.domain.model import WorkOrderId
    from actors.orders.batch import Answer

PARKED_S: Final = 2.0
"""Seconds after which a call is answered although nothing is done: a sign of life."""
_SILENT_S: Final = 60.0
"""Seconds without a call after which a front door is taken for gone."""

_log = structlog.get_logger(__name__)


class Orders(Protocol):
    """What applies updates here."""

    async def update(self, message: UpdateQuantity) -> Updated | Queued:
        """Have one change applied or kept."""
        ...

    async def update_many(self, messages: Sequence[UpdateQuantity]) -> list[Answer]:
        """Have many changes applied; an answer each, in their order."""
        ...


@dataclass(slots=True)
class _Session:
    """One front door's updates, from when it found this process until either lost the other."""

    done: list[tuple[int, Sequence[Answer]]] = field(default_factory=list)
    parked: deque[asyncio.Future[None]] = field(default_factory=deque)
    releasing: bool = False
    called_at: float = 0.0

    def finish(self, number: int, answers: Sequence[Answer]) -> None:
        """Keep the answers for the next call; what is done in this turn of the loop goes as one."""
        self.done.append((number, answers))
        if not self.releasing:
            self.releasing = True
            asyncio.get_running_loop().call_soon(self._release)

    def _release(self) -> None:
        self.releasing = False
        if self.done:
            self.let_go()

    def let_go(self) -> None:
        """Have the oldest parked call answered."""
        while self.parked:
            waiter = self.parked.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def park(self, calls: int) -> None:
        """Wait for something to be done, for `PARKED_S` at most.

        Of `calls` that there may be at once one always stays free for new updates.
        """
        waiter = asyncio.get_running_loop().create_future()
        self.parked.append(waiter)
        if len(self.parked) >= calls:
            self.let_go()
        try:
            async with asyncio.timeout(PARKED_S):
                await waiter
        except TimeoutError:
            self.parked.remove(waiter)

    def take(self) -> list[Any]:
        """Return all that is done as it is sent."""
        done, self.done = self.done, []
        return [[number, [*map(write_answer, answers)]] for number, answers in done]


class Exchange:
    """The sessions of all front doors with this process; `news` is told with each answer."""

    def __init__(
        self,
        orders: Orders,
        is_mine: Callable[[WorkOrderId], bool],
        news: Callable[[], Any],
    ) -> None:
        self._orders, self._is_mine, self._news = orders, is_mine, news
        self._sessions: dict[str, _Session] = {}
        self._running: set[asyncio.Task[None]] = set()
        self.name = secrets.token_hex(6)
        """Tells this process from one that takes its place under the same address."""

    async def call(self, payload: bytes) -> bytes:
        """Take what a front door sends, and return what is done of what it sent.

        Payload: session, calls that it makes at once, [[number, [message, …]], …]: each group has
        the updates of one order. Answer: `name`, news, [[number, [answer, …]], …].
        Raises `PayloadUnreadable`.
        """
        name, calls, groups = unpack(payload, least=3)[:3]
        session = self._session(name)
        for number, messages in groups:
            self._begin(session, number, messages)
        if not session.done:
            await session.park(calls)
        return pack(self.name, self._news(), session.take())

    def _session(self, name: str) -> _Session:
        now = time.monotonic()
        session = self._sessions.get(name)
        if session is None:
            for other, each in list(self._sessions.items()):
                if now - each.called_at > _SILENT_S:
                    del self._sessions[other]
            session = self._sessions[name] = _Session()
        session.called_at = now
        return session

    def _begin(self, session: _Session, number: int, written: Sequence[Any]) -> None:
        task = asyncio.create_task(self._run(session, number, written))
        # What a front door has sent goes on, whatever becomes of it.
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, session: _Session, number: int, written: Sequence[Any]) -> None:
        answers: Sequence[Answer]
        try:
            answers = await self._apply([*map(read_answer, written)])
        except WorkOrderError as error:
            answers = [error] * len(written)
        except Exception:  # noqa: BLE001 -- the edge of a call; it is logged
            _log.exception("updates_failed", updates=len(written))
            answers = [WorkOrderError("an error of this service")] * len(written)
        session.finish(number, answers)

    async def _apply(self, messages: Sequence[UpdateQuantity]) -> Sequence[Answer]:
        if not all(self._is_mine(each.work_order_id) for each in messages):
            raise NotOwner("these orders are of another shard")
        if len(messages) == 1:
            return [await self._orders.update(messages[0])]
        return await self._orders.update_many(messages)
