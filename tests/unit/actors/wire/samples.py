"""Values of any record or error, made from its hints: no two fields alike."""

from __future__ import annotations

import inspect
import types
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import count
from typing import Annotated, Any, NewType, Union, get_args, get_origin, get_type_hints

from actors.domain.messages import Monotonic, Queued
from actors.errors import WorkOrderError
from actors.wire.forms import HINTED, field_names

_numbers = count(1)


def sample(kind: Any) -> Any:  # noqa: ANN401, C901, PLR0911, PLR0912 -- one branch for each type
    """Make a value of a type as it stands in a hint."""
    number = next(_numbers)
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is str:
        return f"text {number} 主控板"
    if kind is bool:
        return True
    if kind is int:
        return number
    if kind is float:
        return number + 0.5
    if kind is datetime:
        return datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=number, microseconds=number)
    if kind is object:
        return sample(Queued)
    if kind == Monotonic:
        return 1_000.5 + number
    if isinstance(kind, NewType):
        return sample(kind.__supertype__)
    if origin is Annotated:
        return sample(arguments[0])
    if origin in (Union, types.UnionType):
        return sample(next(each for each in arguments if each is not type(None)))
    if origin in (dict, Mapping):
        return {sample(str): sample(arguments[1])}
    if origin is tuple and Ellipsis not in arguments:
        return tuple(map(sample, arguments))
    if origin in (tuple, list, frozenset, deque, Sequence):
        build: Any = tuple if origin is Sequence else origin
        return build([sample(arguments[0]), sample(arguments[0])])
    if issubclass(kind, Enum):
        return list(kind)[-1]
    assert is_dataclass(kind) or hasattr(kind, "_fields"), f"no sample of {kind!r}"
    hints = get_type_hints(kind, localns=HINTED, include_extras=True)
    # Not of its own kind without end.
    inner = {name: hint for name, hint in hints.items() if kind not in get_args(hint)}
    return kind(**{name: sample(inner[name]) for name in field_names(kind) if name in inner})


def sample_error(kind: type[WorkOrderError]) -> WorkOrderError:
    """Make an error; what is only said has a text alone."""
    if kind.__init__ is WorkOrderError.__init__:
        return kind(sample(str))
    hints = get_type_hints(kind.__init__)
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    named = {each.name: sample(hints[each.name]) for each in parameters}
    return kind(**named)
