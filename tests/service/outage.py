"""A drill: the service is away while many processes call it; in the end each update counts once.

Callers in Python share one outbox, those in Node another. The service is killed and comes back,
callers are killed at any moment and others go on in their place. Then orders and log are held
against what each caller asked for and was told.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tests.service.books import stored_books
from tests.service.outage_callers import Caller, Callers
from tests.service.recount import Recount
from tests.trace import FULL, Start, morning

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tests.service.books import Books
    from tests.service.places import Place

_LIMIT_S: Final = 300.0
_SLACK_S: Final = 60.0
"""By which a busy machine may wake a process too late: only a hang takes longer."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the callers have noted by key, and what is stored."""

    asked: Mapping[str, Mapping[str, Any]]
    answers: Mapping[str, Mapping[str, Any]]
    books: Sequence[Books]


@dataclass(slots=True)
class Report:
    """What a drill did and found; times in seconds."""

    callers: int
    outage_s: float
    rounds: int = 0
    killed_callers: int = 0
    asked: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    """Updates whose callers were killed before they were told."""
    longest_s: float = 0.0
    waited: int = 0
    """Updates in the outbox of the callers in Python when the service was about to come back."""
    drain_s: float = 0.0
    """Until that outbox was empty, while all callers went on."""
    entries: int = 0
    seconds: float = 0.0
    mistakes: list[str] = field(default_factory=list)
    evidence: Evidence | None = None

    def __str__(self) -> str:
        verdict = f"{len(self.mistakes)} MISTAKES" if self.mistakes else "exact"
        told = ", ".join(f"{count} {code}" for code, count in self.codes.most_common())
        return (
            f"{verdict}; {self.callers} callers, {self.outage_s:g} s without the service, then "
            f"{self.rounds} kills of it with {self.killed_callers} callers killed; {self.asked} "
            f"updates asked ({told}; {self.unanswered} unanswered), {self.entries} log entries; "
            f"longest wait {self.longest_s:.2f} s; {self.waited} of half the callers waited when "
            f"it was back, for {self.drain_s:.1f} s; {self.seconds:.0f} s in all"
        )


async def hold_an_outage(
    place: Place, folder: Path, *, callers: int, outage_s: float, rounds: int, seed: int = 1
) -> Report:
    """Take the service away for `outage_s`, then kill it and callers `rounds` times."""
    rng = Random(seed)  # noqa: S311 -- a drill, not a secret
    report = Report(callers, outage_s)
    began = time.monotonic()
    start = _orders()
    await place.open(start)
    crowd = Callers(place.node.uri, folder, [order["_id"] for order in start.orders])
    try:
        for number in range(callers):
            crowd.add("python" if number % 2 else "node")
        await _until(lambda: all(each.told("UPDATED") for each in crowd.alive), "callers at work")
        await _stay_away(place, crowd, outage_s, report)
        for _ in range(rounds):
            await _kill_some(place, crowd, rng, report)
        await _until(lambda: all(each.answers for each in crowd.alive), "answers for all")
        await _drain(crowd, report)
    finally:
        crowd.kill_all()
    await place.node.stopped()
    books = await asyncio.to_thread(stored_books, place.backdoor, start)
    _examine(crowd.all, books, report)
    report.seconds = time.monotonic() - began
    return report


def _orders() -> Start:
    """Return the line's orders without the one that takes no more input."""
    start = morning()
    return Start(start.orders[:FULL], start.old_logs, start.materials)


async def _stay_away(place: Place, crowd: Callers, outage_s: float, report: Report) -> None:
    await place.node.killed()
    away = time.monotonic()
    await _until(lambda: time.monotonic() - away >= outage_s, "the end of the outage")
    await _until(lambda: all(each.told("QUEUED_FALLBACK") for each in crowd.alive), "fallbacks")
    report.waited = crowd.waiting()
    await place.node.started()
    report.outage_s = time.monotonic() - away
    back = time.monotonic()
    await _until(lambda: crowd.waiting() == 0, "an empty outbox")
    report.drain_s = time.monotonic() - back


async def _kill_some(place: Place, crowd: Callers, rng: Random, report: Report) -> None:
    """Kill the service and some callers, in one order or the other; put others in their place."""
    victims = rng.sample(crowd.alive, k=min(len(crowd.alive), rng.randint(1, 3)))
    await asyncio.sleep(rng.uniform(0, 0.5))
    if rng.random() < 0.5:
        await place.node.killed()
        await asyncio.sleep(rng.uniform(0, 0.5))
        crowd.kill(victims)
    else:
        crowd.kill(victims)
        await place.node.killed()
    for victim in victims:
        crowd.add(victim.kind)
    await place.node.started()
    report.rounds += 1
    report.killed_callers += len(victims)


async def _drain(crowd: Callers, report: Report) -> None:
    crowd.finish()
    await _until(lambda: not crowd.alive, "callers that have emptied their outboxes")
    for caller in crowd.all:
        if caller.exit_code not in (0, None, -9):
            report.mistakes.append(f"caller {caller.name} ended with {caller.exit_code}")


async def _until(condition: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(_LIMIT_S):
            while not await asyncio.to_thread(condition):  # noqa: ASYNC110 -- other processes
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise TimeoutError(f"{what}: not within {_LIMIT_S} s") from None


# -- what is wrong, if anything ------------------------------------------------------------------


def _examine(callers: Sequence[Caller], books: Sequence[Books], report: Report) -> None:
    asked = {each["asked"]: each for caller in callers for each in caller.asked}
    answers = {each["answered"]: each for caller in callers for each in caller.answers}
    report.asked = len(asked)
    report.unanswered = len(asked.keys() - answers.keys())
    report.codes.update(each["code"] for each in answers.values())
    report.longest_s = max(each["took_s"] for each in answers.values())
    report.entries = sum(len(each.log) for each in books)
    report.evidence = Evidence(asked, answers, books)
    report.mistakes += mistakes_in(report.evidence)
    limit_s = callers[0].deadline_s + _SLACK_S
    report.mistakes += [
        f"{key}: answered after {each['took_s']:.2f} s"
        for key, each in answers.items()
        if each["took_s"] > limit_s
    ]
    report.mistakes += [
        f"caller {caller.name} found dead letters" for caller in callers if caller.dead_letters
    ]


def mistakes_in(evidence: Evidence) -> list[str]:
    """Hold the log against the callers' notes: once, as asked, in the order of each caller."""
    asked = evidence.asked
    found: list[str] = []
    counted: Counter[str] = Counter()
    for each in evidence.books:
        by_entry: dict[str, int] = {}
        last: dict[str, int] = {}
        for entry in each.log:
            key = entry["planServer"].get("requestId")
            counted[key] += 1
            wanted = asked.get(key)
            if wanted is None:
                found.append(f"{key}: nobody asked for that")
                continue
            by_entry[entry["_id"]] = wanted["quantity"]
            if (wanted["order"], wanted["type"]) != (each.order, entry["changeType"]):
                found.append(f"{key}: is in {each.order} as {entry['changeType']}")
            caller, _, number = key.rpartition("-")
            if int(number) < last.get(caller, 0):
                found.append(f"{key}: was asked before {caller}-{last[caller]} and came after it")
            last[caller] = int(number)
        found += Recount(each, by_entry).run()
    found += [f"{key}: counted {times} times" for key, times in counted.items() if times > 1]
    for key, answer in evidence.answers.items():
        if not answer["success"]:
            found.append(f"{key}: answered {answer['code']}")
        elif not counted[key]:
            found.append(f"{key}: answered {answer['code']}, and lost")
    return found
