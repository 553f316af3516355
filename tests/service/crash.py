"""A drill: processes die by SIGKILL under load and come back; afterwards the books are exact."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Final

from tests.service.books import shown_books, stored_books
from tests.service.checker import mistakes_in
from tests.service.load import Load
from tests.trace import morning, session

if TYPE_CHECKING:
    from collections import Counter

    from tests.servers import MongoReplicaSet, MongoServer
    from tests.service.places import Place

_LONGEST_LIFE_S: Final = 0.7
_LONGEST_START_S: Final = 0.5
_TRIES: Final = 20
"""Kills per one that counts: those that cut nobody off are repeated."""
_CALLS: Final = 100
"""Settled in all, however slow the machine."""


@dataclass(slots=True)
class Report:
    """What a drill did and found."""

    store: str
    seconds: float = 0.0
    cut: list[int] = field(default_factory=list)
    """For each kill that counts, the requests that it cut off."""
    idle_kills: int = 0
    """Kills that cut nobody off, among them those of a node that had not started yet."""
    calls: int = 0
    attempts: int = 0
    entries: int = 0
    codes: Counter[str] | None = None
    mistakes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        verdict = f"{len(self.mistakes)} MISTAKES" if self.mistakes else "exact"
        return (
            f"{self.store}: {verdict}; {len(self.cut)} kills with {sum(self.cut)} requests in "
            f"flight ({min(self.cut, default=0)}-{max(self.cut, default=0)}), "
            f"{self.idle_kills} more kills; {self.calls} calls in {self.attempts} attempts, "
            f"{self.entries} log entries, {self.seconds:.1f} s"
        )


async def work_on(place: Place, calls: int, *, seed: int = 1) -> Report:
    """Let the callers work, undisturbed, until that many `calls` are settled."""
    report = Report(place.store)
    async with session(place.node.uri) as client:
        load = await _begin(place, Load(client, seed))
        await load.settled(calls)
        return await _end(place, load, report)


async def kill_the_node(place: Place, *, kills: int, seed: int = 1) -> Report:
    """Kill the node at random moments, `kills` times with requests in flight."""
    rng = Random(seed)  # noqa: S311 -- a drill, not a secret
    report = Report(place.store)
    async with session(place.node.uri) as client:
        load = await _begin(place, Load(client, seed))
        for _ in range(kills):
            await _kill_under_load(place, load, rng, report)
        await load.settled(_CALLS)
        return await _end(place, load, report)


async def kill_the_database(
    place: Place, server: MongoServer | MongoReplicaSet, *, kills: int, seed: int = 1
) -> Report:
    """Kill MongoDB under a node that goes on, until callers are told; then start it again."""
    rng = Random(seed)  # noqa: S311 -- a drill, not a secret
    report = Report(f"{place.store} (its mongod)")
    async with session(place.node.uri) as client:
        load = await _begin(place, Load(client, seed))
        for _ in range(kills):
            await load.settled(len(load.answers) + rng.randint(20, 200))
            await load.until(lambda: load.in_flight > 0, "calls in flight")
            report.cut.append(load.in_flight)
            server.kill()
            await _until_told(load, _told(load) + 5)
            await asyncio.to_thread(server.start)
        return await _end(place, load, report)


def _told(load: Load) -> int:
    return load.codes["SERVICE_UNAVAILABLE"] + load.codes["TIMEOUT"]


async def _until_told(load: Load, count: int) -> None:
    await load.until(lambda: _told(load) >= count, "callers told")


async def _begin(place: Place, load: Load) -> Load:
    await place.open(morning())
    load.start()
    return load


async def _kill_under_load(place: Place, load: Load, rng: Random, report: Report) -> None:
    for _ in range(_TRIES):
        await asyncio.sleep(rng.uniform(0, _LONGEST_LIFE_S))
        await load.until(lambda: load.in_flight > 0, "calls in flight")
        cut = await load.kill_now(place.node.kill)
        if rng.random() < 0.25:  # one in four does not even come up
            report.idle_kills += 1
            await asyncio.to_thread(place.node.die_young, rng.uniform(0, _LONGEST_START_S))
        await place.node.started()
        if cut:
            report.cut.append(cut)
            return
        report.idle_kills += 1
    raise TimeoutError(f"{_TRIES} kills and not one of them with a request in flight")


async def _end(place: Place, load: Load, report: Report) -> Report:
    """Let the callers settle, stop the node in good order, and check the books."""
    outcomes = await load.finish()
    shown = await shown_books(load.client, morning())
    await place.node.stopped()
    stored = await asyncio.to_thread(stored_books, place.backdoor, morning())
    report.mistakes += load.mistakes
    for books in (shown, stored):
        report.mistakes += mistakes_in(books, outcomes, replies_lost=True, unknown=load.unknown)
    report.calls, report.attempts = len(load.answers), load.attempts
    report.entries = sum(len(each.log) for each in stored)
    report.codes = load.codes
    report.seconds = time.monotonic() - load.started_at
    return report
