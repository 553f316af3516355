"""What fails in a Ray cluster, and what must be so again before the next thing does."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from tests.ray.fleet import SHARDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tests.ray.fleet import RayFleet
    from tests.shards.scene import Scene

    Fault = Callable[[Scene[RayFleet]], Awaitable[None]]

_ENDS_S: Final = 300.0
_BLINDED_AT_MOST: Final = 6
_FENCED_S: Final = 15.0


async def _worker_killed(scene: Scene[RayFleet]) -> None:
    """Kill an owner: its spare has the lease when that runs out, and Ray starts another."""
    with scene.strike([scene.next_of(SHARDS)]) as (owner,):
        scene.fleet.kill(owner)
    await scene.recovers()


async def _worker_frozen(scene: Scene[RayFleet]) -> None:
    """Stop an owner, which Ray never sees: the spare takes over, the keeper has it replaced."""
    with scene.strike([scene.next_of(SHARDS)]) as (owner,):
        pid = scene.fleet.freeze(owner)
    await scene.recovers()
    await scene.fleet.replaced(owner, pid)


async def _lease_blinded(scene: Scene[RayFleet]) -> None:
    """Keep an owner from its lease, which it does not learn: the epoch keeps it from the orders.

    Front doors that hear of the new owner at once ask the old one for nothing more, and nothing
    has to fence it: then it is another one's turn. Raises TimeoutError when none was fenced.
    """
    before = scene.fenced
    for _ in range(_BLINDED_AT_MOST):
        await _blind(scene)
        if scene.fenced > before:
            return
        await scene.fleet.whole()
    raise TimeoutError(f"none of {_BLINDED_AT_MOST} owners was fenced")


async def _blind(scene: Scene[RayFleet]) -> None:
    shard = scene.next_of(SHARDS)
    machine = scene.fleet.machine_of(scene.fleet.holder(shard))
    before = machine.fenced()
    with scene.strike(scene.fleet.owned_on(machine)):
        machine.wire.swallow()
    try:
        await scene.recovers()
        with suppress(TimeoutError):
            await scene.fleet.until(
                lambda: machine.fenced() > before, "an owner that is fenced", _FENCED_S
            )
        scene.fenced += machine.fenced() - before
    finally:
        machine.wire.passes()


async def _front_door_killed(scene: Scene[RayFleet]) -> None:
    """Kill one; the other one serves."""
    door = scene.fleet.doors[1]
    with scene.strike([]):
        await asyncio.to_thread(door.kill)
    await scene.recovers()
    await asyncio.to_thread(door.start)


async def _gcs_killed(scene: Scene[RayFleet]) -> None:
    """Kill it, which nobody notices; an owner that is killed meanwhile has its spare."""
    with scene.strike([]):
        await asyncio.to_thread(scene.fleet.kill_gcs)
    await scene.recovers()
    with scene.strike([scene.next_of(SHARDS)]) as (owner,):
        scene.fleet.kill(owner)
    await scene.recovers()
    await asyncio.to_thread(scene.fleet.start_gcs)


async def _machine_frozen(scene: Scene[RayFleet]) -> None:
    """Stop a machine until it is given up; it goes on as a zombie, and joins anew."""
    machine = scene.fleet.machine_of(scene.fleet.holder(scene.next_of(SHARDS)))
    with scene.strike(scene.fleet.owned_on(machine)):
        pids = machine.freeze()
    try:
        await scene.recovers()
        await scene.fleet.until(machine.is_given_up, "the machine is given up")
    finally:
        machine.thaw(pids)
    await scene.served()
    await asyncio.to_thread(machine.end_thawed, _ENDS_S)
    machine.start()


async def _raylet_killed(scene: Scene[RayFleet]) -> None:
    """Lose a machine, with whatever it owned."""
    machine = scene.fleet.machine_of(scene.fleet.holder(scene.next_of(SHARDS)))
    with scene.strike(scene.fleet.owned_on(machine)):
        machine.kill()
    await scene.recovers()
    machine.start()


async def _resharded(scene: Scene[RayFleet]) -> None:
    """Cut the orders into twice as many shards, and back."""
    fleet = scene.fleet
    for count in (2 * SHARDS, SHARDS):
        with scene.strike(range(SHARDS)):
            await asyncio.to_thread(fleet.reshard, count)
        await fleet.until(partial(fleet.serves, count), f"{count} shards are served")
        await scene.calms()


FAULTS: Final[Mapping[str, Fault]] = {
    "worker killed": _worker_killed,
    "worker frozen": _worker_frozen,
    "lease blinded": _lease_blinded,
    "front door killed": _front_door_killed,
    "GCS killed": _gcs_killed,
    "machine frozen": _machine_frozen,
    "raylet killed": _raylet_killed,
    "resharded": _resharded,
}
KILLS: Final = ("worker killed", "front door killed", "GCS killed", "raylet killed")
FREEZES: Final = ("worker frozen", "machine frozen")
BLINDINGS: Final = ("lease blinded",)
RESHARDINGS: Final = ("resharded",)
