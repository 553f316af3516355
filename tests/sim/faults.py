"""What goes wrong on the way to a server, chosen by the seed for each call."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random


class Fate(StrEnum):
    """What becomes of one call to a server."""

    FINE = "fine"
    REFUSED = "refused"
    """Fails before anything is sent."""
    LOST = "lost"
    """Never arrives; the caller's time runs out."""
    REPLY_LOST = "reply lost"
    """Carried out; the caller's time runs out, or its connection breaks."""
    LATE = "late"
    """The caller's time runs out; carried out long after that."""
    SLOW = "slow"
    """Carried out and answered, just before the caller's time runs out."""
    TWICE = "twice"
    """Carried out and answered, and carried out once more later."""
    HALF = "half"
    """Of a batch, only the beginning is carried out; no answer."""
    BROKEN = "broken driver"
    """Carried out; the driver raises what nobody expects."""
    BROKEN_BEFORE = "broken driver, nothing sent"
    """Not carried out; the driver raises what nobody expects."""


_READ_FATES = (Fate.REFUSED, Fate.LOST, Fate.SLOW, Fate.BROKEN_BEFORE)
_READ_WEIGHTS = (4, 4, 4, 1)
_WRITE_FATES = tuple(fate for fate in Fate if fate is not Fate.FINE)
_WRITE_WEIGHTS = (3, 3, 6, 6, 3, 3, 3, 2, 1)


@dataclass(slots=True)
class Faults:
    """Chooses fates; counts those that it chose and those that hit a commit under way."""

    random: Random
    read_rate: float = 0.0
    write_rate: float = 0.0
    relay_rate: float = 0.0
    """For writes to the log: held up more often, so that outboxes fill."""
    lease_rate: float = 0.0
    unexpected: bool = True
    """Whether drivers may raise what nobody expects."""
    late: bool = True
    """Whether packets may arrive late or twice."""
    active: bool = True
    injected: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    """Of those injected, the ones that hit work under way."""

    def note(self, name: str, *, hit: bool) -> None:
        """Count one fault."""
        self.injected[name] += 1
        if hit:
            self.hits[name] += 1

    def of_read(self, *, hit: bool) -> Fate:
        """Choose what becomes of a read."""
        if not self.active or self.random.random() >= self.read_rate:
            return Fate.FINE
        (fate,) = self.random.choices(_READ_FATES, _READ_WEIGHTS)
        return self._noted("read", fate, hit=hit)

    def of_write(self, kind: str) -> Fate:
        """Choose what becomes of a write."""
        rate = self.relay_rate if kind == "relay" else self.write_rate
        if not self.active or self.random.random() >= rate:
            return Fate.FINE
        (fate,) = self.random.choices(_WRITE_FATES, _WRITE_WEIGHTS)
        return self._noted(kind, fate, hit=True)

    def _noted(self, kind: str, fate: Fate, *, hit: bool) -> Fate:
        if fate in (Fate.LATE, Fate.TWICE) and not self.late:
            fate = Fate.LOST
        if fate in (Fate.BROKEN, Fate.BROKEN_BEFORE) and not self.unexpected:
            fate = Fate.REPLY_LOST if fate is Fate.BROKEN else Fate.REFUSED
        self.note(f"{kind}: {fate}", hit=hit)
        return fate

    def chance(self, probability: float) -> bool:
        """Decide by lot, while faults are on."""
        return self.active and self.random.random() < probability
