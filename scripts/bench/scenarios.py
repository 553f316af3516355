"""What can be measured: one table of scenarios, and the axes along which they grow."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from scripts.bench.calls import Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


_CALLERS: Final = 256


@dataclass(frozen=True, slots=True)
class Scenario:
    """What the callers do, and what is there before they begin."""

    shape: Shape = field(default_factory=Shape)
    orders: int = 1_000
    """How many are called."""
    connections: int = _CALLERS
    live: int = 0
    """Live idle actors of other orders."""
    entries: int = 0
    """Entries in the log of each order that is called."""
    log: int = 0
    """Entries in the log of other orders."""

    def __str__(self) -> str:
        """Say it in a few words."""
        parts = [f"{self.orders:,} order{'s' * (self.orders > 1)}", *self.shape.words()]
        if self.connections != _CALLERS:
            parts.append(f"{self.connections:,} connection{'s' * (self.connections > 1)}")
        before = {"live": self.live, "entries each": self.entries, "others' entries": self.log}
        return ", ".join(
            [*parts, *(f"{count:,} {what}" for what, count in before.items() if count)]
        )

    @property
    def direct(self) -> bool:
        """Whether the same writes can be made without callers: each update by itself, unkeyed."""
        return self.shape == Shape(self.shape.spread) and not self.entries


_AT_ONCE: Final = 16
_FEW: Final = 4
"""Callers of batches: what is under way must fit into the service's bound on what waits."""

SCENARIOS: Final[dict[str, Scenario]] = {
    "orders": Scenario(),
    "one": Scenario(orders=1),
    "zipf": Scenario(Shape("zipf")),
    "batch": Scenario(Shape(batch=100), connections=_AT_ONCE),
    "repeated": Scenario(Shape(keyed=True, repeated=0.1)),
    "scans": Scenario(Shape(scan=True)),
    "reads": Scenario(Shape(read=True), entries=20),
    "cold": Scenario(Shape("once"), orders=100_000),
    **{f"c{count}": Scenario(connections=count) for count in (1, 16, 64, 256, 1_024)},
}
"""By the name that `--scenarios` takes."""

_ONE_SCANNED: Final = Scenario(Shape(keyed=True, scan=True), orders=1)
_ONE_READ: Final = Scenario(Shape(read=True), orders=1)
_POWERS: Final = tuple(10**power for power in range(1, 7))

AXES: Final[dict[str, tuple[Scenario, ...]]] = {
    "actors": tuple(Scenario(orders=100, live=live) for live in _POWERS[1:5]),
    "entries": tuple(replace(_ONE_SCANNED, entries=count) for count in _POWERS),
    "pages": tuple(replace(_ONE_READ, entries=count) for count in _POWERS),
    "log": tuple(
        Scenario(Shape(keyed=True, scan=True), log=count) for count in (*_POWERS[2:], 5_000_000)
    ),
    "batch": tuple(Scenario(Shape(batch=size), connections=_FEW) for size in (1, 10, 100, 1_000)),
}
"""By the name that `--axes` takes; each from small to large."""


def named(names: str, table: Iterable[str]) -> list[str]:
    """Split a comma-separated list, `all` being the whole table; exits where one is unknown."""
    known = list(table)
    chosen = known if names == "all" else [name for name in names.split(",") if name]
    unknown = sorted(set(chosen) - set(known))
    if unknown or not chosen:
        raise SystemExit(f"unknown: {', '.join(unknown) or names!r}; known: {', '.join(known)}")
    return chosen


def capped(scenario: Scenario, *, orders: int | None, connections: int | None) -> Scenario:
    """Return it with at most as many orders, and with as many connections, where given."""
    if orders is not None:
        scenario = replace(scenario, orders=min(scenario.orders, orders))
    return scenario if connections is None else replace(scenario, connections=connections)


def up_to(points: Sequence[Scenario], largest: int) -> list[Scenario]:
    """Leave out the points of an axis with more live actors, entries or items than `largest`."""
    return [
        each
        for each in points
        if max(each.live, each.entries, each.log, each.shape.batch) <= largest
    ]
