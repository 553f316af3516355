"""Replies about the shards."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from web.openapi.models.reply import Moment, reply

Count = Annotated[int, Field(ge=0)]


@reply
class ShardCounts(TypedDict):
    """What the owner of a shard counts of it."""

    waiting: Count
    active: Count
    delayed: Count
    liveActors: Count
    jobs: Count
    """Accepted jobs that are not done yet."""
    unlogged: Count
    """Entries that are committed and not yet in the log."""
    ratePerSecond: float | None
    """Updates that were done with lately."""


@reply
class Shard(TypedDict):
    """A shard, the node that serves the updates of its orders, and what that counts."""

    shard: int
    node: str | None
    epoch: int
    serving: bool
    paused: bool
    leaseLeftMs: int | None
    counts: ShardCounts | None
    """None where its owner gives no answer, or there is none."""


@reply
class ShardHistory(TypedDict):
    """A shard's past in columns of equal length, the oldest first; without times of no owner."""

    shard: int
    at: list[Moment]
    ratePerSecond: list[float | None]
    waiting: list[Count]
    unlogged: list[Count]
    """Entries that are committed and not yet in the log."""


@reply
class ShardHistories(TypedDict):
    """What the owners of each shard counted of it, every `everyS` seconds."""

    everyS: int
    shards: list[ShardHistory]


@reply
class ShardsPlan(TypedDict):
    """Into how many shards the orders are cut."""

    count: int
    version: Count
    """One higher with each change; 0 where there was none."""
    planned: int | None
    """The number that is to come, as soon as no node owns a shard of these."""


@reply
class Shards(ShardsPlan):
    """All shards."""

    shards: list[Shard]
