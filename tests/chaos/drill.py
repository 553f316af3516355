"""A run: a fleet under load, one fault after the other, and the books at the end."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from actors.store.schema import REFUSALS
from tests.chaos.barrage import Barrage
from tests.chaos.bench import Bench, check_bench
from tests.chaos.callers import Callers, Pace
from tests.chaos.checker import check, read_books
from tests.chaos.faults import FAULTS
from tests.chaos.figures import Figures, Hit
from tests.chaos.fleet import DATABASE, Fleet, FleetOptions
from tests.chaos.history import HistoryWriter, read_history, read_operations
from tests.chaos.movers import Lives, Movers
from tests.chaos.operators import Operators
from tests.chaos.recount import check_database
from tests.chaos.stage import Stage, Strike
from tests.servers import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.chaos.crew import Crew
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
    at_once: bool = False
    """Whether several kinds come at the same time, as `Barrage` has it; `faults` are not used."""
    short: bool = False
    pace: Pace = field(default_factory=Pace)
    operators: bool = True
    """Whether operators and movers are at work beside the callers."""
    movers: Lives = field(default_factory=Lives)
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
        checks = check_database(fleet.mongo.uri, fleet.backdoor, fleet.bench)
        for kind, what in asyncio.run(checks):
            figures.verdict.complain(kind, what)
        for strike in stage.strikes:
            _measure(stage, figures, strike)
        figures.mistakes += stage.mistakes
        figures.operations += stage.moved
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
    operations = read_operations(history)
    verdict = check(read_history(history), books, operations, refused)
    done = Counter(each.what for each in operations if each.status == _OK)
    return Figures(verdict, entries=sum(len(each.log) for each in books), operations=done)


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
    movers = Movers([], fleet.movers_uri, DATABASE, options.seed, options.movers)
    crews: list[Crew] = [callers, desk, bench, movers]
    try:
        callers.start()
        if options.operators:
            desk.start()
            await movers.open()
            movers.start()
        if fleet.bench:
            bench.start()
        await _break_everything(stage, options, say)
        # At once: who is done waits for the others without calling.
        await asyncio.gather(desk.finish(), bench.finish(), callers.finish())
        await fleet.emptied()
        await movers.finish()
        await asyncio.to_thread(fleet.stop_nodes)
        if options.operators:
            await movers.settle()
    except Exception as error:  # noqa: BLE001 -- the figures of all that was before are told too
        stage.mistakes.append(f"ended by {error!r:.{_TOLD}}")
    finally:
        for crew in crews:
            await crew.close()
    callers.unsettled += desk.unsettled
    stage.moved.update(archived=movers.moved, brought_back=movers.restored)
    return stage


async def _break_everything(
    stage: Stage, options: DrillOptions, say: Callable[[str], None]
) -> None:
    callers = stage.callers
    await callers.served(2 * _CALM)
    end = time.monotonic() + options.duration_s
    if options.at_once:
        await Barrage(stage, options.rounds, end, say).run()
        await stage.fleet.settled()
        await callers.served(_CALM)
        return
    for name in _plan(options, end):
        await _break(stage, name, say)


async def _break(stage: Stage, name: str, say: Callable[[str], None]) -> None:
    before, began = len(stage.strikes), time.monotonic()
    try:
        await FAULTS[name](stage)
        await stage.fleet.settled()
        await stage.callers.served(_CALM)
    except (TimeoutError, ServerError) as error:
        stage.mistakes.append(f"{name}: {str(error)[:_TOLD]}")
        await asyncio.to_thread(stage.fleet.mend)
        await stage.fleet.settled()
    for strike in stage.strikes[before:]:
        strike.until = time.monotonic()
        gap_s = stage.longest_gap_s(strike.at, strike.until)
        took_s = strike.until - began
        say(f"{name}: {strike.in_flight} in flight, gap {gap_s:.2f} s, {took_s:.0f} s in all")


def _plan(options: DrillOptions, end: float) -> Iterator[str]:
    rng = Random(options.seed)  # noqa: S311 -- a drill, not a secret
    for _ in range(options.rounds):
        names = list(options.faults)
        rng.shuffle(names)
        for name in names:
            if time.monotonic() > end:
                return
            yield name
