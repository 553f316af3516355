"""What Ray runs in a shard's process: starts its server at the first call, ends when that fails."""

from __future__ import annotations

import asyncio
import importlib
import os
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from actors.domain.slots import Shard
    from actors.ray.shard import ShardServer

_AGAIN_S = 1.0
"""Before a process that can't go on ends, so that Ray does not start the next at once."""

_log = structlog.get_logger(__name__)


class ShardProcess:
    """Ray's actor. Its calls are those of `ShardServer`.

    `build`, as `module:function`, makes that; it is named, so that it is this machine's own.
    """

    def __init__(self, build: str, shard: Shard, name: str) -> None:
        self._build, self._shard, self._name = build, shard, name
        self._server: asyncio.Task[ShardServer] | None = None

    async def exchange(self, payload: bytes) -> bytes:
        """Take updates and hand out what is done."""
        return await (await self._started()).exchange(payload)

    async def operate(self, payload: bytes) -> bytes:
        """Do one operation."""
        return await (await self._started()).operate(payload)

    async def info(self) -> bytes:
        """Say how it is."""
        return await (await self._started()).info()

    async def hand_over(self) -> None:
        """Leave the shard to its spare."""
        await (await self._started()).hand_over()

    async def machine(self) -> str:
        """Return the id by which the cluster knows this machine."""
        from ray import get_runtime_context  # noqa: PLC0415 -- of an optional extra

        return str(get_runtime_context().get_node_id())

    async def _started(self) -> ShardServer:
        # Ray makes this object outside of the loop on which it calls it.
        if self._server is None:
            self._server = asyncio.create_task(self._start())
        return await asyncio.shield(self._server)

    async def _start(self) -> ShardServer:
        try:
            module, _, function = self._build.partition(":")
            build = getattr(importlib.import_module(module), function)
            server: ShardServer = build(self._shard, self._name)
            await server.start()
        except Exception:  # noqa: BLE001 -- the edge of the process; it is logged
            _log.exception("shard_not_started", name=self._name)
            await _end()
        _log.info("shard_process_started", name=self._name, pid=os.getpid())
        self._watching = asyncio.create_task(self._watch(server))
        return server

    async def _watch(self, server: ShardServer) -> None:
        await server.wait_failed()
        _log.error("shard_failed", name=self._name)
        await _end()


async def _end() -> None:
    """End this process, which Ray then starts again."""
    await asyncio.sleep(_AGAIN_S)
    os._exit(1)
