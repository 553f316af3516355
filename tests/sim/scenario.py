"""What one seed stands for: how many of everything, how fast, and how much goes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from actors.jobs.keeper import JobOptions
from actors.orders.supervisor import Limits
from tests.sim.chance import chance


class Replaces(StrEnum):
    """Whether somebody saves whole documents."""

    NONE = "none"
    BARE = "bare"
    """With the shared schema's fields as they are; ours left out."""
    COPIES = "copies"
    """Old copies too, some with what was ours then.

    Whoever does that takes the fence away with the rest: a packet that is late, or an owner that
    slept, meets the very order that it decided on. So there are none of these then.
    """


@dataclass(frozen=True, slots=True)
class Scenario:
    """One simulated history in figures; times in virtual seconds, rates per call."""

    seed: int
    shuffle: bool
    """Whether callbacks that are ready run in any order, not in that of their scheduling."""
    nodes: int
    orders: int
    callers: int
    updates: int
    unkeyed: float
    """Share of updates without a key."""
    duration_s: float
    ttl_s: float
    store_timeout_s: float
    request_timeout_s: float
    limits: Limits
    batch: int
    in_flight: int
    lease_loss: Literal["fenced", "strict"]
    read_rate: float
    write_rate: float
    relay_rate: float
    lease_rate: float
    reply_loss: float
    unexpected: bool
    """Whether drivers raise what nobody expects."""
    edits: int
    edit_rate: float
    """How often somebody writes just before a commit arrives."""
    replaces: Replaces
    strikes: float
    """How often a process is killed or stopped between a write and its answer."""
    unwaited: float
    """Share of updates whose callers do not wait until they are applied."""
    jobs: JobOptions
    blows: int
    """Kills, pauses, outages: what hits more than one call."""
    movers: int
    """Who moves entries to the archive and back; with any, all orders have ended years ago."""


def scenario_of(seed: int) -> Scenario:
    """Draw a scenario: quiet ones and rough ones, small bounds and large ones."""
    drawn = chance(seed, "scenario")
    pick = drawn.choice
    ttl_s = drawn.uniform(0.6, 1.6)
    replaces = pick([Replaces.NONE] * 7 + [Replaces.BARE] * 2 + [Replaces.COPIES])
    calm = drawn.random() < 0.1
    return Scenario(
        seed=seed,
        shuffle=drawn.random() < 0.4,
        nodes=1 if replaces is Replaces.COPIES else pick((1, 2, 2, 2, 3)),
        orders=pick((1, 1, 2, 3)),
        callers=pick((2, 4, 8)),
        updates=drawn.randrange(12, 33),
        unkeyed=pick((0.0, 0.1, 0.4)),
        duration_s=drawn.uniform(2.0, 5.0),
        ttl_s=ttl_s,
        store_timeout_s=pick((0.1, 0.3, 1.0)),
        request_timeout_s=pick((0.3, 1.0, 2.5)),
        limits=Limits(
            max_actors=pick((1, 2, 1000)),
            mailbox_size=pick((2, 1000)),
            max_waiting=pick((4, 1000, 1000)),
            idle_s=pick((0.2, 0.6, 300.0)),
        ),
        batch=pick((1, 3, 200)),
        in_flight=pick((1, 3)),
        lease_loss=pick(("fenced", "fenced", "strict")),
        read_rate=0.0 if calm else pick((0.0, 0.02, 0.1)),
        write_rate=0.0 if calm else pick((0.02, 0.1, 0.3)),
        relay_rate=0.0 if calm else pick((0.0, 0.2, 0.6)),
        lease_rate=pick((0.0, 0.02, 0.2)),
        reply_loss=pick((0.0, 0.05, 0.2)),
        unexpected=drawn.random() < 0.4,
        edits=pick((0, 3, 12)),
        edit_rate=pick((0.0, 0.05, 0.3)),
        replaces=replaces,
        strikes=pick((0.0, 0.0, 0.01, 0.05)),
        unwaited=pick((0.0, 0.2, 0.6)),
        jobs=JobOptions(pick((4, 1000)), pick((1, 3)), pick((0.05, 0.5))),
        blows=pick((0, 1, 3, 5)),
        movers=pick((0, 0, 1, 2)),
    )
