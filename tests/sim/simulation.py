"""One seed, from the first boot to the last check."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actors.domain.job import JobState
from tests.sim.books import Violation
from tests.sim.callers import Callers
from tests.sim.chance import chance
from tests.sim.checker import Checker, settled_as
from tests.sim.database import Database, Fence
from tests.sim.loop import SimLoop, Stuck
from tests.sim.scenario import scenario_of
from tests.sim.virtual import virtual
from tests.sim.world import LATEST_TTLS, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sim.scenario import Scenario

_SETTLE_S = 120.0
"""Virtual time after the last fault in which everything must have settled."""


@dataclass(slots=True)
class Outcome:
    """What one seed showed."""

    seed: int
    digest: str
    violations: list[Violation]
    figures: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    died: list[str] = field(default_factory=list)


def simulate(
    seed: int,
    *,
    scenario: Scenario | None = None,
    fence: Fence | None = None,
    trace: Callable[[str], None] | None = None,
) -> Outcome:
    """Run one seed and check it; the same seed gives the same history."""
    scenario = scenario or scenario_of(seed)
    loop = SimLoop(chance(seed, "shuffle") if scenario.shuffle else None)

    def tell(text: str) -> None:
        if trace is not None:
            trace(f"{loop.time():9.4f} {text}")

    with virtual(loop, chance(seed, "actors"), tell if trace is not None else None):
        world = World(scenario, loop, Database(fence or Fence()))
        world.trace = tell if trace is not None else None
        callers = Callers(world)
        stuck: list[Violation] = []
        try:
            loop.run(_live(world, callers, stuck))
        except Stuck as error:
            stuck.append(Violation("left hanging", str(error)))
        checker = Checker(world, callers)
        outcome = Outcome(
            seed,
            _digest(world),
            [*stuck, *checker.violations()],
            injected=world.faults.injected,
            hits=world.faults.hits,
            died=world.died,
        )
        _count(outcome, world, callers, checker)
        loop.close()
    return outcome


async def _live(world: World, callers: Callers, found: list[Violation]) -> None:
    """Let faults rage, then calm down, and go on until everything has settled."""
    loop = world.loop
    over = loop.create_future()
    world.plan_blows()
    loop.outside(world.scenario.duration_s, world.calm_down)
    working = loop.start(callers.run())

    def end(*_: object) -> None:
        if not over.done():
            over.set_result(None)

    working.add_done_callback(end)
    loop.outside(world.scenario.duration_s + _SETTLE_S, end)
    await over
    await _sleep(loop, max(0.0, world.scenario.duration_s - loop.time()))
    # The last packets arrive, the last paused process goes on, the last killed one is back.
    await _sleep(loop, world.scenario.ttl_s * LATEST_TTLS + 0.5)
    await _wait_for(world, _is_quiet)
    for slot in list(world.slots):
        if slot.owns:
            counts = slot.node.region.statistics()
            if counts.waiting or counts.active:
                found.append(Violation("left hanging", f"the last owner still counts {counts}"))
            await slot.process.spawn(slot.node.drain(_SETTLE_S))
        slot.process.kill()
    # A last owner sweeps what the others left in outboxes.
    world.slots = [world.boot("last")]
    await _wait_for(world, _is_swept)
    await world.movers.bring_all_back()


def _is_quiet(world: World) -> bool:
    owners = [slot for slot in world.slots if slot.owns]
    waiting = world.database.inbox.in_state(JobState.WAITING)
    return len(owners) == 1 and not owners[0].busy and not waiting


def _is_swept(world: World) -> bool:
    return all(
        document.ours is None or not document.ours.outbox
        for document in world.database.orders.values()
    )


async def _wait_for(world: World, condition: Callable[[World], bool]) -> None:
    """Wait until it holds; when it does not for long, the checker finds out why."""
    limit = world.loop.time() + _SETTLE_S
    while not condition(world) and world.loop.time() < limit:
        await _sleep(world.loop, 0.1)


async def _sleep(loop: SimLoop, seconds: float) -> None:
    over = loop.create_future()
    loop.call_later(seconds, over.set_result, None)
    await over


def _digest(world: World) -> str:
    return hashlib.sha256(repr(world.history).encode()).hexdigest()[:16]


def _count(outcome: Outcome, world: World, callers: Callers, checker: Checker) -> None:
    figures = outcome.figures
    figures["seeds"] = 1
    figures["callbacks"] = world.loop.steps
    figures["virtual seconds"] = round(world.loop.time())
    figures["intended"] = len(callers.intents)
    figures["attempts"] = sum(len(each.attempts) for each in callers.intents)
    figures["orders robbed by others"] = len(checker.tainted)
    figures["nodes that died by themselves"] = len(world.died)
    figures["epochs"] = world.database.top
    figures["jobs"] = len(world.database.inbox.jobs)
    figures["entries archived or brought back"] = world.moved
    for intent in callers.intents:
        figures[settled_as(intent)] += 1
    for violation in outcome.violations:
        figures[violation.kind] += 1
