"""Values that stand in stored documents where something else belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bson import Decimal128, Int64, ObjectId, Timestamp
from bson.datetime_ms import DatetimeMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Document = dict[str, Any]

REMOVED: Final = object()
VALUES: Final[Mapping[str, object]] = {
    "removed": REMOVED,
    "null": None,
    "text": "scrap",
    "empty": "",
    "object": {"a": [1]},
    "list": [5],
    "flag": True,
    "nan": float("nan"),
    "infinity": float("inf"),
    "fraction": 1.5,
    "decimal": Decimal128("3"),
    "decimal-nan": Decimal128("NaN"),
    "int64": Int64(2**62),
    "negative": -7,
    "huge": 1e300,
    "timestamp": Timestamp(1, 2),
    "date-beyond": DatetimeMS(8_640_000_000_000_000),
    "date-before": DatetimeMS(-8_640_000_000_000_000),
    "id": ObjectId("6560a00000000000000000ff"),
}


def paths(document: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Name each field, the ones inside objects too."""
    for name, value in document.items():
        if name == "_id" and not before:
            continue
        yield f"{before}{name}"
        if isinstance(value, dict):
            yield from paths(value, f"{before}{name}.")


def spoil(document: Document, path: str, value: object) -> Document:
    """Return a copy with one field replaced or removed."""
    name, _, rest = path.partition(".")
    copy = dict(document)
    if rest:
        copy[name] = spoil(copy[name], rest, value)
    elif value is REMOVED:
        del copy[name]
    else:
        copy[name] = value
    return copy


def spoilt_copies(make: Callable[[], Document]) -> Iterator[tuple[str, Document]]:
    """Return a new document for each field and value, with what was done to it."""
    for path in paths(make()):
        for kind, value in VALUES.items():
            yield f"{path}: {kind}", spoil(make(), path, value)
