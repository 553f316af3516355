"""Replies about the service, its queue and its nodes."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 -- pydantic reads it
from typing import Literal

from pydantic import Field

from actors.node.status import Role  # noqa: TC001 -- pydantic reads it
from web.app_context import LogLevel  # noqa: TC001 -- pydantic reads it
from web.openapi.models.reply import HexId, Reply


class Service(Reply):
    """What the service is."""

    service: str
    version: str
    status: Literal["running"]
    description: str
    endpoints: dict[str, str]
    """Name → method and path."""
    timestamp: datetime


class _Dependency(Reply):
    name: str
    ok: bool
    detail: str


class HealthDependency(_Dependency):
    """A server that the node needs."""

    since_s: float = Field(alias="since_s", ge=0)
    """Seconds in this state."""


class HealthDependencies(Reply):
    """All that the node needs."""

    store: HealthDependency
    lease: HealthDependency


class HealthOwner(Reply):
    """The node that serves the updates that come here."""

    node: str
    epoch: int


class Health(Reply):
    """Whether updates can be served."""

    status: Literal["ok", "unavailable"]
    message: str
    timestamp: datetime
    service: str
    version: str
    role: Role
    node: str
    epoch: int
    serving: bool
    owner: HealthOwner | None
    reason: str | None
    """Why updates can't be served."""
    paused: bool
    dependencies: HealthDependencies


class Live(Reply):
    """The process answers."""

    status: Literal["ok"]


class Ready(Reply):
    """Whether updates are taken here."""

    status: Literal["ok", "unavailable"]
    role: Role
    reason: str | None


class QueueStats(Reply):
    """Updates by what becomes of them."""

    waiting: int
    active: int
    completed: int
    failed: int
    delayed: int
    total: int
    """Those that are not finished."""
    paused: bool
    paused_orders: list[HexId]


class Lock(Reply):
    """An order that a live actor holds."""

    work_order_id: HexId
    worker_id: str
    timestamp: int
    """Milliseconds since 1970."""
    ttl: int | None
    """Milliseconds that are left of the owner's lease; null where it does not expire."""
    age: int = Field(ge=0)
    """Milliseconds."""


class Locks(Reply):
    """The orders that live actors hold, oldest first."""

    total: int
    locks: list[Lock]


class Cleaned(Reply):
    """What was forgotten: all that finished before that many milliseconds."""

    grace: int


class CleanedLocks(Reply):
    """How many stuck leases were removed."""

    cleaned: int


class Paused(Reply):
    """Whether processing is paused now."""

    paused: bool


class NodeDependency(_Dependency):
    """A server that the node needs, and how often it did not answer."""

    since_s: float
    failures: int


class OwnerChange(Reply):
    """A node that owned the actors, since when."""

    node: str
    url: str
    epoch: int
    since: datetime


class Node(Reply):
    """A node as it sees itself."""

    node: str
    url: str
    version: str
    role: Role
    epoch: int
    serving: bool
    reason: str | None
    paused: bool
    lease_holder: str | None
    lease_left_ms: int | None
    owner_url: str | None
    taken_over: int
    stepped_down: int
    owner_changes: list[OwnerChange]
    up_s: int
    loop_lag_ms: float
    store: NodeDependency
    lease: NodeDependency


class Neighbour(Reply):
    """Another node, as it says it is."""

    node: str
    url: str | None
    role: str | None
    reason: str | None


class LogState(Reply):
    """A node's log: the least severe level that it has, and how many lines were lost."""

    node: str
    level: LogLevel
    dropped: int


class ConsoleState(Reply):
    """What the console may do at this node."""

    write: bool
    """Whether `CONSOLE_WRITE` lets it change anything."""
    tokens: bool
    """Whether tokens are asked for."""
    access: Literal["none", "caller", "operator"]
    """What the token that is shown is good for; where none is asked for: operator."""
    service: str
    version: str
    node: str


class Nodes(Reply):
    """The lease's holder, and the nodes that are heard of."""

    lease_holder: str | None
    lease_left_ms: int | None
    told_by: str
    nodes: list[Node | Neighbour]
    owner_changes: list[OwnerChange]
