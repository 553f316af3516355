"""Errors as arrays: `[names, text, {attribute: value}]`, the own name first, then the bases'.

A process that does not know the first name takes the next: what a newer release refuses for a
reason of its own is a refusal to an older one, too.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_type_hints

from actors import errors
from actors.errors import WorkOrderError
from actors.wire.forms import Form, form_of, via
from actors.wire.records import read_record, write_record

if TYPE_CHECKING:
    from collections.abc import Mapping

ERRORS: Final[Mapping[str, type[WorkOrderError]]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, WorkOrderError)
}


class _Shape(NamedTuple):
    """An error's names, and its attributes: how each is written and read, and what it is else."""

    names: tuple[str, ...]
    forms: Mapping[str, Form]
    defaults: Mapping[str, Any]


_shapes: dict[type[WorkOrderError], _Shape] = {}


def _shape_of(kind: type[WorkOrderError]) -> _Shape:
    shape = _shapes.get(kind)
    if shape is None:
        shape = _shapes[kind] = _worked_out(kind)
    return shape


def _worked_out(kind: type[WorkOrderError]) -> _Shape:
    names = tuple(each.__name__ for each in kind.__mro__ if issubclass(each, WorkOrderError))
    if kind.__init__ is WorkOrderError.__init__:
        return _Shape(names, {}, {})
    hints = get_type_hints(kind.__init__)
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    return _Shape(
        names,
        {each.name: _form_of(hints[each.name]) for each in parameters},
        {
            each.name: None if each.default is inspect.Parameter.empty else each.default
            for each in parameters
        },
    )


def _form_of(hint: Any) -> Form:  # noqa: ANN401
    return Form(write_record, read_record) if hint is object else form_of(hint)


def write_error(error: WorkOrderError) -> list[Any]:
    """Return the error as an array: its text, and those attributes that its `__init__` takes."""
    shape, kept = _shape_of(type(error)), vars(error)
    written = {
        name: via(form.write, kept[name]) for name, form in shape.forms.items() if name in kept
    }
    return [shape.names, str(error), written]


def read_error(written: list[Any]) -> WorkOrderError:
    """Return the error of the first name that is known here, with its text and attributes."""
    names, text, attributes = written[:3]
    kind = next((ERRORS[name] for name in names if name in ERRORS), WorkOrderError)
    shape = _shape_of(kind)
    # Not by its `__init__`, which would make the text anew.
    error = kind.__new__(kind, text)
    for name, default in shape.defaults.items():
        form = shape.forms[name]
        value = via(form.read, attributes[name]) if name in attributes else default
        setattr(error, name, value)
    return error
