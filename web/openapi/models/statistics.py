"""Replies about what the log adds up to."""

from __future__ import annotations

from typing_extensions import TypedDict

from web.openapi.models.reply import HexId, Moment, reply


@reply
class QuantitySums(TypedDict):
    """One of the quantities, in pieces."""

    added: float
    taken: float
    """What decreases took back, as a positive number."""
    net: float
    increases: int
    """Entries that added."""
    decreases: int


@reply
class QuantityTotals(TypedDict):
    """What entries add up to."""

    input: QuantitySums
    output: QuantitySums
    firstOutputAt: Moment | None
    lastOutputAt: Moment | None
    outputPerHour: float | None
    """Net output between the first and the last of it; null where that is no time."""
    cycleS: float | None
    """Seconds from one output to the next, on average."""


@reply
class StatisticsRow(QuantityTotals):
    """What the entries with the same keys add up to."""

    keys: dict[str, str | bool | None]
    """By dimension; hours, shifts and days by their beginning, in `timeZone`."""
    names: dict[str, str | None]
    """By which people know the keys, where the log has one."""


@reply
class QuantityStatistics(TypedDict):
    """Sums over the log, by ascending keys."""

    startDate: Moment
    endDate: Moment
    timeZone: str
    shifts: list[str]
    """When each begins."""
    group: list[str]
    total: QuantityTotals
    """Of all entries that fit, also where rows are left out."""
    rows: list[StatisticsRow]
    truncated: bool
    """Whether there are more rows than the limit, or than 4 MB of texts."""


@reply
class PlanRow(TypedDict):
    """How far an order is, by its output in the period."""

    workOrderId: HexId
    workOrderNo: str | None
    productionLineName: str | None
    status: str | None
    planProductionQuantity: float | None
    outputQuantity: float
    remaining: float | None
    """What is still to be finished of the plan; null without one."""
    fulfilment: float | None
    """Per cent of the plan."""
    outputInPeriod: float
    perHour: float
    """From the first output of the period to its end."""
    expectedEnd: Moment | None
    """At that rate; null where nothing is left to do, or nothing is done."""


@reply
class PlanStatistics(TypedDict):
    """How far the orders are that had entries in the period."""

    startDate: Moment
    endDate: Moment
    rows: list[PlanRow]
    truncated: bool
