"""What a table says of one route, beside its method and path."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from web.openapi.parameters import Parameter

JSON: Final = "application/json"
ORDER: Final = "000000000000000000000001"
JOB: Final = "00000000000000000000000a"
AT: Final = "2026-11-23T20:05:40.479Z"


@dataclass(frozen=True, slots=True)
class Body:
    """A JSON body: the model that validates it, and bodies to try, by name."""

    model: type[BaseModel]
    examples: Mapping[str, object]
    required: bool = True


@dataclass(frozen=True, slots=True)
class Operation:
    """One entry. `reply` is the type of the envelope's data, or of the whole body if `bare`."""

    tag: str
    summary: str
    reply: Any
    example: object
    text: str = "OK"
    """The example's message, as `web.wire.texts` names it."""
    codes: tuple[str, ...] = ("OK",)
    """Of a reply that is no failure."""
    failures: tuple[str, ...] = ()
    """Beside those of every call, and of every call that may go to the owner."""
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    bare: bool = False
    unserved: bool = False
    """Whether a 503 has the body of the 200, and no envelope."""
    media: str = JSON
    extra: Mapping[str, object] = field(default_factory=dict)
    """Fields of the envelope beside its four, with an example each."""
