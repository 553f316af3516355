"""Faults of the wires from nodes to Redis, to MongoDB and to each other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.fleet import ChaosNode
    from tests.chaos.stage import Stage
    from tests.proxy import Wire


async def _until_another_serves(stage: Stage, owner: ChaosNode, wire: Wire) -> None:
    await stage.fleet.owner(but=owner.number)
    await stage.callers.served(30)
    wire.passes()


async def cut_owner_from_redis(stage: Stage) -> None:
    """Keep the owner from renewing; another takes the lease, and the store stops the first."""
    owner = await stage.fleet.owner()
    wire = stage.fleet.to_redis[owner.number]
    await stage.strike("cut_owner_from_redis", wire.cut)
    await _until_another_serves(stage, owner, wire)


async def lose_replies_of_redis(stage: Stage) -> None:
    """Lose what Redis answers the owner, though it does what it is asked."""
    owner = await stage.fleet.owner()
    wire = stage.fleet.to_redis[owner.number]
    await stage.strike("lose_replies_of_redis", wire.drop_replies)
    await asyncio.sleep(1.5 * stage.ttl_s)
    wire.passes()


async def swallow_redis(stage: Stage) -> None:
    """Swallow all that nodes say to Redis: nobody can take the lease."""

    def swallow() -> None:
        for wire in stage.fleet.to_redis:
            wire.swallow()

    await stage.strike("swallow_redis", swallow)
    await asyncio.sleep(2 * stage.ttl_s)
    for wire in stage.fleet.to_redis:
        wire.passes()


async def cut_owner_from_mongo(stage: Stage) -> None:
    """Leave the owner with Redis only: it gives the lease up."""
    owner = await stage.fleet.owner()
    wire = stage.fleet.to_mongo[owner.number]
    await stage.strike("cut_owner_from_mongo", wire.cut)
    await _until_another_serves(stage, owner, wire)


async def swallow_mongo_of_owner(stage: Stage) -> None:
    """Swallow all that the owner says to MongoDB, whose connections stay open."""
    owner = await stage.fleet.owner()
    wire = stage.fleet.to_mongo[owner.number]
    await stage.strike("swallow_mongo_of_owner", wire.swallow)
    await _until_another_serves(stage, owner, wire)


async def lose_replies_of_mongo(stage: Stage) -> None:
    """Lose what MongoDB answers the owner for a moment, though it does what it is asked."""
    owner = await stage.fleet.owner()
    wire = stage.fleet.to_mongo[owner.number]
    await stage.strike("lose_replies_of_mongo", wire.drop_replies)
    await asyncio.sleep(stage.rng.uniform(0.2, 0.7) * stage.ttl_s)
    wire.passes()


async def slow_mongo(stage: Stage) -> None:
    """Slow down all that nodes and MongoDB say to each other."""

    def slow() -> None:
        for wire in stage.fleet.to_mongo:
            wire.delay(requests_s=0.03, replies_s=0.07)

    await stage.strike("slow_mongo", slow)
    await asyncio.sleep(1.5 * stage.ttl_s)
    for wire in stage.fleet.to_mongo:
        wire.passes()


async def late_write(stage: Stage) -> None:
    """Hold the owner's writes until another has taken over and gone on; then deliver them."""
    owner = await stage.fleet.owner()
    wire = stage.fleet.to_mongo[owner.number]
    await stage.strike("late_write", wire.hold_requests)
    await stage.callers.until(lambda: wire.held > 0, "a write under way")
    await stage.fleet.owner(but=owner.number)
    await stage.callers.served(100)
    wire.passes()


async def late_write_of_the_dead(stage: Stage) -> None:
    """Kill the owner while its writes are under way; they arrive after the take-over."""
    owner = await stage.fleet.owner()
    wire = stage.fleet.to_mongo[owner.number]
    wire.hold_requests()
    await stage.callers.until(lambda: wire.held > 0, "a write under way")
    await stage.strike("late_write_of_the_dead", owner.kill)
    await stage.fleet.owner(but=owner.number)
    await stage.callers.served(100)
    wire.passes()
    await stage.restart(owner)


async def part_nodes(stage: Stage) -> None:
    """Lose the owner's answers to calls that the standby handed on."""
    owner = await stage.fleet.owner()
    wire = stage.fleet.to_node[owner.number]
    standby = next(each for each in stage.fleet.nodes if each is not owner)
    await stage.strike("part_nodes", wire.drop_replies, standby.number)
    await asyncio.sleep(0.5)
    wire.passes()
