"""A caller as a process of its own: update after update, each noted before and after the call.

`python -m tests.clients.outage_caller <name> <addresses> <outbox> <journal> <orders>`; ends when
its standard input does, at once. At SIGTERM it first waits until its outbox is empty.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from random import Random

import stamina.instrumentation

from tests.clients.outage_options import ATTEMPT_S, BREAKER_OPEN_S, DEADLINE_S, PAUSE_S
from web.clients.python import ClientOptions, PlanServerClient


async def _main(name: str, addresses: str, outbox: str, journal: str, orders: str) -> None:
    # It has a word for each attempt, which is what is expected here.
    stamina.instrumentation.set_on_retry_hooks([])
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_reader(sys.stdin.fileno(), os._exit, 1)
    options = ClientOptions(
        outbox=Path(outbox),
        deadline_s=DEADLINE_S,
        attempt_s=ATTEMPT_S,
        breaker_open_s=BREAKER_OPEN_S,
        replay_poll_s=0.2,
    )
    notes = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    rng = Random(name)  # noqa: S311 -- a drill, not a secret

    def note(**fields: object) -> None:
        os.write(notes, f"{json.dumps(fields)}\n".encode())

    async with PlanServerClient(addresses.split(","), options) as client:
        number = 0
        while not stopping.is_set():
            number += 1
            key = f"{name}-{number}"
            order, kind = rng.choice(orders.split(",")), rng.choice(("input", "output"))
            quantity = rng.randint(1, 3)
            note(asked=key, order=order, type=kind, quantity=quantity)
            start = time.monotonic()
            result = await client.update_work_order_quantity(
                order, kind, quantity, {"remark": name}, request_id=key
            )
            took_s = time.monotonic() - start
            note(answered=key, success=result["success"], code=result["code"], took_s=took_s)
            await asyncio.sleep(rng.uniform(0, 2 * PAUSE_S))
        while (await client.outbox_usage()).entries:  # noqa: ASYNC110 -- others empty it as well
            await asyncio.sleep(0.05)
        note(drained=True, dead=len(await client.dead_letters()))


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
