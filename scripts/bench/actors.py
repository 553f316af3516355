"""Measure live idle actors: the memory of each, looks at all, the time to passivate them.

Makes a live actor for each of many orders by applying one update to it, through region,
supervisor and committer as in the service, then lets them rest. Memory is what the process's
resident set grew by between the first and the last actor, divided by their number.

Passivation is timed twice: of actors whose outboxes were emptied while they rested, as the
service does after a tenth of ACTOR_IDLE_S, and right after an update of each, outboxes and all.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import structlog
import uvloop

from actors.commit.committer import Committer
from actors.domain.evidence import Evidence, EvidenceQuery
from actors.domain.messages import Sweep, Tidy, UpdateQuantity
from actors.domain.model import Change, ChangeType, LogContext, WorkOrderId, new_job_id
from actors.jobs.keeper import JobKeeper, JobOptions
from actors.operators.inspector import ActorInspector
from actors.operators.rows import ActorQuery, ActorState, Sort
from actors.orders.region import Region
from actors.orders.supervisor import Limits, Supervisor
from actors.store.mongo.store import MongoStore
from actors.store.sqlite.store import FILE_NAME, SqliteStore
from actors.telemetry.telemetry import Telemetry
from scripts.bench.calls import order_id
from scripts.bench.orders import order_document
from scripts.bench.processes import resident_bytes
from tests.servers import MongoReplicaSet

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from actors.store import Store

_CALLERS = 500
_INSERTED_AT_ONCE = 1_000
_WARM = 1_000
"""Orders touched before the count begins, so that pools and caches are not counted."""


def main(argv: Sequence[str]) -> int:
    """Measure and print; give the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench actors",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--actors", type=int, default=100_000, help="how many (default 100000)")
    parser.add_argument("--store", choices=("mongo", "sqlite"), default="mongo")
    parser.add_argument("--rounds", type=int, default=3, help="passivations timed (default 3)")
    args = parser.parse_args(argv)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    with ExitStack() as stack:
        uvloop.run(_measure(_store(args.store, stack), args.actors, args.rounds))
    return 0


def _store(kind: str, stack: ExitStack) -> Store:
    if kind == "sqlite":
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        return SqliteStore(folder / FILE_NAME)
    replica_set = stack.enter_context(MongoReplicaSet(cache_gb=1.0))
    return MongoStore(replica_set.uri, "bench_actors")


async def _measure(store: Store, count: int, rounds: int) -> None:
    await store.open()
    orders = [WorkOrderId(order_id(index)) for index in range(count + _WARM)]
    for start in range(0, len(orders), _INSERTED_AT_ONCE):
        indexes = range(start, min(start + _INSERTED_AT_ONCE, len(orders)))
        await store.insert_orders([_plain(order_document(index)) for index in indexes])
    epoch = await store.claim_epoch("bench")
    region = Region(Telemetry(), lambda _epoch, _: asyncio.sleep(0))
    committer = Committer(store, epoch, batch=200, in_flight=3, deposed=lambda _: None)
    limits = Limits(max_actors=count + _WARM)
    jobs = JobKeeper(store.inbox, epoch, JobOptions(), lambda _: None, _no_log)
    supervisor = Supervisor(epoch, committer.actor_ref, limits, region.telemetry, jobs)
    region.enter(supervisor.actor_ref, supervisor.directory, jobs, paused=False)
    await _touch(region, orders[:_WARM])
    await _settled(committer)
    before = _resident()
    started = time.perf_counter()
    await _touch(region, orders[_WARM:])
    await _settled(committer)
    made_in = time.perf_counter() - started
    each = (_resident() - before) / count
    _say(f"{count} live idle actors on {store.name}: {each:.0f} bytes each")
    _say(f"  made, one committed update each, in {made_in:.1f} s; tasks {len(asyncio.all_tasks())}")
    await _look(ActorInspector(supervisor.directory, committer, region.telemetry), region)
    tidied, rested, at_once = [], [], []
    for _ in range(rounds):
        tidied.append(await _tidy(committer))
        rested.append(await _passivate_all(supervisor))
        await _touch(region, orders)
        await _settled(committer)
        at_once.append(await _passivate_all(supervisor))
        await _touch(region, orders)
        await _settled(committer)
    _say(f"  outboxes emptied while they rest, in {median(tidied):.2f} s (medians of {rounds})")
    _say(f"  passivated after that, in {median(rested):.2f} s")
    _say(f"  passivated with all outboxes still to empty, in {median(at_once):.2f} s")
    await store.close()


async def _no_log(_query: EvidenceQuery) -> Evidence:
    return Evidence()


async def _look(census: ActorInspector, region: Region) -> None:
    """Time each look that operators take, and the longest time that it keeps the loop."""
    looks: dict[str, Callable[[], Awaitable[object]]] = {
        "counts": census.summary,
        "hot ones": lambda: census.hot(10),
        "page by depth": lambda: census.page(ActorQuery()),
        "page by rate, last": lambda: census.page(ActorQuery(2_000, 50, Sort.RATE)),
        "page of idle ones": lambda: census.page(ActorQuery(state=ActorState.IDLE)),
        "search": lambda: census.page(ActorQuery(search="bench-00099")),
        "locks": lambda: asyncio.sleep(0, region.held(1_000)),
    }
    for name, look in looks.items():
        took, kept = [], []
        for _ in range(5):
            slices: list[float] = []
            watching = asyncio.create_task(_watch(slices))
            await asyncio.sleep(0)
            began = time.perf_counter()
            await look()
            took.append(time.perf_counter() - began)
            await asyncio.sleep(0)
            watching.cancel()
            kept.append(max(slices))
        _say(
            f"  {name}: {median(took) * 1e3:.1f} ms, loop kept {median(kept) * 1e3:.1f} ms at most"
        )


async def _watch(slices: list[float]) -> None:
    """Note how long each turn of the loop takes, of this thread's own time."""
    last = time.thread_time()
    while True:
        await asyncio.sleep(0)
        now = time.thread_time()
        slices.append(now - last)
        last = now


def _plain(document: dict[str, object]) -> dict[str, object]:
    return {name: str(value) if name == "_id" else value for name, value in document.items()}


async def _touch(region: Region, orders: Sequence[WorkOrderId]) -> None:
    """Apply one update to each order, many at once."""
    waiting = iter(orders)

    async def caller() -> None:
        for order in waiting:
            change = Change(new_job_id(), ChangeType.INPUT, 1, LogContext(related_barcode="b"))
            await region.update(UpdateQuantity(order, change, time.monotonic() + 60))

    await asyncio.gather(*(caller() for _ in range(_CALLERS)))


async def _settled(committer: Committer) -> None:
    while not committer.idle:  # noqa: ASYNC110 -- as the node's drain does
        await asyncio.sleep(0.01)


async def _tidy(committer: Committer) -> float:
    """Empty all outboxes, a share each time as the service does, without its second between."""
    started = time.perf_counter()
    while len(committer.outboxes):
        committer.actor_ref.tell(Tidy(0))
        await asyncio.sleep(0.005)
    return time.perf_counter() - started


async def _passivate_all(supervisor: Supervisor) -> float:
    started = time.perf_counter()
    await supervisor.actor_ref.ask(Sweep(everything=True), block=False)
    while len(supervisor.directory):  # noqa: ASYNC110 -- as the node's drain does
        await asyncio.sleep(0.005)
    return time.perf_counter() - started


def _resident() -> int:
    """Return this process's resident memory in bytes, without what could be freed."""
    gc.collect()
    return resident_bytes()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
