"""Faults of nodes: killed, ended, stopped, stalled; at any moment or at a named point."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.chaos.points import Action, Point

if TYPE_CHECKING:
    from tests.chaos.stage import Stage


async def kill_owner(stage: Stage) -> None:
    """Kill -9 the owner."""
    owner = await stage.fleet.owner()
    await stage.strike("kill_owner", owner.kill)
    await stage.fleet.owner(but=owner.number)
    await stage.callers.served(20)
    await stage.restart(owner)


async def kill_standby(stage: Stage) -> None:
    """Kill -9 the standby, with calls that it handed on."""
    owner = await stage.fleet.owner()
    standby = next(each for each in stage.fleet.nodes if each is not owner)
    await stage.strike("kill_standby", standby.kill, standby.number)
    await stage.callers.served(20)
    await stage.restart(standby)


async def jump_node_clock(stage: Stage) -> None:
    """Set the owner's clock back by an hour, then forward by two; times in the log jump along."""
    owner = await stage.fleet.owner()
    await stage.strike("jump_node_clock", lambda: owner.points.set_clock(-3600))
    await stage.callers.served(20)
    owner.points.set_clock(3600)
    await stage.callers.served(20)
    owner.points.set_clock(0)


async def kill_both(stage: Stage) -> None:
    """Kill -9 all nodes at once."""

    def kill() -> None:
        for node in stage.fleet.nodes:
            node.kill()

    strike = await stage.strike("kill_both", kill)
    await asyncio.gather(*(asyncio.to_thread(each.launch) for each in stage.fleet.nodes))
    await stage.fleet.owner()
    strike.over_at = strike.at


async def kill_before_cas(stage: Stage) -> None:
    """Kill the owner when it has decided and not sent it."""
    await _kill_at(stage, "kill_before_cas", Point.BEFORE_CAS)


async def kill_after_cas(stage: Stage) -> None:
    """Kill the owner when the store has answered and the callers are still to be told."""
    await _kill_at(stage, "kill_after_cas", Point.AFTER_CAS)


async def kill_before_log(stage: Stage) -> None:
    """Kill the owner when orders are changed and their log entries are not written."""
    await _kill_at(stage, "kill_before_log", Point.BEFORE_LOG)


async def kill_while_log_hangs(stage: Stage) -> None:
    """Let the owner change orders and not write their log entries for a while; then kill it."""
    owner = await stage.bring_owner_to(Point.BEFORE_LOG, Action.HANG)
    await stage.callers.served(30)
    await stage.strike("kill_while_log_hangs", owner.kill)
    await stage.fleet.owner(but=owner.number)
    await stage.callers.served(20)
    await stage.restart(owner)


async def _kill_at(stage: Stage, fault: str, point: Point) -> None:
    owner = await stage.strike_owner_at(fault, point, Action.KILL)
    await stage.ended(owner)
    await stage.fleet.owner(but=owner.number)
    await stage.callers.served(20)
    await stage.restart(owner)


async def kill_in_take_over(stage: Stage) -> None:
    """Kill the owner, and the next one when it has claimed its epoch."""
    owner = await stage.fleet.owner()
    heirs = [each for each in stage.fleet.nodes if each is not owner]
    for each in heirs:
        each.points.arm(Point.TAKING_OVER, Action.KILL)
    strike = await stage.strike("kill_in_take_over", owner.kill)
    for each in heirs:
        await stage.ended(each)
    await asyncio.gather(*(stage.restart(each) for each in stage.fleet.nodes))
    strike.over_at = strike.at


async def roll(stage: Stage) -> None:
    """SIGTERM each node in turn, the owner first, as a deployment does."""
    owner = await stage.fleet.owner()
    for node in [owner, *(each for each in stage.fleet.nodes if each is not owner)]:
        await stage.strike("roll", node.terminate)
        code = await asyncio.to_thread(node.wait_ended)
        if code:
            stage.mistakes.append(f"node-{node.number} ended with code {code} after SIGTERM")
        await stage.callers.served(20)
        await stage.restart(node)


async def pause_owner(stage: Stage) -> None:
    """SIGSTOP the owner until another has taken over, then let it go on."""
    owner = await stage.fleet.owner()
    await stage.strike("pause_owner", owner.pause)
    await stage.fleet.owner(but=owner.number)
    await stage.callers.served(30)
    owner.resume()


async def pause_before_cas(stage: Stage) -> None:
    """Let the owner sleep past its lease between its last look and its write."""
    owner = await stage.strike_owner_at("pause_before_cas", Point.BEFORE_CAS, Action.STOP)
    await stage.fleet.owner(but=owner.number)
    await stage.callers.served(60)
    owner.resume()


async def stall_owner(stage: Stage) -> None:
    """Stall the owner's loop for longer than its lease is kept for a node that is late."""
    seconds = 2.5 * stage.ttl_s + 1
    owner = await stage.strike_owner_at("stall_owner", Point.BEFORE_CAS, Action.STALL, seconds)
    await stage.fleet.owner(but=owner.number)
    await stage.callers.served(20)
