"""The replies of `/api/actors/stats` and `/api/history`: figures of all actors."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 -- pydantic reads it

from actors.operators.rows import ActorState  # noqa: TC001 -- pydantic reads it
from web.openapi.models.reply import Reply


class Mailboxes(Reply):
    """Updates that wait in mailboxes; the percentiles are of mailboxes that are not empty."""

    waiting: int
    not_empty: int
    max: int
    p50: int
    p90: int
    p99: int
    oldest_wait_ms: float


class Latency(Reply):
    """Times of the last minute, in milliseconds; `longest` is since the start."""

    count: int
    p50: float
    p90: float
    p99: float
    longest: float


class UpdateCounts(Reply):
    """Updates that were answered since the start."""

    applied: int
    replayed: int
    refused: int
    failed: int
    by_code: dict[str, int]
    per_second: float


class Commits(Reply):
    """Commits since the start."""

    orders: int
    entries: int
    batches: int
    mean_batch: float
    largest_batch: int
    conflicts: int
    retries: int
    fenced: int
    relay_errors: int


class Outboxes(Reply):
    """Orders whose outcomes are not all in the log yet."""

    orders: int
    entries: int


class WaitingJobs(Reply):
    """Jobs in the store's inbox."""

    waiting: int


class ActorCounts(Reply):
    """Actors since the start."""

    created: int
    passivated: int
    restarted: int
    unknown_orders: int


class ActorStats(Reply):
    """The figures of all actors of the owner."""

    node: str
    epoch: int
    live: int
    states: dict[ActorState, int]
    paused: bool
    paused_orders: int
    mailboxes: Mailboxes
    times_ms: dict[str, Latency]
    updates: UpdateCounts
    commits: Commits
    outboxes: Outboxes
    jobs: WaitingJobs
    actors: ActorCounts


class History(Reply):
    """The owner's last hour in columns of equal length, the oldest first; a row each 5 seconds.

    Rates are per second, times of the row's own 5 seconds; null where nothing was answered.
    A row is missing for each 5 seconds in which the node did not own the actors.
    """

    node: str
    every_s: int
    at: list[datetime]
    applied: list[float]
    refused: list[float]
    failed: list[float]
    p50_ms: list[float | None]
    p99_ms: list[float | None]
    waiting: list[int]
    active: list[int]
    live: list[int]
    paused: list[bool]
