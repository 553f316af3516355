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
    members: Members, count: int, new_lease: Callable[[Shard], Lease]
) -> ShardMap:
    """Return the map with `count` shards; it moves on where the stored one has another number.

    Raises:
        StartupError: it can't move on, as a node owns a shard under the stored one; or store or
            lease can't be asked.

    """
    try:
        while (stored := await members.read()).count != count:
            owner = await _owner_under(stored, new_lease)
            if owner is not None:
                raise StartupError(
                    f"SHARDS is {count}, and the orders are cut into {stored.count} shards, of"
                    f" which {owner} owns some: start this node with SHARDS={stored.count}, or stop"
                    " all nodes first"
                )
            if await members.move(stored, count):
                _log.warning("shards_moved", before=stored.count, shards=count)
    except (StoreUnavailable, OutcomeUnknown, LeaseUnavailable) as error:
        raise StartupError(f"the map of shards can't be read: {error}") from error
    return stored


async def _owner_under(stored: ShardMap, new_lease: Callable[[Shard], Lease]) -> str | None:
    """Return a node that holds the lease of a shard of the stored map; None where none does."""
    for shard in stored.all():
        lease = new_lease(shard)
        await lease.open()
        try:
            view = await lease.view()
        finally:
            await lease.close()
        if view is not None:
            return view.holder.node
    return None
