"""Say what a setting may be, in the words of its mistakes and of the settings table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from annotated_types import Ge, Le

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


@dataclass(frozen=True, slots=True)
class Bounds:
    """A closed range of numbers (seconds when not `whole`), or a choice of words."""

    low: Any = None
    high: Any = None
    whole: bool = False
    choices: tuple[str, ...] = ()

    @property
    def english(self) -> str:
        """Return the bounds as what the setting "must be"."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        kind = "whole number" if self.whole else "number of seconds"
        return f"a {kind} from {self.low} to {self.high}"

    @property
    def chinese(self) -> str:
        """Return the same in Chinese."""
        if self.choices:
            return f"{'、'.join(self.choices)} 之一"
        return f"{self.low} 到 {self.high} 的{'整数' if self.whole else '秒数'}"


def bounds_of(field: FieldInfo) -> Bounds | None:
    """Return the bounds of a settings field, or None when it is free text."""
    if get_origin(field.annotation) is Literal:
        return Bounds(choices=get_args(field.annotation))
    if field.annotation not in {int, float}:
        return None
    return Bounds(
        low=next(rule.ge for rule in field.metadata if isinstance(rule, Ge)),
        high=next(rule.le for rule in field.metadata if isinstance(rule, Le)),
        whole=field.annotation is int,
    )
