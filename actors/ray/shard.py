"""One process of a shard, as front doors call it. It owns the orders while its lease says so."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog

from actors.errors import NotOwner, OutcomeUnknown, StartupError, StoreUnavailable, WorkOrderError
from actors.ray.exchange import Exchange
from actors.ray.news import News
from actors.ray.operations import OPERATIONS
from actors.ray.totals import totals_of
from actors.shards.share import ShardPermit, Share
from actors.wire.payload import pack, unpack, write_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.domain.slots import Shard, ShardMap
    from actors.node.node import Node
    from actors.node.options import Permit
    from actors.store.shards import ShardedStore

_HEEDS_S: Final = 1.0
_LOOKS_S: Final = 0.1
"""While the map is about to be another."""
_WAY_S: Final = 60.0
"""How long those are waited for that are to take over under another map."""
MAKE_WAY: Final = "make_way"
"""The operation by which a front door says that they are there: the map's version, and the plan."""

_log = structlog.get_logger(__name__)


@dataclass(eq=False)
class _Held:
    """What serves the shard for as long as the map is the same."""

    shard: Shard
    share: Share
    node: Node
    exchange: Exchange
    watching: asyncio.Task[None] | None = field(default=None, init=False)

    async def give_up(self, within_s: float) -> None:
        """Finish what is queued, leave the shard to others, and take it no more."""
        self.share.close()
        await self.node.hand_over(within_s)

    async def close(self) -> None:
        """End it: nothing of it is left."""
        if self.watching is not None:
            self.watching.cancel()
        await self.node.drain(0)
        await self.node.close()


class ShardServer:
    """Serves one shard of the stored map to front doors, and follows the map to another number.

    Implements `actors.ray.link.ShardHandle`. `store` has the connections that the node's own, a
    part of it, uses. `new_node` makes what serves a shard, once it is given leave.
    """

    def __init__(
        self,
        store: ShardedStore,
        index: int,
        new_node: Callable[[Shard, Permit], Node],
        lease_ttl_s: float,
    ) -> None:
        self._store, self._index, self._new_node = store, index, new_node
        self._ttl_s = lease_ttl_s
        self._serves: _Held | None = None
        """None while the map has no such shard."""
        self._plan: tuple[int, int | None] | None = None
        """Version of the map, and the number that is to come, as they were read last."""
        self._planned_at = 0.0
        self._way: tuple[int, ...] = ()
        """The plan for which the shard may be left, as what is to take over is there."""
        self._heeding: asyncio.Task[None] | None = None
        self._failed = asyncio.Event()

    async def start(self) -> None:
        """Start the node, where the map has this shard; raises `StartupError`."""
        await self._store.open()
        try:
            shards = await self._store.shard_map.read()
        except StoreUnavailable as error:
            raise StartupError(f"the map of shards can't be read: {error}") from error
        if self._index < shards.count:
            await self._hold(shards)
        self._heeding = asyncio.create_task(self._heed(shards))

    @property
    def _held(self) -> _Held:
        if self._serves is None:
            raise NotOwner(f"the orders are not cut into so many shards that {self._index} is one")
        return self._serves

    async def _hold(self, shards: ShardMap) -> None:
        """Have the shard as this map has it served from now on."""
        shard, share = shards.all()[self._index], Share(self._ttl_s)
        share.fair = int(shards.planned is None)
        node = self._new_node(shard, ShardPermit(share, self._index))
        exchange = Exchange(node.region, shard.has, lambda: self._news().written())
        held = _Held(shard, share, node, exchange)
        try:
            await node.start()
        except Exception:
            await held.close()
            raise
        held.watching = asyncio.create_task(self._watch(node))
        self._serves = held

    async def _watch(self, node: Node) -> None:
        await node.wait_failed()
        self._failed.set()

    async def exchange(self, payload: bytes) -> bytes:
        """Take updates and hand out what is done: see `Exchange.call`."""
        return await self._held.exchange.call(payload)

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
        if name == MAKE_WAY:
            self._way = tuple(arguments)
            return None
        operation = OPERATIONS.get(name)
        if operation is None:
            raise WorkOrderError(f"this release does not know {name}")
        held = self._held
        return await operation.run(held.node, arguments, held.shard.has)

    async def info(self) -> bytes:
        """Say how it is; answer: `News`, the name of the exchange, and what was counted."""
        counted = totals_of(self._held.node.telemetry)
        return pack(self._news().written(), self._held.exchange.name, counted)

    async def hand_over(self) -> None:
        """Finish what is queued, and leave the shard to its spare."""
        self._held.share.leave()
        await self._held.node.hand_over(self._ttl_s / 2)

    async def wait_failed(self) -> None:
        """Return when the process must end."""
        await self._failed.wait()

    async def close(self, timeout_s: float) -> bool:
        """Finish what is queued, give the lease up, close; whether all was finished in time."""
        if self._heeding is not None:
            self._heeding.cancel()
            await asyncio.wait({self._heeding})
        finished = True
        if self._serves is not None:
            finished = await self._serves.node.drain(timeout_s)
            await self._serves.close()
        await self._store.close()
        return finished

    # -- what is told to all -----------------------------------------------------------------

    async def _heed(self, shards: ShardMap) -> None:
        """Follow the map, and keep to a pause of all where the call that told of it was lost."""
        while True:
            waits = shards.planned is not None or self._serves is None
            await asyncio.sleep(_LOOKS_S if waits else _HEEDS_S)
            try:
                shards = await self._store.shard_map.read()
                await self._follow(shards)
                if self._serves is not None:
                    node = self._serves.node
                    await node.region.heed_pause(node.store.paused)
            except (StoreUnavailable, OutcomeUnknown, StartupError) as error:
                _log.warning("map_not_followed", error=str(error))
            except Exception:  # noqa: BLE001 -- one bad look must not be the last
                _log.exception("map_not_followed")

    async def _follow(self, shards: ShardMap) -> None:
        """Give the shard up where another map is planned, and begin anew under that.

        Where that has no such shard, whoever keeps this process ends it.
        """
        held = self._serves
        moved = held is None or shards.version != held.shard.version
        if held is not None and (moved or self._is_to_leave(shards)):
            await held.give_up(self._ttl_s / 2)
        if not moved or shards.count <= self._index:
            return
        while held is not None and held.node.settling:  # noqa: ASYNC110 -- counted in many places
            await asyncio.sleep(_LOOKS_S)
        await self._hold(shards)
        if held is not None:
            await held.close()
        _log.info("shards_followed", shards=shards.count, version=shards.version)

    def _is_to_leave(self, shards: ShardMap) -> bool:
        """Return whether another map is planned, and what it needs is there, or long waited for.

        A plan that takes the place of another one needs other processes: it is waited for anew.
        """
        plan = shards.version, shards.planned
        if plan != self._plan:
            self._plan, self._planned_at = plan, time.monotonic()
        if shards.planned is None:
            return False
        return self._way == plan or time.monotonic() - self._planned_at > _WAY_S

    def _news(self) -> News:
        node = self._held.node
        status = node.status()
        unlogged = node.inspector().unlogged if status.serving else 0
        return News(status, node.region.statistics(), unlogged)
