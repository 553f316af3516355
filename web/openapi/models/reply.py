"""What the types of replies have in common: handlers return them, the document describes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import ConfigDict, StringConstraints, WithJsonSchema

HexId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$")]
SentId = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{24}$")]
"""An order's id as the caller spelt it."""
Moment = Annotated[str | datetime, WithJsonSchema({"type": "string", "format": "date-time"})]
"""A time; text where it is written already."""

_T = TypeVar("_T", bound=type)


def reply(kind: _T) -> _T:
    """Have the strings below the fields of a `TypedDict` be their descriptions."""
    kind.__pydantic_config__ = ConfigDict(use_attribute_docstrings=True)  # type: ignore[attr-defined]
    return kind


def open_reply(kind: _T) -> _T:
    """Like `reply`, for an object that may have fields of others beside these."""
    kind.__pydantic_config__ = ConfigDict(use_attribute_docstrings=True, extra="allow")  # type: ignore[attr-defined]
    return kind
