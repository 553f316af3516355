"""How many shards there are: as many as are stored, or a new number while nobody owns any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from actors.errors import LeaseUnavailable, OutcomeUnknown, StartupError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

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
