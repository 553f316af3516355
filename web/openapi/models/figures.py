"""The replies of `/api/actors/stats` and `/api/history`: figures of all actors."""

from __future__ import annotations

from typing_extensions import TypedDict

from web.openapi.models.reply import Moment, reply


@reply
class Mailboxes(TypedDict):
    """Updates that wait in mailboxes; the percentiles are of mailboxes that are not empty."""

    waiting: int
    notEmpty: int
    max: int
    p50: int
    p90: int
    p99: int
    oldestWaitMs: float


@reply
class Latency(TypedDict):
    """Times of the last minute, in milliseconds; `longest` is since the start."""

    count: int
    p50: float
    p90: float
    p99: float
    longest: float


@reply
class UpdateCounts(TypedDict):
    """Updates that were answered since the start; `byCode` has the refused and the failed."""

    applied: int
    replayed: int
    duplicate: int
    refused: int
    failed: int
    byCode: dict[str, int]
    perSecond: float


@reply
class Commits(TypedDict):
    """Commits since the start."""

    orders: int
    entries: int
    batches: int
    meanBatch: float
    largestBatch: int
    conflicts: int
    retries: int
    fenced: int
    relayErrors: int


@reply
class Outboxes(TypedDict):
    """Orders whose outcomes are not all in the log yet."""

    orders: int
    entries: int


@reply
class WaitingJobs(TypedDict):
    """Jobs in the store's inbox."""

    waiting: int


@reply
class ActorCounts(TypedDict):
    """Actors since the start."""

    created: int
    passivated: int
    restarted: int
    unknownOrders: int


@reply
class ActorStats(TypedDict):
    """The figures of all actors of the owner."""

    node: str
    epoch: int
    live: int
    states: dict[str, int]
    paused: bool
    pausedOrders: int
    mailboxes: Mailboxes
    timesMs: dict[str, Latency]
    updates: UpdateCounts
    commits: Commits
    outboxes: Outboxes
    jobs: WaitingJobs
    actors: ActorCounts


@reply
class Mark(TypedDict):
    """A change of owner, a pause or its end, another version."""

    at: Moment
    what: str
    """owner, deployed, paused or resumed."""
    text: str
    """The node, the version, or the order; "" for all orders."""


@reply
class History(TypedDict):
    """The past in columns of equal length, the oldest first; a row each `everyS` seconds.

    Rates are per second, times of the row's own span; null where nothing was answered. Rows are
    missing for times without an owner. What is older than this owner's memory is by minutes.
    """

    node: str
    everyS: int
    at: list[Moment]
    applied: list[float]
    refused: list[float]
    failed: list[float]
    p50Ms: list[float | None]
    p99Ms: list[float | None]
    waiting: list[int]
    active: list[int]
    live: list[int]
    paused: list[bool]
    marks: list[Mark]
    """What explains the graphs; none unless a `range` is asked for."""
