"""Measure how fast an outbox drains: updates a second, through the batch call, once each.

Fills the outbox of each client while the service is down, starts the service on the given store,
and waits until the outbox is empty. Then the orders' sums are compared with what was kept.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import shutil
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, create_subprocess_exec
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scripts.crash import place_at
from tests.service.places import STORES
from tests.trace import FULL, Start, morning
from web.clients.python import ClientOptions, PlanServerClient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.service.places import Place

_PROGRAM: Final = Path(__file__).with_name("replay.js")
_AT_ONCE: Final = 500
_POLL_S: Final = 0.01


def main(argv: list[str]) -> int:
    """Run the bench; give the exit code: 1 when the sums are off."""
    arguments = _parse(argv)
    # Stamina has a word for each attempt while the service is down.
    logging.disable(logging.WARNING)
    with ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="replay-")))
        place = place_at(arguments.store, folder / "service", undo)
        return asyncio.run(_measure(place, folder, arguments))


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.bench replay", description=__doc__)
    parser.add_argument("--updates", type=int, default=10_000, help="to keep (default: 10,000)")
    parser.add_argument("--orders", type=int, default=30, help="they are for (default: 30)")
    parser.add_argument("--store", choices=STORES, default="sqlite", help="where (default: sqlite)")
    return parser.parse_args(argv)


async def _measure(place: Place, folder: Path, arguments: argparse.Namespace) -> int:
    # Not the last one, which takes no more input.
    given = morning().orders[: min(arguments.orders, FULL)]
    orders = [str(order["_id"]) for order in given]
    await place.open(Start(tuple(given)))
    for name, fill_and_drain in (("python", _in_python), ("node", _in_node)):
        await place.node.killed()
        filled_s, drained_s = await fill_and_drain(place, folder, arguments.updates, orders)
        rate = arguments.updates / drained_s
        print(
            f"{name}, {place.store}: {arguments.updates} updates of {len(orders)} orders kept in "
            f"{filled_s:.1f} s, drained in {drained_s:.1f} s, {rate:,.0f} a second",
            flush=True,
        )
    await place.node.stopped()
    after = [place.backdoor.order(order["_id"]) for order in given]
    counted = sum(order["inputQuantity"] for order in after)
    expected = 2 * arguments.updates + sum(order.get("inputQuantity", 0) for order in given)
    print(f"the orders' sum is {counted}, expected {expected}")
    return int(counted != expected)


async def _in_python(
    place: Place, folder: Path, updates: int, orders: Sequence[str]
) -> tuple[float, float]:
    options = ClientOptions(
        outbox=folder / "outbox.sqlite3", deadline_s=60, breaker_failures=1, replay_poll_s=0.1
    )
    async with PlanServerClient(place.node.uri, options) as client:
        start = time.monotonic()
        for first in range(0, updates, _AT_ONCE):
            numbers = range(first, min(first + _AT_ONCE, updates))
            items = [{"workOrderId": orders[n % len(orders)], "type": "input"} for n in numbers]
            result = await client.batch_update_work_order_quantity(items)
            if result["succeeded"] != len(items):
                raise RuntimeError(f"the outbox did not take them: {result['code']}")
        filled_s = time.monotonic() - start
        await place.node.started()
        start = time.monotonic()
        while (await client.outbox_usage()).entries:  # noqa: ASYNC110 -- it is what is measured
            await asyncio.sleep(_POLL_S)
        return filled_s, time.monotonic() - start


async def _in_node(
    place: Place, folder: Path, updates: int, orders: Sequence[str]
) -> tuple[float, float]:
    node = shutil.which("node")
    if node is None:
        raise FileNotFoundError("node is not on PATH")
    told = [place.node.uri, str(folder / "outbox"), str(updates), ",".join(orders)]
    process = await create_subprocess_exec(node, str(_PROGRAM), *told, stdin=PIPE, stdout=PIPE)
    try:
        filled = json.loads(await _line(process))
        await place.node.started()
        if process.stdin is not None:
            process.stdin.write(b"go\n")
        drained = json.loads(await _line(process))
        return filled["filled_s"], drained["drained_s"]
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _line(process: asyncio.subprocess.Process) -> bytes:
    if process.stdout is None:
        raise RuntimeError("without its output there is nothing to read")
    return await process.stdout.readline()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
