"""A run: a fleet under load, one fault after the other, and the books at the end."""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from actors.store.schema import REFUSALS
from tests.chaos.bench import Bench, check_bench
from tests.chaos.callers import Callers, Pace
from tests.chaos.checker import check, read_books
from tests.chaos.faults import FAULTS
from tests.chaos.figures import Figures, Hit
from tests.chaos.fleet import Fleet, FleetOptions
from tests.chaos.history import HistoryWriter, read_history, read_operations
from tests.chaos.operators import Operators
from tests.chaos.stage import Stage, Strike
from tests.servers import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.contract.backdoor import MongoBackdoor

_TOLD: Final = 2000
"""Characters of what a server said when it did not come up."""
_OK: Final = 200
_CALM: Final = 40
"""Final answers after a fault, before the next one."""


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """What to run."""

    fleet: FleetOptions
    faults: Sequence[str]
    seed: int = 1
    rounds: int = 1
    """How often each fault is injected, in another order each time."""
    duration_s: float = float("inf")
    short: bool = False
    pace: Pace = field(default_factory=Pace)
    operators: bool = True
    """Whether operators are at work beside the callers."""
    keep: Path | None = None
    """A folder for histories and logs; a temporary one otherwise."""


def run_drill(options: DrillOptions, say: Callable[[str], None] = lambda _: None) -> Figures:
    """Run the whole and check it; blocks until done."""
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
        return _run_in(options.keep, options, say)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        return _run_in(Path(folder), options, say)


def _run_in(folder: Path, options: DrillOptions, say: Callable[[str], None]) -> Figures:
    began = time.monotonic()
    path = folder / "history.jsonl"
    with Fleet(folder, options.fleet) as fleet:
        with HistoryWriter(path) as history:
            stage = asyncio.run(_perform(fleet, history, options, say))
        fleet.stop_nodes()
        figures = examine(fleet, path)
        if fleet.bench:
            if all(status != _OK for status, _ in stage.bench.told.values()):
                figures.mistakes.append("nothing was done at the bench")
            for kind, what in check_bench(fleet.backdoor, stage.bench.orders, stage.bench.told):
                figures.verdict.complain(kind, what)
        for strike in stage.strikes:
            _measure(stage, figures, strike)
        figures.mistakes += stage.mistakes
        figures.unsettled = stage.callers.unsettled
        figures.attempts = stage.callers.codes.total()
    figures.seconds = time.monotonic() - began
    return figures


def examine(fleet: Fleet, history: Path) -> Figures:
    """Check a history that is closed against the database of a fleet."""
    figures = judged(fleet.backdoor, fleet.orders, history)
    figures.fence_rejections = sum(node.points.rejections for node in fleet.nodes)
    return figures


def judged(backdoor: MongoBackdoor, orders: Sequence[Mapping[str, Any]], history: Path) -> Figures:
    """Check a history that is closed against a database; `orders` are those of before."""
    books = read_books(backdoor, orders)
    refused = {each["planServer"].get("requestId") for each in backdoor.database[REFUSALS].find()}
    verdict = check(read_history(history), books, read_operations(history), refused)
    return Figures(verdict, entries=sum(len(each.log) for each in books))


def _measure(stage: Stage, figures: Figures, strike: Strike) -> None:
    if not strike.in_flight:
        figures.idle += 1
        return
    gap_s = stage.longest_gap_s(strike.at, strike.until)
    over = strike.over_at
    resumed_s = None if over is None else stage.resumed_after_s(over)
    figures.hits.append(Hit(strike.fault, strike.in_flight, gap_s, resumed_s))


async def _perform(
    fleet: Fleet, history: HistoryWriter, options: DrillOptions, say: Callable[[str], None]
) -> Stage:
    orders = [str(each["_id"]) for each in fleet.orders]
    urls = [node.uri for node in fleet.nodes]
    callers = Callers(urls, orders, history, options.seed, options.pace)
    bench = Bench(urls, [str(each["_id"]) for each in fleet.bench], options.seed)
    stage = Stage(fleet, callers, options.seed, options.short, bench=bench)
    desk = Operators(urls, orders[::10], callers, history, options.seed)
    try:
        await _break_everything(stage, desk if options.operators else None, options, say)
        # At once: who is done waits for the others without calling.
        await asyncio.gather(desk.finish(), bench.finish(), callers.finish())
        await fleet.emptied()
    finally:
        await bench.close()
        await desk.close()
        await callers.close()
    callers.unsettled += desk.unsettled
    return stage


async def _break_everything(
    stage: Stage, desk: Operators | None, options: DrillOptions, say: Callable[[str], None]
) -> None:
    callers = stage.callers
    callers.start()
    if desk is not None:
        desk.start()
    if stage.fleet.bench:
        stage.bench.start()
    await callers.served(2 * _CALM)
    for name in _plan(options):
        before, began = len(stage.strikes), time.monotonic()
        try:
            await FAULTS[name](stage)
            await stage.fleet.settled()
            await callers.served(_CALM)
        except (TimeoutError, ServerError) as error:
            stage.mistakes.append(f"{name}: {str(error)[:_TOLD]}")
            await asyncio.to_thread(stage.fleet.mend)
            await stage.fleet.settled()
        for strike in stage.strikes[before:]:
            strike.until = time.monotonic()
            gap_s = stage.longest_gap_s(strike.at, strike.until)
            took_s = strike.until - began
            say(f"{name}: {strike.in_flight} in flight, gap {gap_s:.2f} s, {took_s:.0f} s in all")


def _plan(options: DrillOptions) -> Iterator[str]:
    rng = Random(options.seed)  # noqa: S311 -- a drill, not a secret
    end = time.monotonic() + options.duration_s
    for _ in range(options.rounds):
        names = list(options.faults)
        rng.shuffle(names)
        for name in names:
            if time.monotonic() > end:
                return
            yield name
