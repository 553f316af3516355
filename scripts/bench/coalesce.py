"""Measure callers that are many: their updates in calls they share, and in calls of their own.

One service on the given store; in each round each client once with `coalesce` and once without,
by the same number of callers, each of which asks for its next update when it has its answer.
At the end the orders' sums are compared with what was answered. Exit status 1 where they differ.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import shutil
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, create_subprocess_exec
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from bson import ObjectId

from actors.domain.model import WorkOrderId
from scripts.bench.calls import order_id
from scripts.bench.orders import order_document
from scripts.bench.processes import cpu_s
from scripts.crash import place_at
from tests.service.places import STORES
from tests.trace import Start
from web.clients.python import ClientOptions, PlanServerClient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.service.places import Place

_PROGRAM: Final = Path(__file__).with_name("coalesce.js")
_CONTEXT: Final = {
    "barcodeOperation": "SCAN_BATCH_DOC",
    "processName": "组装工序1",
    "operatorName": "张伟",
    "source": "DEVICE",
}


@dataclass(frozen=True, slots=True)
class _Load:
    """What the callers of one measurement do."""

    url: str
    outbox: str | None
    coalesce: bool
    callers: int
    orders: Sequence[str]
    warmup_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of it."""

    answered: int
    """Updates that were applied, those of the warm-up and of the end among them."""
    failed: int
    measured: int
    """Those of the measured time."""
    cpu_s: float
    """Of the callers' process in that time."""


def main(argv: list[str]) -> int:
    """Run the bench; give the exit code: 1 when the sums are off."""
    arguments = _parse(argv)
    logging.disable(logging.WARNING)
    with ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="coalesce-")))
        place = place_at(arguments.store, folder / "service", undo)
        return asyncio.run(_measure(place, folder, arguments))


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench coalesce",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--clients", default="python,node", help="of python,node (default: both)")
    add("--callers", type=int, default=32, help="at once (default 32)")
    add("--orders", type=int, default=1000, help="they are for (default 1000)")
    add("--rounds", type=int, default=3, help="interleaved (default 3)")
    add("--seconds", type=float, default=8.0, help="measured time of each (default 8)")
    add("--warmup", type=float, default=2.0, help="seconds before it (default 2)")
    add("--outbox", action="store_true", help="the clients have one (default: no fallback)")
    add("--store", choices=STORES, default="replica-set", help="where (default: replica-set)")
    return parser.parse_args(argv)


async def _measure(place: Place, folder: Path, arguments: argparse.Namespace) -> int:
    ids = [order_id(index) for index in range(arguments.orders)]
    await place.open(Start(tuple(_order(index) for index in range(arguments.orders))))
    answered = failed = 0
    rates: dict[tuple[str, bool], list[float]] = {}
    for round_ in range(arguments.rounds):
        for client in arguments.clients.split(","):
            for coalesce in (False, True):
                outbox = str(folder / f"outbox-{client}") if arguments.outbox else None
                times = (arguments.warmup, arguments.seconds)
                load = _Load(place.node.uri, outbox, coalesce, arguments.callers, ids, *times)
                before_s = cpu_s(place.node.pid)
                outcome = await (_in_node if client == "node" else _in_python)(load)
                used_s = cpu_s(place.node.pid) - before_s
                answered += outcome.answered
                failed += outcome.failed
                rates.setdefault((client, coalesce), []).append(
                    outcome.measured / arguments.seconds
                )
                _say(f"{round_} {client:<6} {_name(coalesce=coalesce)}", outcome, load, used_s)
    await place.node.stopped()
    counted = sum(place.backdoor.order(WorkOrderId(each))["inputQuantity"] for each in ids)
    _summary(arguments.clients.split(","), rates)
    # Where an answer is missing, the update may be there or not.
    exact = answered <= counted <= answered + failed
    verdict = "exact" if exact else "WRONG"
    print(f"{verdict}: the orders' sum is {counted}, {answered} answered, {failed} failed")
    return int(not exact)


def _order(index: int) -> dict[str, object]:
    """Return an order with its ids as text."""
    document = order_document(index)
    return {
        name: str(value) if isinstance(value, ObjectId) else value
        for name, value in document.items()
    }


def _name(*, coalesce: bool) -> str:
    return "together" if coalesce else "single  "


def _say(what: str, outcome: _Outcome, load: _Load, used_s: float) -> None:
    rate = outcome.measured / load.seconds
    caller_us = 1e6 * outcome.cpu_s / max(1, outcome.measured)
    service_us = 1e6 * used_s / max(1, outcome.answered)
    print(
        f"{what} {rate:>7,.0f}/s, CPU of an update: client {caller_us:,.0f} µs,"
        f" service {service_us:,.0f} µs",
        flush=True,
    )


def _summary(clients: Sequence[str], rates: dict[tuple[str, bool], list[float]]) -> None:
    for client in clients:
        single, together = rates[client, False], rates[client, True]
        ratios = [many / one for one, many in zip(single, together, strict=True)]
        print(
            f"{client}: single {median(single):,.0f}/s, together {median(together):,.0f}/s,"
            f" ratio {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )


async def _in_python(load: _Load) -> _Outcome:
    options = ClientOptions(
        outbox=Path(f"{load.outbox}.sqlite3") if load.outbox else None,
        fallback=load.outbox is not None,
        coalesce=load.coalesce,
    )
    answered = failed = measured = 0
    begin = time.monotonic() + load.warmup_s
    end = begin + load.seconds

    async def call(client: PlanServerClient, chance: random.Random) -> None:
        nonlocal answered, failed, measured
        while time.monotonic() < end:
            order = chance.choice(load.orders)
            result = await client.update_work_order_quantity(order, "input", 1, _CONTEXT)
            if result["code"] == "UPDATED":
                answered += 1
                measured += begin <= time.monotonic() < end
            else:
                failed += 1

    async with PlanServerClient(load.url, options) as client, asyncio.TaskGroup() as group:
        for number in range(load.callers):
            group.create_task(call(client, random.Random(number)))  # noqa: S311 -- spreads load
        await asyncio.sleep(load.warmup_s)
        used_s = time.process_time()
        await asyncio.sleep(max(0.0, end - time.monotonic()))
        used_s = time.process_time() - used_s
    return _Outcome(answered, failed, measured, used_s)


async def _in_node(load: _Load) -> _Outcome:
    node = shutil.which("node")
    if node is None:
        raise FileNotFoundError("node is not on PATH")
    given = {
        "url": load.url,
        "options": {
            "outbox": load.outbox,
            "fallback": load.outbox is not None,
            "coalesce": load.coalesce,
        },
        "callers": load.callers,
        "orders": load.orders,
        "warmupMs": load.warmup_s * 1000,
        "measuredMs": load.seconds * 1000,
        "context": _CONTEXT,
    }
    process = await create_subprocess_exec(node, str(_PROGRAM), stdin=PIPE, stdout=PIPE)
    try:
        said, _ = await process.communicate(json.dumps(given).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return _Outcome(**json.loads(said))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
