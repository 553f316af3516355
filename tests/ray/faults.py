"""What fails in a Ray cluster, and what must be so again before the next thing does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tests.ray.scene import Scene

    Fault = Callable[[Scene], Awaitable[None]]

_ENDS_S: Final = 60.0


async def _worker_killed(scene: Scene) -> None:
    """Kill an owner: its spare has the lease when that runs out, and Ray starts another."""
    with scene.strike([scene.next_shard()]) as (owner,):
        scene.fleet.kill(owner)
    await scene.recovers()


async def _worker_frozen(scene: Scene) -> None:
    """Stop an owner, which Ray never sees: the spare takes over, the keeper has it replaced."""
    with scene.strike([scene.next_shard()]) as (owner,):
        pid = scene.fleet.freeze(owner)
    await scene.recovers()
    await scene.fleet.replaced(owner, pid)


async def _lease_blinded(scene: Scene) -> None:
    """Keep an owner from its lease, which it does not learn: the epoch keeps it from the orders."""
    shard = scene.next_shard()
    machine = scene.fleet.machine_of(scene.fleet.holder(shard))
    before = machine.fenced()
    with scene.strike(scene.owned_on(machine)):
        machine.wire.swallow()
    try:
        await scene.recovers()
        await scene.fleet.until(lambda: machine.fenced() > before, "an owner that is fenced")
        scene.fenced += machine.fenced() - before
    finally:
        machine.wire.passes()


async def _front_door_killed(scene: Scene) -> None:
    """Kill one; the other one serves."""
    door = scene.fleet.doors[1]
    with scene.strike([]):
        await asyncio.to_thread(door.kill)
    await scene.recovers()
    await asyncio.to_thread(door.start)


async def _gcs_killed(scene: Scene) -> None:
    """Kill it, which nobody notices; an owner that is killed meanwhile has its spare."""
    with scene.strike([]):
        await asyncio.to_thread(scene.fleet.kill_gcs)
    await scene.recovers()
    with scene.strike([scene.next_shard()]) as (owner,):
        scene.fleet.kill(owner)
    await scene.recovers()
    await asyncio.to_thread(scene.fleet.start_gcs)


async def _machine_frozen(scene: Scene) -> None:
    """Stop a machine until it is given up; it goes on as a zombie, and joins anew."""
    machine = scene.fleet.machine_of(scene.fleet.holder(scene.next_shard()))
    with scene.strike(scene.owned_on(machine)):
        pids = machine.freeze()
    try:
        await scene.recovers()
        await scene.fleet.until(machine.is_given_up, "the machine is given up")
    finally:
        machine.thaw(pids)
    await scene.served()
    await asyncio.to_thread(machine.end_thawed, _ENDS_S)
    machine.start()


async def _raylet_killed(scene: Scene) -> None:
    """Lose a machine, with whatever it owned."""
    machine = scene.fleet.machine_of(scene.fleet.holder(scene.next_shard()))
    with scene.strike(scene.owned_on(machine)):
        machine.kill()
    await scene.recovers()
    machine.start()


FAULTS: Final[Mapping[str, Fault]] = {
    "worker killed": _worker_killed,
    "worker frozen": _worker_frozen,
    "lease blinded": _lease_blinded,
    "front door killed": _front_door_killed,
    "GCS killed": _gcs_killed,
    "machine frozen": _machine_frozen,
    "raylet killed": _raylet_killed,
}
KILLS: Final = ("worker killed", "front door killed", "GCS killed", "raylet killed")
FREEZES: Final = ("worker frozen", "machine frozen")
BLINDINGS: Final = ("lease blinded",)
