"""The trace that a call is in: taken from its caller, given to its log lines and to the owner."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

_TRACEPARENT: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.{0,200})?"
)


class Caller(NamedTuple):
    """The trace and the span of who calls, and the trace's flags; in hexadecimal digits."""

    trace_id: str
    span_id: str
    flags: str


def caller_of(traceparent: str) -> Caller | None:
    """Read W3C's header; None where there is none, or none that is well formed."""
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if more and version == "00":  # only later versions may append to it
        return None
    return Caller(trace_id, span_id, flags)


class Work(Protocol):
    """A piece of work that is under way."""

    @property
    def traceparent(self) -> str:
        """What those whom it asks are told; empty outside of any trace."""
        ...

    @property
    def parent_span_id(self) -> str:
        """The caller's span, where it is in a trace."""
        ...

    def end(self, status: int | None) -> None:
        """Say that it is done, with this HTTP status, or without any answer."""
        ...


class Tracing(Protocol):
    """Begins the work of a call, and of its hop to the owner. Raises nothing."""

    def serve(self, method: str, route: str, traceparent: str, request_id: str) -> Work:
        """Begin to serve a call, by its route's template."""
        ...

    def hop(self, method: str, route: str, traceparent: str, node: str) -> Work:
        """Begin to hand a call on to `node`."""
        ...


@dataclass(frozen=True, slots=True)
class Passed:
    """Work that nobody records."""

    traceparent: str
    parent_span_id: str

    def end(self, status: int | None) -> None:
        """Do nothing."""


class Untraced:
    """Records nothing: a call within a trace has a span of its own by name only."""

    def serve(self, method: str, route: str, traceparent: str, request_id: str) -> Work:  # noqa: ARG002 -- the port's
        """Take over the caller's trace; nothing where it is in none: the request id does then."""
        caller = caller_of(traceparent)
        if caller is None:
            return _NOWHERE
        own = f"00-{caller.trace_id}-{secrets.token_hex(8)}-{caller.flags}"
        return Passed(own, caller.span_id)

    def hop(self, method: str, route: str, traceparent: str, node: str) -> Work:  # noqa: ARG002 -- the port's
        """Hand the trace on as it is."""
        return Passed(traceparent, "")


_NOWHERE: Final = Passed("", "")
UNTRACED: Final = Untraced()
