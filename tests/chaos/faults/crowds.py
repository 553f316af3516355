"""Not faults of anything, but crowds: at an order that is new, at orders that do not exist."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.chaos.fleet import NEW_ORDERS, NO_ORDERS, orders_from
from tests.chaos.history import Intent

if TYPE_CHECKING:
    from tests.chaos.fleet import ChaosNode
    from tests.chaos.stage import Stage

_CROWD = 64
_UNKNOWN = 100_000
_UNKNOWN_SHORT = 2_000
_BATCH = 500
_AT_ONCE = 4
_GONE_S = 60
"""Only one that stays for good takes so long to go."""
_BATCH_UPDATE = "/api/workorder/batch-update-quantity"
_LOCKS = "/api/workorder/queue/locks"


async def race_passivation(stage: Stage) -> None:
    """64 first requests to a new order at once, again and again as its actor leaves memory."""
    fleet = stage.fleet
    (order,) = orders_from(NEW_ORDERS + len(fleet.orders), 1)
    await asyncio.to_thread(fleet.backdoor.put_order, order)
    fleet.orders.append(order)
    await stage.strike("race_passivation", lambda: None)
    for wave in range(3 if stage.short else 10):
        name = f"{order['_id']}-{wave}"
        crowd = [Intent(f"{name}-{each}", order["_id"], "input", 1) for each in range(_CROWD)]
        await asyncio.gather(
            *(
                stage.callers.settle(each, place % len(fleet.nodes))
                for place, each in enumerate(crowd)
            )
        )
        # About when a tight node lets the actor go: sometimes before, sometimes after.
        await asyncio.sleep(stage.rng.uniform(0.05, 0.25))


async def flood_of_unknown_orders(stage: Stage) -> None:
    """Send batches for ids that name no order: each is told so, and no actor stays."""
    owner = await _roomy_owner(stage)
    await stage.strike("flood_of_unknown_orders", lambda: None)
    count = _UNKNOWN_SHORT if stage.short else _UNKNOWN
    async with aiohttp.ClientSession(owner.uri) as session:

        async def send(first: int) -> None:
            for start in range(first, count, _BATCH * _AT_ONCE):
                ids = range(NO_ORDERS + start, NO_ORDERS + start + _BATCH)
                left = [f"{each:024x}" for each in ids]
                while left:
                    left = await _send_unknown(stage, session, left)

        await asyncio.gather(*(send(_BATCH * each) for each in range(_AT_ONCE)))
        await _until_gone(stage, session)


async def _until_gone(stage: Stage, session: aiohttp.ClientSession) -> None:
    """Wait until no actor is there but those of orders; note how many stay."""
    until = time.monotonic() + _GONE_S
    while True:
        async with session.get(_LOCKS) as reply:
            held = (await reply.json())["data"]["total"]
        if held <= len(stage.fleet.orders):
            return
        if time.monotonic() > until:
            stage.mistakes.append(f"{held} actors stay, of {len(stage.fleet.orders)} orders")
            return
        await asyncio.sleep(0.1)


async def _roomy_owner(stage: Stage) -> ChaosNode:
    """Have a node own the orders that may keep more actors than a batch has ids."""
    owner = await stage.fleet.owner()
    while owner.tight:
        await asyncio.to_thread(owner.stop)
        heir = await stage.fleet.owner(but=owner.number)
        await stage.restart(owner)
        owner = heir
    return owner


async def _send_unknown(stage: Stage, session: aiohttp.ClientSession, ids: list[str]) -> list[str]:
    """Send one batch; give the ids that were told to come again."""
    updates = [{"workOrderId": each, "type": "input"} for each in ids]
    async with session.post(_BATCH_UPDATE, json={"updates": updates}) as reply:
        answer = await reply.json()
    if reply.status in (429, 503) or answer["code"] == "TIMEOUT":
        await asyncio.sleep(stage.callers.pace.retry_s)
        return ids
    results = answer["data"]["results"]
    again = [each["workOrderId"] for each in results if _comes_again(each)]
    codes = {each["code"] for each in results if not _comes_again(each)}
    if codes - {"WORK_ORDER_NOT_FOUND"}:
        stage.mistakes.append(f"ids that name no order: {codes}")
    return again


def _comes_again(result: dict[str, Any]) -> bool:
    """Return whether it is not settled: refused for now, not answered in time, or kept."""
    return bool(result.get("retryable")) or result["code"] in ("TIMEOUT", "QUEUED")
