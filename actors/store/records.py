"""The Records port: what is kept for operators beside the orders, and decides nothing.

Who paused what, what operators did, figures of the past, which nodes there were. No epoch guards
it: a late write of an earlier owner does no harm here. Every implementation passes
`tests/contract/test_records.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Record:
    """Something of a kind, under a name of its own, as of an aware time (to the millisecond).

    `fields` hold what JSON can: texts, numbers, truths, null, lists and objects of those.
    """

    kind: str
    name: str
    at: datetime
    fields: Mapping[str, Any] = field(default_factory=dict)


class Records(Protocol):
    """All coroutines may raise `StoreUnavailable`, those that write `OutcomeUnknown` too."""

    async def put(self, records: Sequence[Record]) -> None:
        """Keep these, each in place of the one of its kind and name."""
        ...

    async def read(
        self, kind: str, *, limit: int, since: datetime | None = None, skip: int = 0
    ) -> list[Record]:
        """Return at most `limit` of a kind, of `since` or later, the newest first."""
        ...

    async def count(self, kind: str) -> int:
        """Return how many of a kind are kept."""
        ...

    async def remove(self, kind: str, name: str) -> None:
        """Forget one; that there is none does no harm."""
        ...

    async def trim(self, kind: str, before: datetime) -> None:
        """Forget those of a kind that are older."""
        ...
