"""One process of a shard, as front doors call it. It owns the orders while its lease says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from actors.errors import WorkOrderError
from actors.ray.exchange import Exchange
from actors.ray.news import News
from actors.ray.operations import OPERATIONS
from actors.wire.payload import pack, unpack, write_answer

if TYPE_CHECKING:
    from actors.domain.slots import Shard
    from actors.engine import Engine

_log = structlog.get_logger(__name__)


class ShardServer:
    """Serves one shard's engine to front doors. Implements `actors.ray.link.ShardHandle`."""

    def __init__(self, engine: Engine, shard: Shard) -> None:
        self._engine = engine
        self._exchange = Exchange(engine.region, shard.has, lambda: self._news().written())

    async def start(self) -> None:
        """Start the engine; raises `StartupError`."""
        await self._engine.start()

    async def exchange(self, payload: bytes) -> bytes:
        """Take updates and hand out what is done: see `Exchange.call`."""
        return await self._exchange.call(payload)

    async def operate(self, payload: bytes) -> bytes:
        """Do one of `OPERATIONS`; payload: name, argument, …; answer: error or null, result."""
        name, *arguments = unpack(payload, least=1)
        try:
            return pack(None, await self._run(name, arguments))
        except WorkOrderError as error:
            return pack(write_answer(error), None)
        except Exception:  # noqa: BLE001 -- the edge of a call; it is logged
            _log.exception("operation_failed", operation=name)
            return pack(write_answer(WorkOrderError("an error of this service")), None)

    async def _run(self, name: str, arguments: list[Any]) -> Any:  # noqa: ANN401
        operation = OPERATIONS.get(name)
        if operation is None:
            raise WorkOrderError(f"this release does not know {name}")
        return await operation.run(self._engine, arguments)

    async def info(self) -> bytes:
        """Say how it is; answer: `News`."""
        return pack(self._news().written())

    async def wait_failed(self) -> None:
        """Return when the process must end."""
        await self._engine.wait_failed()

    async def close(self, timeout_s: float) -> bool:
        """Finish what is queued, give the lease up, close; whether all was finished in time."""
        finished = await self._engine.drain(timeout_s)
        await self._engine.close()
        return finished

    def _news(self) -> News:
        engine = self._engine
        status = engine.status()
        unlogged = engine.inspector().unlogged if status.serving else 0
        return News(status, engine.region.statistics(), unlogged)
