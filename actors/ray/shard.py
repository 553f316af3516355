"""One process of a shard, as front doors call it. It owns the orders while its lease says so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import structlog

from actors.errors import OutcomeUnknown, StoreUnavailable, WorkOrderError
from actors.ray.exchange import Exchange
from actors.ray.news import News
from actors.ray.operations import OPERATIONS
from actors.ray.totals import totals_of
from actors.wire.payload import pack, unpack, write_answer

if TYPE_CHECKING:
    from actors.domain.slots import Shard
    from actors.node.node import Node
    from actors.store.port import Store

_HEEDS_S: Final = 1.0

_log = structlog.get_logger(__name__)


class ShardServer:
    """Serves one shard's node to front doors. Implements `actors.ray.link.ShardHandle`.

    `store` has the connections that the node's own, a part of it, uses.
    """

    def __init__(self, node: Node, store: Store, shard: Shard) -> None:
        self._node, self._store = node, store
        self._exchange = Exchange(node.region, shard.has, lambda: self._news().written())
        self._heeding: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the node; raises `StartupError`."""
        await self._store.open()
        await self._node.start()
        self._heeding = asyncio.create_task(self._heed_pauses())

    async def exchange(self, payload: bytes) -> bytes:
        """Take updates and hand out what is done: see `Exchange.call`."""
        return await self._exchange.call(payload)

    async def operate(self, payload: bytes) -> bytes:
        """Do one of `OPERATIONS`; payload: name, argument, …; answer: error, result, news."""
        name, *arguments = unpack(payload, least=1)
        failure: WorkOrderError | None = None
        result = None
        try:
            result = await self._run(name, arguments)
        except WorkOrderError as error:
            failure = error
        except Exception:  # noqa: BLE001 -- the edge of a call; it is logged
            _log.exception("operation_failed", operation=name)
            failure = WorkOrderError("an error of this service")
        return pack(write_answer(failure), result, self._news().written())

    async def _run(self, name: str, arguments: list[Any]) -> Any:  # noqa: ANN401
        operation = OPERATIONS.get(name)
        if operation is None:
            raise WorkOrderError(f"this release does not know {name}")
        return await operation.run(self._node, arguments)

    async def info(self) -> bytes:
        """Say how it is; answer: `News`, the name of the exchange, and what was counted."""
        counted = totals_of(self._node.telemetry)
        return pack(self._news().written(), self._exchange.name, counted)

    async def wait_failed(self) -> None:
        """Return when the process must end."""
        await self._node.wait_failed()

    async def close(self, timeout_s: float) -> bool:
        """Finish what is queued, give the lease up, close; whether all was finished in time."""
        if self._heeding is not None:
            self._heeding.cancel()
        finished = await self._node.drain(timeout_s)
        await self._node.close()
        await self._store.close()
        return finished

    async def _heed_pauses(self) -> None:
        """Keep to a pause of all shards, also where the call that told of it was lost."""
        while True:
            await asyncio.sleep(_HEEDS_S)
            try:
                await self._node.region.heed_pause(self._node.store.paused)
            except (StoreUnavailable, OutcomeUnknown) as error:
                _log.warning("pause_not_read", error=str(error))
            except Exception:  # noqa: BLE001 -- one bad look must not be the last
                _log.exception("pause_not_read")

    def _news(self) -> News:
        node = self._node
        status = node.status()
        unlogged = node.inspector().unlogged if status.serving else 0
        return News(status, node.region.statistics(), unlogged)
