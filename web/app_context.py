"""What every handler is given: the node, the options, and what is known of its call."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from aiohttp import web

from actors.domain.guards import WATCH_ALL, Guards
from web import SERVICE, VERSION
from web.hosts import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from multidict import CIMultiDict

    from actors.domain.model import Trace
    from actors.engine import Engine
    from web.tracing.port import Work


class Language(Enum):
    """The languages of the messages."""

    CHINESE = "zh-CN"
    ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class Token:
    """A secret, the name under which it is logged, and whether operators' writes need no other."""

    name: str
    secret: str = field(repr=False)
    operator: bool = False


LogLevel: TypeAlias = Literal["debug", "info", "warning", "error", "critical"]


@dataclass(frozen=True, slots=True)
class Options:
    """Limits and names, as plain values; times in seconds, sizes in bytes."""

    max_batch: int = 1000
    request_timeout_s: float = 25.0
    body_timeout_s: float = 10.0
    max_body_bytes: int = 1_048_576
    node_url_allow: tuple[str, ...] = ("http://127.*.*.*:*", "http://localhost:*")
    """Origins of other nodes that calls may be forwarded to, as patterns."""
    cluster_secret: str | None = field(default=None, repr=False)
    """What nodes sign by; without one, the secret that is kept in the store."""
    hosts: tuple[str, ...] = LOOPBACK
    """Names under which the service may be called, as patterns."""
    tokens: tuple[Token, ...] = ()
    """Without any, nobody is asked for one."""
    cors_origins: tuple[str, ...] = ()
    """Other sites whose pages may call, as browsers name them: scheme, host and port."""
    max_connections: int = 2000
    unread_timeout_s: float = 30.0
    """How long a caller may take nothing of a reply."""
    max_replies_bytes: int = 64 * 2**20
    """Of large replies, in all: made, or being made, and not yet taken."""
    time_zone: tzinfo | None = None
    """Of dates in query strings that name none; None is the machine's own."""
    log_every_call: bool = False
    """Whether a call whose update was applied has a line of its own besides that update's."""
    shifts: tuple[int, ...] = (8 * 60, 20 * 60)
    """Minutes of the day at which shifts begin, ascending."""
    refuse_repeats: bool = False
    """Whether a scan that is counted already and has no key is refused (rule 4)."""
    guards: Guards = WATCH_ALL
    """The mode of each guard of counts."""
    console_write: bool = False
    """Whether the console's page may do what operators do, and not only look."""
    environment: str = ""
    """What the installation is called, for people; blank where it has no name."""
    max_quantity: int | None = None
    """The most that one update may count, up or down; None is all that a number can be."""
    expected_nodes: int | None = None
    """How many nodes there should be; None is the most that were seen lately."""
    service: str = SERVICE
    version: str = VERSION


class LogControl(Protocol):
    """The running log."""

    @property
    def level(self) -> str:
        """The least severe level that is logged."""
        ...

    @property
    def dropped(self) -> int:
        """Lines that found no room or no reader."""
        ...

    def set_level(self, level: LogLevel) -> None:
        """Log this level and above from now on."""
        ...


@dataclass(frozen=True, slots=True)
class AppContext:
    """What the handlers of one application share."""

    node: Engine
    options: Options
    headers: CIMultiDict[str]
    """On every reply; copied, never changed."""
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """Name → method and path, as `GET /` shows them."""
    logs: LogControl | None = None
    head: bytes = field(init=False)
    """What every reply of 200 begins with, but for its `Content-Type`."""

    def __post_init__(self) -> None:
        lines = (f"{name}: {self.headers[name]}\r\n" for name in self.headers)
        kept = (line for line in lines if not line.lower().startswith("content-type:"))
        object.__setattr__(self, "head", f"HTTP/1.1 200 OK\r\n{''.join(kept)}".encode())


@dataclass(slots=True)
class Call:
    """What is known of one request before its body is read."""

    context: AppContext
    trace: Trace
    language: Language
    work: Work
    """What is recorded of it, where calls are traced."""
    route: str
    """Its template, of which there are few: nothing that a caller could make up. "none" without."""
    caller: str | None = None
    """Name of the token that was shown."""
    order_as_sent: str = ""
    """The order's id as the caller spelt it, which is how it comes back."""
    about: dict[str, object] = field(default_factory=dict)
    """What it acted on, for the log, where the path does not say so."""
    is_told: bool = False
    """Whether the log has a line of what it did that says who called, and for what."""
    believed: bool = False
    """Whether it is surely a node that sent it."""
    part: bytes | None = None
    """What takes the place of its body where another node answers the rest of it."""


CONTEXT: Final = web.AppKey("site", AppContext)
CALL: Final = web.RequestKey("call", Call)
