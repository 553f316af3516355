"""How many shards there are: as many as are stored, or a new number while nobody owns any."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from actors.errors import (
    LeaseUnavailable,
    OutcomeUnknown,
    ShardsFixed,
    StartupError,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.domain.slots import Shard, ShardMap
    from actors.lease.port import Lease
    from actors.store.shards import Members

_log = structlog.get_logger(__name__)


async def settle_shards(
    members: Members, count: int | None, new_lease: Callable[[Shard], Lease]
) -> ShardMap:
    """Return the map with `count` shards; without a count, the map as it is stored.

    It moves on where the stored one has, or is to have, another number.

    Raises:
        StartupError: it can't move on to `count`, as a node owns a shard under the stored one; or
            store or lease can't be asked.

    """
    try:
        while True:
            stored = await members.read()
            wanted = count or stored.planned or stored.count
            if stored.planned is None and stored.count == wanted:
                return stored
            owners = await owners_under(stored, new_lease)
            if owners and count is None:
                return stored
            if owners:
                raise StartupError(
                    f"SHARDS is {count}, and the orders are cut into {stored.count} shards, of"
                    f" which {min(owners)} owns some: start this node with"
                    f" SHARDS={stored.planned or stored.count}, or stop all nodes first"
                )
            if await members.move(stored, wanted):
                _log.warning("shards_moved", before=stored.count, shards=wanted)
    except (StoreUnavailable, OutcomeUnknown, LeaseUnavailable) as error:
        raise StartupError(f"the map of shards can't be read: {error}") from error


async def plan_shards(
    members: Members, count: int, fixed: Callable[[ShardMap], Awaitable[str | None]]
) -> ShardMap:
    """Have the orders cut into `count` shards by all that follow the map; return what is left.

    `fixed` is told the stored map and names one that would not follow it to another.

    Raises:
        ShardsFixed: there is one: it has a number of its own, and would have to be stopped.

    """
    while True:
        stored = await members.read()
        name = await fixed(stored)
        if name is not None:
            raise ShardsFixed(name)
        if count == (stored.planned or stored.count):
            return stored
        if await members.plan(stored, count):
            _log.warning("shards_planned", before=stored.count, shards=count)
            return replace(stored, planned=count)


async def owners_under(stored: ShardMap, new_lease: Callable[[Shard], Lease]) -> set[str]:
    """Return the nodes that hold the lease of a shard of the stored map."""
    owners = set()
    for shard in stored.all():
        lease = new_lease(shard)
        await lease.open()
        try:
            view = await lease.view()
        finally:
            await lease.close()
        if view is not None:
            owners.add(view.holder.node)
    return owners
