"""How a value of each type is written as JSON and read back, worked out once from the types' hints.

A record is an array of its fields as they are declared. One that is longer than expected comes
from a newer release: its other fields are ignored. In a shorter one the fields that an older
release did not know have their defaults. So fields are only ever added at the end, with one.
"""

from __future__ import annotations

import math
import time
import types
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum, StrEnum
from functools import partial
from operator import attrgetter
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    NamedTuple,
    NewType,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from actors.domain import commit, evidence, job, messages, model
from actors.operators import rows

if TYPE_CHECKING:
    from collections.abc import Callable

HINTED: Final[dict[str, Any]] = {
    name: value
    for module in (commit, evidence, model, job, messages, rows)
    for name, value in vars(module).items()
} | {"datetime": datetime, "Mapping": Mapping, "Sequence": Sequence, "deque": deque}
"""What hints name that their modules import for the type checker only."""
_CONTAINERS: Final = (tuple, list, frozenset, deque, Sequence)


class NoForm(TypeError):
    """Values of this type can't be sent to another process."""


class Form(NamedTuple):
    """How values of one type are written and read; None where they are the same in JSON."""

    write: Callable[[Any], Any] | None = None
    read: Callable[[Any], Any] | None = None


AS_IT_IS: Final = Form()


def _finite_or_text(number: float) -> float | str:
    return number if math.isfinite(number) else repr(number)


def _number(written: float | str) -> float:
    return float(written) if isinstance(written, str) else written


def _seconds_left(moment: float) -> float:
    return moment - time.monotonic()


def _moment(seconds_left: float) -> float:
    return time.monotonic() + seconds_left


_FLOAT: Final = Form(_finite_or_text, _number)
_known: dict[Any, Form] = {
    str: AS_IT_IS,
    int: AS_IT_IS,
    bool: AS_IT_IS,
    type(None): AS_IT_IS,
    float: _FLOAT,
    datetime: Form(None, datetime.fromisoformat),
    # The clocks of two machines have nothing in common.
    messages.Monotonic: Form(_seconds_left, _moment),
}


def form_of(kind: Any) -> Form:  # noqa: ANN401 -- whatever stands in a hint
    """Return the form of a type as it stands in a hint; raises `NoForm` where it has none."""
    form = _known.get(kind)
    if form is None:
        form = _known[kind] = _worked_out(kind)
    return form


def _worked_out(kind: Any) -> Form:  # noqa: ANN401, PLR0911
    if isinstance(kind, NewType):
        return form_of(kind.__supertype__)
    origin = get_origin(kind)
    if origin is Annotated:
        return form_of(get_args(kind)[0])
    if origin in (Union, types.UnionType):
        return _union(get_args(kind))
    if origin in _CONTAINERS:
        return _container(origin, get_args(kind))
    if origin in (dict, Mapping):
        return _mapping(get_args(kind)[1])
    if isinstance(kind, type):
        if issubclass(kind, Enum):
            return Form(None, kind)
        if is_dataclass(kind) or hasattr(kind, "_fields"):
            # Until it is worked out, as one of its fields may be of its own kind.
            _known[kind] = Form(partial(_write_by, kind), partial(_read_by, kind))
            return _record(kind)
    raise NoForm(f"no form for {kind!r}")


def via(convert: Callable[[Any], Any] | None, value: Any) -> Any:  # noqa: ANN401
    """Return what a form's `write` or `read` makes of a value."""
    return value if convert is None else convert(value)


def _write_by(kind: Any, value: Any) -> Any:  # noqa: ANN401
    return via(_known[kind].write, value)


def _read_by(kind: Any, written: Any) -> Any:  # noqa: ANN401
    return via(_known[kind].read, written)


def _union(kinds: tuple[Any, ...]) -> Form:
    if set(kinds) <= {int, float, type(None)}:
        write, read = _FLOAT
    else:
        some = [each for each in kinds if each is not type(None)]
        if all(isinstance(each, type) and issubclass(each, StrEnum) for each in some):
            write, read = None, _one_of(some)
        elif len(some) != 1:
            raise NoForm(f"no form for one of {kinds!r}")
        else:
            write, read = form_of(some[0])
    return (
        Form(_unless_none(write), _unless_none(read)) if type(None) in kinds else Form(write, read)
    )


def _one_of(kinds: list[type[StrEnum]]) -> Callable[[str], StrEnum]:
    """Return what reads a value of several enumerations that share none."""
    known = {value.value: value for kind in kinds for value in kind}

    def read(written: str) -> StrEnum:
        try:
            return known[written]
        except KeyError:
            raise ValueError(f"{written!r} is none of {sorted(known)}") from None

    return read


def _unless_none(convert: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    if convert is None:
        return None
    return lambda value: None if value is None else convert(value)


def _container(origin: Any, kinds: tuple[Any, ...]) -> Form:  # noqa: ANN401
    if origin is tuple and Ellipsis not in kinds:
        return _fixed([form_of(each) for each in kinds])
    write, read = form_of(kinds[0])
    build: Callable[[Any], Any] = tuple if origin is Sequence else origin

    def write_all(values: Any) -> list[Any]:  # noqa: ANN401
        values = sorted(values) if origin is frozenset else values
        return list(values) if write is None else [write(each) for each in values]

    def read_all(written: list[Any]) -> Any:  # noqa: ANN401
        return build(written if read is None else map(read, written))

    return Form(write_all, read_all)


def _fixed(forms: list[Form]) -> Form:
    writes = [(at, form.write) for at, form in enumerate(forms) if form.write]
    reads = [(at, form.read) for at, form in enumerate(forms) if form.read]
    return Form(
        lambda values: _converted(list(values), writes),
        lambda written: tuple(_converted(written[: len(forms)], reads)),
    )


def _mapping(kind: Any) -> Form:  # noqa: ANN401
    write, read = form_of(kind)

    def converter(convert: Callable[[Any], Any] | None) -> Callable[[Any], dict[str, Any]]:
        if convert is None:
            return dict
        return lambda values: {name: convert(value) for name, value in values.items()}

    return Form(converter(write), converter(read))


def _record(kind: Any) -> Form:  # noqa: ANN401 -- a dataclass or a named tuple
    names = field_names(kind)
    hints = get_type_hints(kind, localns=HINTED, include_extras=True)
    forms = [form_of(hints[name]) for name in names]
    writes = [(at, form.write) for at, form in enumerate(forms) if form.write]
    reads = [(at, form.read) for at, form in enumerate(forms) if form.read]
    values_of = _getter(names)

    def write(value: Any) -> Any:  # noqa: ANN401
        values = values_of(value)
        return _converted(list(values), writes) if writes else values

    def read(written: list[Any]) -> Any:  # noqa: ANN401
        values = written[: len(names)]
        here = len(values)
        for at, convert in reads:
            if at < here:
                values[at] = convert(values[at])
        return kind(*values)

    return Form(write, read)


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


def field_names(kind: Any) -> tuple[str, ...]:  # noqa: ANN401
    """Return a record's fields in the order in which they are sent."""
    if is_dataclass(kind):
        return tuple(each.name for each in fields(kind) if each.init)
    return tuple(kind._fields)


def _converted(values: list[Any], converts: list[tuple[int, Callable[[Any], Any]]]) -> list[Any]:
    for at, convert in converts:
        values[at] = convert(values[at])
    return values
