"""Terms that ended while commits were under way, and the time that these have to settle."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from actors.node.term import Term

SETTLE_S: Final = 15.0
"""Three tries of the store's own time-out (5 s); longer than that, something else is wrong."""
_LONGEST_STEP_S: Final = SETTLE_S / 3
"""Of the time between two looks, what counts: a process that was stopped is not late for that."""


class UnsettledTerms:
    """Counts the time in which a commit could have been settled, and was not.

    Which is not the time for which the store is away: as long as nobody can write, a process
    that ends settles nothing either, and would be missed when the store is back.
    """

    def __init__(self) -> None:
        self._left_s: dict[Term, float] = {}
        self._looked_at = time.monotonic()

    def add(self, term: Term) -> None:
        """Watch a term that was abandoned."""
        if term.settling:
            self._left_s[term] = SETTLE_S

    @property
    def any(self) -> bool:
        """Whether a commit of such a term is under way still."""
        return any(term.settling for term in self._left_s)

    def overdue(self, *, possible: bool) -> Term | None:
        """Look again; give a term whose time is over. `possible`: its commits can be settled."""
        now = time.monotonic()
        step_s, self._looked_at = min(now - self._looked_at, _LONGEST_STEP_S), now
        self._left_s = {
            term: left_s - step_s * possible
            for term, left_s in self._left_s.items()
            if term.settling
        }
        return next((term for term, left_s in self._left_s.items() if left_s <= 0), None)
