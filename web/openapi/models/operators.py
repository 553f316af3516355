"""Replies about the service, its queue and its nodes."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, get_args

from pydantic import Field
from typing_extensions import TypedDict

from actors.node.status import Role
from web.app_context import LogLevel
from web.openapi.models.reply import HexId, Moment, reply
from web.openapi.models.work_orders import Page


@reply
class Service(TypedDict):
    """What the service is."""

    service: str
    version: str
    status: Literal["running"]
    description: str
    endpoints: dict[str, str]
    """Name → method and path."""
    timestamp: Moment


@reply
class _Dependency(TypedDict):
    name: str
    ok: bool
    detail: str


@reply
class HealthDependency(_Dependency):
    """A server that the node needs."""

    since_s: Annotated[float, Field(ge=0)]
    """Seconds in this state."""


@reply
class HealthDependencies(TypedDict):
    """All that the node needs."""

    store: HealthDependency
    lease: HealthDependency


@reply
class HealthOwner(TypedDict):
    """The node that serves the updates that come here."""

    node: str
    epoch: int


@reply
class HealthShard(TypedDict):
    """A shard, and the node that serves the updates of its orders."""

    shard: int
    node: str | None
    epoch: int
    serving: bool


@reply
class Stuck(TypedDict):
    """An order whose commit is sent again without an outcome, and what the store says."""

    workOrderId: HexId
    sinceS: float
    error: str


@reply
class Health(TypedDict):
    """Whether updates can be served."""

    status: Literal["ok", "unavailable"]
    message: str
    timestamp: Moment
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
    leaseNote: str | None
    """That the lease does not end by its server's clock, or was taken over for that."""
    stuckCommits: list[Stuck]
    """Other orders go on meanwhile. Ten at most."""
    shards: NotRequired[list[HealthShard]]
    """Only where the orders are cut into shards (SHARDS)."""


@reply
class Live(TypedDict):
    """The process answers."""

    status: Literal["ok"]


@reply
class Ready(TypedDict):
    """Whether updates are taken here."""

    status: Literal["ok", "unavailable"]
    role: Role
    reason: str | None


@reply
class QueueStats(TypedDict):
    """Updates by what becomes of them."""

    waiting: int
    active: int
    completed: int
    failed: int
    delayed: int
    total: int
    """Those that are not finished."""
    paused: bool
    pausedOrders: list[HexId]


@reply
class Lock(TypedDict):
    """An order that a live actor holds."""

    workOrderId: HexId
    workOrderNo: str | None
    """Null where its actor has not read it yet."""
    workerId: str
    timestamp: int
    """Milliseconds since 1970."""
    ttl: int | None
    """Milliseconds that are left of the owner's lease; null where it does not expire."""
    age: Annotated[int, Field(ge=0)]
    """Milliseconds."""


@reply
class Locks(TypedDict):
    """The orders that live actors hold, oldest first."""

    total: int
    locks: list[Lock]


@reply
class Cleaned(TypedDict):
    """What was forgotten: all that finished before that many milliseconds."""

    grace: int


@reply
class CleanedLocks(TypedDict):
    """How many stuck leases were removed."""

    cleaned: int


@reply
class Paused(TypedDict):
    """Whether processing is paused now."""

    paused: bool


@reply
class PausedAll(TypedDict):
    """That all processing is paused; null where it is not known who did it, and when."""

    since: Moment | None
    by: str | None
    """Name of the token, where tokens are asked for."""
    address: str | None
    reason: str | None
    waiting: int


@reply
class PausedOrder(TypedDict):
    """An order that is paused alone; null where it is not known who did it, and when."""

    workOrderId: HexId
    workOrderNo: str | None
    since: Moment | None
    by: str | None
    """Name of the token, where tokens are asked for."""
    address: str | None
    reason: str | None
    waiting: int
    """Updates that wait for it, whether or not it has a live actor."""
    oldest: Moment | None
    """Since when the oldest of them waits."""
    live: bool


@reply
class PausedOrders(TypedDict):
    """All that is paused, the orders by how long their oldest update waits."""

    all: PausedAll | None
    total: int
    """Of orders that are paused alone."""
    orders: list[PausedOrder]
    storeRead: bool
    """False where the store did not answer in time: numbers, times and reasons are missing."""


@reply
class OperatorAction(TypedDict):
    """What an operator did; null for what is not known."""

    at: Moment
    action: str
    """pause, resume, retry, remove, clean, repair or log level."""
    outcome: str
    """OK, or TIMEOUT where it is not known whether it was done."""
    by: str | None
    """Name of the token, where tokens are asked for."""
    address: str | None
    reason: str | None
    workOrderId: HexId | None
    workOrderNo: str | None
    jobId: str | None
    touched: dict[str, str | int | float | None]
    """What else it says: how many were tried again, the level before and after."""
    requestId: str | None
    node: str | None


@reply
class AuditPage(Page):
    """A page of what operators did, the latest first."""

    actions: list[OperatorAction]


@reply
class NodeDependency(_Dependency):
    """A server that the node needs, and how often it did not answer."""

    sinceS: float
    failures: int


@reply
class OwnerChange(TypedDict):
    """A node that owned the actors, since when."""

    node: str
    url: str
    epoch: int
    since: Moment


@reply
class Node(TypedDict):
    """A node as it sees itself."""

    node: str
    url: str
    version: str
    role: Role
    epoch: int
    serving: bool
    reason: str | None
    paused: bool
    leaseHolder: str | None
    leaseLeftMs: int | None
    ownerUrl: str | None
    takenOver: int
    steppedDown: int
    ownerChanges: list[OwnerChange]
    upS: int
    loopLagMs: float
    store: NodeDependency
    lease: NodeDependency


@reply
class Neighbour(TypedDict):
    """Another node, as it says it is; null where it does not say. One that is gone has no role."""

    node: str
    url: str | None
    role: str | None
    reason: str | None
    version: str | None
    upS: int | None
    loopLagMs: float | None
    storeOk: bool | None
    """Whether it can reach the store, and the lease."""
    leaseOk: bool | None
    lastHeard: Moment | None


@reply
class LogState(TypedDict):
    """A node's log: the least severe level that it has, and how many lines were lost."""

    node: str
    level: Annotated[str, Field(json_schema_extra={"enum": list(get_args(LogLevel))})]
    dropped: int


@reply
class ConsoleState(TypedDict):
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
    environment: str
    """`ENVIRONMENT`; blank where it is unset."""


@reply
class Nodes(TypedDict):
    """The lease's holder, and the nodes that are heard of."""

    leaseHolder: str | None
    leaseLeftMs: int | None
    toldBy: str
    nodes: list[Node | Neighbour]
    expected: int | None
    """How many there should be; null where the owner does not say."""
    ownerChanges: list[OwnerChange]
