"""Pages that end early: so many bytes, and no more, are read and shown at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Row = TypeVar("_Row")
_PLAIN: Final = 16
"""Bytes of a number, a time or an id, roughly, and of what is around a list or a mapping."""


def bytes_of(value: Any) -> int:  # noqa: ANN401 whatever a document holds
    """Return about how many bytes `value` has in a store, in memory and in a reply."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, Mapping):
        return _PLAIN + sum(bytes_of(name) + bytes_of(each) for name, each in value.items())
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, Iterable):
        return _PLAIN + sum(map(bytes_of, value))
    return _PLAIN


def within(
    rows: Iterable[_Row], most: int | None, size: Callable[[_Row], int] = bytes_of
) -> Iterator[_Row]:
    """Give the first rows that together have no more than `most` bytes; one of them anyway.

    Without a bound all are given.
    """
    if most is None:
        yield from rows
        return
    used = 0
    for row in rows:
        added = size(row)
        if used and used + added > most:
            return
        used += added
        yield row
