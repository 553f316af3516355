"""What a node with several shards says of itself as a whole."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from actors.node.status import TENURES, NodeStatus, OwnershipHistory, Role

if TYPE_CHECKING:
    from collections.abc import Sequence

_FOREMOST: Final = (Role.OWNER, Role.TAKING_OVER, Role.DRAINING, Role.STANDBY, Role.STOPPED)


def merged_status(shards: Sequence[NodeStatus]) -> NodeStatus:
    """Return one status: an owner's where any shard is owned, served where any is."""
    first = min(shards, key=lambda each: _FOREMOST.index(each.role))
    owned = [each for each in shards if each.role is Role.OWNER]
    left_s = [each.lease_ttl_s for each in owned if each.lease_ttl_s is not None]
    reasons = [each.reason for each in shards if each.reason is not None]
    serving = any(each.serving for each in shards)
    return replace(
        first,
        epoch=max(each.epoch for each in shards),
        serving=serving,
        reason=None if serving else next(iter(reasons), None),
        store=min((each.store for each in shards), key=lambda each: each.ok),
        lease=min((each.lease for each in shards), key=lambda each: each.ok),
        lease_ttl_s=min(left_s, default=first.lease_ttl_s),
        paused=any(each.paused for each in owned),
        lease_note=next((each.lease_note for each in shards if each.lease_note), None),
        shards=tuple(shards),
    )


def merged_history(shards: Sequence[OwnershipHistory]) -> OwnershipHistory:
    """Return who owned any shard lately, the oldest first, and how often this node did."""
    seen = sorted((tenure for each in shards for tenure in each.seen), key=lambda one: one.since)
    history = OwnershipHistory(deque(seen, maxlen=TENURES * max(1, len(shards))))
    history.taken_over = sum(each.taken_over for each in shards)
    history.stepped_down = sum(each.stepped_down for each in shards)
    return history
