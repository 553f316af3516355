"""Faults of Redis and MongoDB themselves."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from redis import Redis

from tests.chaos.fleet import LEASE
from tests.proxy import HOST

if TYPE_CHECKING:
    from tests.chaos.fleet import ChaosNode
    from tests.chaos.stage import Stage

_ELECTION_S = 2.5
"""Longer than a primary of the test servers holds on without its majority."""


async def kill_redis(stage: Stage) -> None:
    """Kill Redis for longer than the lease; it comes back with its data."""
    await stage.strike("kill_redis", stage.fleet.redis.kill)
    await asyncio.sleep(1.5 * stage.ttl_s)
    await asyncio.to_thread(stage.fleet.redis.start)


async def lose_redis(stage: Stage) -> None:
    """Kill Redis; it comes back empty."""
    redis = stage.fleet.redis
    await stage.strike("lose_redis", redis.kill)
    # Ten times the lease is what is promised.
    await asyncio.sleep((2 if stage.short else 10) * stage.ttl_s)
    redis.forget_data()
    await asyncio.to_thread(redis.start)


async def flush_redis(stage: Stage) -> None:
    """Somebody says FLUSHALL."""

    def flush() -> None:
        with Redis(host=HOST, port=stage.fleet.redis.port) as redis:
            redis.flushall()

    await stage.strike("flush_redis", flush)
    await asyncio.sleep(stage.ttl_s)


async def set_redis_clock_back(stage: Stage) -> None:
    """Kill the owner, and have Redis keep its lease for an hour: as if its clock were set back."""
    owner = await stage.fleet.owner()
    await kill_as_redis_clock_goes_back(stage, owner)
    await stage.fleet.owner(but=owner.number)
    await stage.callers.served(20)
    await stage.restart(owner)


async def kill_as_redis_clock_goes_back(stage: Stage, owner: ChaosNode) -> None:
    """Strike; somebody has to start the owner again."""

    def jump() -> None:
        owner.kill()
        with Redis(host=HOST, port=stage.fleet.redis.port) as redis:
            redis.pexpire(LEASE, 3_600_000)

    await stage.strike("set_redis_clock_back", jump)


async def set_redis_clock_forward(stage: Stage) -> None:
    """Have Redis forget the lease at once: as if its clock were set forward."""

    def jump() -> None:
        with Redis(host=HOST, port=stage.fleet.redis.port) as redis:
            redis.pexpire(LEASE, 1)

    await stage.strike("set_redis_clock_forward", jump)
    await asyncio.sleep(stage.ttl_s)


async def kill_mongo(stage: Stage) -> None:
    """Kill -9 every mongod; callers are told until they are back."""
    told = stage.callers.codes["SERVICE_UNAVAILABLE"]
    strike = await stage.strike("kill_mongo", stage.fleet.mongo.kill)
    await asyncio.sleep(stage.rng.uniform(0.5, 2) * stage.ttl_s)
    await stage.callers.until(
        lambda: stage.callers.codes["SERVICE_UNAVAILABLE"] > told, "callers told"
    )
    await asyncio.to_thread(stage.fleet.mongo.start)
    strike.over_at = time.monotonic()


async def step_down(stage: Stage) -> None:
    """Make the primary give way to another member."""
    strike = await stage.strike("step_down", lambda: None)
    await asyncio.to_thread(stage.fleet.mongo.step_down, 5)
    await asyncio.to_thread(stage.fleet.mongo.primary)
    strike.over_at = time.monotonic()


async def kill_primary(stage: Stage) -> None:
    """Kill -9 the primary; it comes back as a secondary."""
    primary = await asyncio.to_thread(stage.fleet.mongo.primary)
    strike = await stage.strike("kill_primary", primary.kill)
    await asyncio.to_thread(stage.fleet.mongo.primary)
    strike.over_at = time.monotonic()
    await stage.callers.served(20)
    await asyncio.to_thread(primary.start)


async def pause_primary(stage: Stage) -> None:
    """Stop the primary until another is elected; it goes on with what it had."""
    primary = await asyncio.to_thread(stage.fleet.mongo.primary)
    strike = await stage.strike("pause_primary", primary.pause)
    await asyncio.to_thread(stage.fleet.mongo.primary_among, stage.fleet.mongo.others(primary))
    strike.over_at = time.monotonic()
    await stage.callers.served(20)
    primary.resume()


async def pause_one_secondary(stage: Stage) -> None:
    """Stop one of three: the other two are a majority."""
    member = (await asyncio.to_thread(stage.fleet.mongo.secondaries))[0]
    await stage.strike("pause_one_secondary", member.pause)
    await asyncio.sleep(stage.ttl_s)
    member.resume()


async def pause_majority(stage: Stage) -> None:
    """Stop two of three: what the primary takes is not acknowledged, and may be rolled back."""
    members = await asyncio.to_thread(stage.fleet.mongo.secondaries)

    def pause() -> None:
        for member in members:
            member.pause()

    strike = await stage.strike("pause_majority", pause)
    await asyncio.sleep(stage.rng.uniform(0.2, _ELECTION_S))
    for member in members:
        member.resume()
    await asyncio.to_thread(stage.fleet.mongo.primary)
    strike.over_at = time.monotonic()


async def roll_back(stage: Stage) -> None:
    """Stop the primary after it took writes alone; they are rolled back when it goes on."""
    mongo = stage.fleet.mongo
    primary = await asyncio.to_thread(mongo.primary)
    others = mongo.others(primary)

    def isolate() -> None:
        # Killed, as one that is only stopped finds what was sent meanwhile in its socket.
        for member in others:
            member.kill()

    strike = await stage.strike("roll_back", isolate)
    await asyncio.sleep(0.3)  # it is still the primary, and takes what it can't replicate
    primary.pause()
    await asyncio.gather(*(asyncio.to_thread(member.start) for member in others))
    await asyncio.to_thread(mongo.primary_among, others)
    strike.over_at = time.monotonic()
    await stage.callers.served(30)
    primary.resume()
