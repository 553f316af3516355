"""Checks of what an order's document says about itself."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from actors.domain.model import Status
from actors.domain.rules import add, progress_of
from actors.store.values import number_from, time_from
from scripts.reconcile.findings import Kind, Repair
from scripts.reconcile.rows import is_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from actors.domain.model import Number
    from scripts.reconcile.book import Book
    from scripts.reconcile.findings import Finding

FIELDS: Final = (
    "workOrderNo",
    "materialId",
    "productionLineId",
    "status",
    "businessType",
    "planQuantity",
    "planProductionQuantity",
    "inputQuantity",
    "outputQuantity",
    "scrapQuantity",
    "scrapProductBarcodeList",
    "progress",
    "actualStartTime",
    "actualEndTime",
    "originalWorkOrderId",
    "planServer",
)
"""What is read of an order."""
_QUANTITIES: Final = (
    "planQuantity",
    "planProductionQuantity",
    "inputQuantity",
    "outputQuantity",
    "scrapQuantity",
    "progress",
)
_IDS: Final = ("materialId", "productionLineId", "originalWorkOrderId")
_ABSURD: Final = 10_000_000
"""Pieces that no order has."""
_NOT_BEGUN: Final = frozenset({"PENDING", "CANCELLED"})
_RUNNING: Final = "IN_PROGRESS"
_WHOLE: Final = 100


def states_of(book: Book, id_type: type, told: frozenset[str]) -> Iterator[Finding]:
    """Check the order's own fields; `told` are quantities that are told of as negative already."""
    document = book.document
    if document is None:
        return
    for name in _QUANTITIES:
        yield from _quantity(book, name, document.get(name), told)
    for name in _IDS:
        value = document.get(name)
        if value is not None and not isinstance(value, id_type):
            yield _wrong(book, name, value)
    yield from _times(book, document)
    numbers = {name: number_from(document.get(name)) for name in _QUANTITIES}
    if all(math.isfinite(each) for each in numbers.values() if each is not None):
        yield from _counts(book, document, numbers)
    yield from _scrap(book, document)


def _quantity(book: Book, name: str, value: object, told: frozenset[str]) -> Iterator[Finding]:
    if value is None:
        if name in (book.document or {}):
            yield book.finding(Kind.NULL, name, f"{name} is null")
        return
    number = number_from(value)
    if number is None and isinstance(value, float):
        yield book.finding(Kind.ABSURD, name, f"{name} is {value}")
    elif number is None or not is_number(value):
        yield _wrong(book, name, value)
    elif abs(number) > _ABSURD:
        yield book.finding(Kind.ABSURD, name, f"{name} is {number}")
    elif number < 0 and name not in told:
        yield book.finding(Kind.NEGATIVE, name, f"{name} is {number}")


def _wrong(book: Book, name: str, value: object) -> Finding:
    detail = f"{name} is of type {type(value).__name__}"
    return book.finding(Kind.WRONG_TYPE, name, detail)


def _times(book: Book, document: Mapping[str, Any]) -> Iterator[Finding]:
    started, ended = (time_from(document.get(f"actual{each}Time")) for each in ("Start", "End"))
    completed = document.get("status") == Status.COMPLETED
    if completed and document.get("actualEndTime") is None:
        yield book.finding(Kind.END_TIME, "actualEndTime", "completed, and without an end time")
    elif isinstance(started, datetime) and isinstance(ended, datetime) and ended < started:
        detail = f"ended {ended:%Y-%m-%d %H:%M}, started {started:%Y-%m-%d %H:%M}"
        yield book.finding(Kind.END_TIME, "actualEndTime", detail)


def _counts(
    book: Book, document: Mapping[str, Any], numbers: Mapping[str, Number | None]
) -> Iterator[Finding]:
    plan, scrap = numbers["planProductionQuantity"], numbers["scrapQuantity"] or 0
    made, put_in = numbers["outputQuantity"] or 0, numbers["inputQuantity"] or 0
    if plan is not None and plan > 0 and add(put_in, -scrap) > plan:
        detail = f"{put_in} put in, {scrap} of them scrap, {plan} planned"
        yield book.finding(Kind.OVER_INPUT, "inputQuantity", detail)
    status = str(document.get("status") or "")
    if status in _NOT_BEGUN and (put_in or made):
        detail = f"{status}, and {put_in} put in, {made} finished"
        yield book.finding(Kind.STATUS, "status", detail)
    if plan is None or plan <= 0:
        return
    yield from _completion(book, status, made, plan, scrap)
    yield from _progress(book, status, numbers["progress"] or 0, (made, plan, scrap))


def _completion(
    book: Book, status: str, made: Number, plan: Number, scrap: Number
) -> Iterator[Finding]:
    if status == Status.COMPLETED and add(made, scrap) < plan:
        detail = f"completed with {made} finished and {scrap} scrap of {plan}"
        yield book.finding(Kind.STATUS, "status", detail)
    elif status == _RUNNING and made >= plan:
        yield book.finding(
            Kind.STATUS,
            "status",
            f"in progress with {made} finished of {plan}",
            made,
            plan,
            book.last_seq,
            repair=Repair("output", 0),
        )


def _progress(
    book: Book, status: str, progress: Number, counts: tuple[Number, Number, Number]
) -> Iterator[Finding]:
    made, plan, scrap = counts
    done = status == Status.COMPLETED
    expected = _WHOLE if done else progress_of(made, plan, scrap, progress)
    if progress == expected or (status == _RUNNING and made >= plan):
        return
    # The rules decide it again with the next output; where they would complete an order that is
    # paused or over, that is for people.
    repair = Repair("output", 0) if not done and made < plan else None
    detail = f"progress is {progress}, by its quantities {expected}"
    evidence = (progress, *counts, book.last_seq)
    yield book.finding(Kind.PROGRESS, "progress", detail, *evidence, repair=repair)


def _scrap(book: Book, document: Mapping[str, Any]) -> Iterator[Finding]:
    listed, scrap = document.get("scrapProductBarcodeList"), document.get("scrapQuantity")
    if not isinstance(listed, list):
        return
    barcodes = [each.get("barcode") for each in listed if isinstance(each, dict)]
    again = len(barcodes) - len(set(map(str, barcodes)))
    if again:
        detail = f"{again} barcodes stand twice in the list"
        yield book.finding(Kind.SCRAP, "scrapProductBarcodeList", detail)
    elif (number_from(scrap) or 0) != len(listed):
        detail = f"scrapQuantity is {scrap}, {len(listed)} are listed"
        yield book.finding(Kind.SCRAP, "scrapQuantity", detail)
