"""One endpoint, described: name, method, path, what it needs and who may call it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from web.admission import Access


class Route(NamedTuple):
    """One endpoint."""

    name: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    handler: Handler
    needs: Literal["nothing", "actors", "owner", "view", "nodes", "stream"] = "nothing"
    """What a node that lacks it forwards the call for: order actors, or knowledge of them.

    A view is best had from the owner; where none is known, the store's is shown. What is said of
    nodes is this one's own view where the owner can't be asked. A stream has no end.
    """

    @property
    def access(self) -> Access:
        """Whose token it needs, where tokens are asked for: all that changes more than an order."""
        if self.name in _OPEN:
            return "open"
        return "caller" if self.method == "GET" or self.needs == "actors" else "operator"


_PROBES: Final = frozenset({"health", "live", "ready"})
# A browser shows no token when it opens a page, and these hold no secret.
_PAGES: Final = frozenset(
    {"openapi", "docs", "console", "consoleScript", "consolePart", "consoleStyle", "consoleState"}
)
_OPEN: Final = _PROBES | _PAGES
