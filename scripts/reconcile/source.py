"""What the checks ask of a database: orders and their log, in the order of the orders' ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from scripts.reconcile.rows import Row

Document = dict[str, Any]


class Unreadable(Exception):
    """The database does not answer, or not as it should: the text says why."""


class StillChanging(Exception):
    """An order changed whenever it was looked at; the text is its id."""


@dataclass(frozen=True, slots=True)
class Left:
    """A job that waits in the service's inbox, or was given up, and since when."""

    job: str
    order: str
    dead: bool
    since: datetime


class Source(Protocol):
    """A database, read only. Everything may raise `Unreadable`. Ids are hex text."""

    id_type: type
    """What documents have ids as."""

    def close(self) -> None:
        """Give the connection back."""
        ...

    def batches(self) -> Iterator[Sequence[tuple[str, Document]]]:
        """Read all orders, so many at a time, by ascending id."""
        ...

    def groups(self, above: str, to: str) -> Iterator[tuple[str, list[Row]]]:
        """Read the log of orders above an id and up to another one ("": no bound), by order."""
        ...

    def strays(self) -> Mapping[str, list[Row]]:
        """Read the entries that `groups` can't give, as their order's id is of a wrong type."""
        ...

    def book(self, order_id: str) -> tuple[Document | None, list[Row]]:
        """Read one order and its log as they were at one time, strays left out.

        Raises `StillChanging`.
        """
        ...

    def orders_of(self, ids: Sequence[str]) -> Mapping[str, Document]:
        """Read some fields of orders by id; those that don't exist are left out."""
        ...

    def supplements(self) -> Iterator[Document]:
        """Read the orders that name an original: `_id`, number, status, original, as stored."""
        ...

    def left(self, limit: int) -> Sequence[Left]:
        """Read the oldest jobs that wait or were given up, at most `limit` of each."""
        ...

    def size(self) -> int:
        """Return about how many entries the log has."""
        ...
