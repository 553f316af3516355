"""What many seeds showed, added up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.sim.checker import KINDS

if TYPE_CHECKING:
    from tests.sim.simulation import Outcome

_KEPT = 5
_MOST_FAILURES = 50


@dataclass(slots=True)
class Figures:
    """Counts of what was done, what was wrong and what was injected."""

    counts: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    died: Counter[str] = field(default_factory=Counter)
    failures: dict[int, list[str]] = field(default_factory=dict)
    """By seed, the first violations."""

    def add(self, outcome: Outcome) -> None:
        """Add what one seed showed."""
        self.counts += outcome.figures
        self.injected += outcome.injected
        self.hits += outcome.hits
        self.died.update(each.split(": ", 1)[1] for each in outcome.died)
        if outcome.violations and len(self.failures) < _MOST_FAILURES:
            self.failures[outcome.seed] = [str(each) for each in outcome.violations[:_KEPT]]

    def include(self, other: Figures) -> None:
        """Add what other seeds showed."""
        self.counts += other.counts
        self.injected += other.injected
        self.hits += other.hits
        self.died += other.died
        self.failures |= other.failures

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON knows it."""
        return {
            "counts": self.counts,
            "injected": self.injected,
            "hits": self.hits,
            "died": self.died,
            "failures": list(self.failures.items()),
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Figures:
        """Read what `as_json` gave."""
        return cls(
            Counter(told["counts"]),
            Counter(told["injected"]),
            Counter(told["hits"]),
            Counter(told["died"]),
            dict(told["failures"]),
        )

    @property
    def violations(self) -> int:
        """How many promises were broken in all."""
        return sum(self.counts[kind] for kind in KINDS)

    def __str__(self) -> str:
        lines = ["workload"]
        lines += [
            f"  {name:<32}{count:>10,}" for name, count in self.counts.items() if name not in KINDS
        ]
        lines += ["promises broken"]
        lines += [f"  {kind:<32}{self.counts[kind]:>10,}" for kind in KINDS]
        lines += [f"faults injected{'':<19}{'injected':>10}{'in flight':>11}"]
        lines += [
            f"  {name:<32}{count:>10,}{self.hits[name]:>11,}"
            for name, count in sorted(self.injected.items())
        ]
        lines += [
            f"  {'all':<32}{self.injected.total():>10,}{self.hits.total():>11,}",
        ]
        lines += [f"  node died: {reason:<43}{count:>10,}" for reason, count in self.died.items()]
        for seed, what in sorted(self.failures.items()):
            lines += [f"seed {seed} broke: {'; '.join(what)}", f"  {replay(seed)}"]
        return "\n".join(lines)


def replay(seed: int) -> str:
    """Say how to see one seed again."""
    return f"replay: python -m scripts.simulate --seed {seed} --trace"
