"""One endpoint, described once, beside its handler: what the service, its document and docs say."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from web.wire.batches import UPDATES, Batch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.typedefs import Handler
    from pydantic import BaseModel

    from web.admission import Access
    from web.wire.merging import Merge

API: Final = "/api/workorder"
JSON: Final = "application/json"
ORDER: Final = "000000000000000000000001"
JOB: Final = "00000000000000000000000a"
"""Ids in examples."""

JSON_BODY: Final = (
    "INVALID_JSON",
    "BODY_TIMEOUT",
    "BODY_TOO_LARGE",
    "UNSUPPORTED_ENCODING",
)
"""Failures of a call with a JSON body."""
NO_ORDER: Final = ("INVALID_WORK_ORDER_ID", "WORK_ORDER_NOT_FOUND")
NO_JOB: Final = ("INVALID_JOB_ID", "JOB_NOT_FOUND")
LATE: Final = ("TIMEOUT",)
UNREAD: Final = ("SERVICE_UNAVAILABLE",)


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something beside the body that a caller may say; in a path, must say."""

    name: str
    place: Literal["path", "query", "header"]
    schema: Mapping[str, object]
    description: str
    example: object = None

    def document(self) -> dict[str, object]:
        """Return it as OpenAPI writes it."""
        written: dict[str, object] = {
            "name": self.name,
            "in": self.place,
            "required": self.place == "path",
            "description": self.description,
            "schema": dict(self.schema),
        }
        return written if self.example is None else {**written, "example": self.example}


@dataclass(frozen=True, slots=True)
class Body:
    """A JSON body: the model that validates it, and bodies to try, by name."""

    model: type[BaseModel]
    examples: Mapping[str, object]
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One endpoint. Its summary is the first line of its handler's docstring."""

    name: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    handler: Handler
    needs: Literal["nothing", "actors", "owner", "view", "nodes", "stream"] = "nothing"
    """What a node that lacks it forwards the call for: order actors, or knowledge of them.

    A view is best had from the owner; where none is known, the store's is shown. What is said of
    nodes is this one's own view where the owner can't be asked. A stream has no end.
    """
    scope: Literal["all", "order", "body", "items", "job"] = "all"
    """Which shards it is about: those of all orders; of one, in its path or its body; of each of
    its items; of a job."""
    batch: Batch = UPDATES
    """Of one about its items: which kind it is."""
    merge: Merge | None = None
    """Of one about all shards: puts the data together that several nodes gave, by the query."""
    open: bool = False
    """Whether no token is asked for: probes, and pages, which hold no secret."""
    tag: str
    reply: Any
    """Type of the envelope's data, or of the whole body if `bare`."""
    text: str = "OK"
    """The message of the document's example, as `web.wire.texts` names it."""
    codes: tuple[str, ...] = ("OK",)
    """Of a reply that is no failure."""
    failures: tuple[str, ...] = ()
    """Beside those of every call, and of every call that may go to the owner."""
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    large: bool = False
    """Whether its reply may be so large that there must not be many of them at once."""
    bare: bool = False
    audit: str = ""
    """Under which name what it does is kept, where that is an operator's action."""
    unserved: bool = False
    """Whether a 503 has the body of the 200, and no envelope."""
    media: str = JSON
    example: object = None
    """Of a reply that is not JSON."""
    extra: Mapping[str, object] = field(default_factory=dict)
    """Fields of the envelope beside its four, with an example each."""

    @property
    def access(self) -> Access:
        """Whose token it needs, where tokens are asked for: all that changes more than an order."""
        if self.open:
            return "open"
        return "caller" if self.method == "GET" or self.needs == "actors" else "operator"

    @property
    def summary(self) -> str:
        """What it does, in a line without a full stop."""
        return (inspect.getdoc(self.handler) or "").partition("\n")[0].rstrip(".")

    @property
    def description(self) -> str:
        """What it does, whole."""
        return inspect.getdoc(self.handler) or ""
