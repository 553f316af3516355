"""The books of one history, checked: what is stored against what callers were told."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

from actors.domain.messages import Updated
from actors.domain.rules import is_first_step_scan, is_unbind
from tests.unit.actors.chaos import ADDED, ORDERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from actors.domain.model import LogEntry, WorkOrderId
    from actors.errors import Refused
    from tests.unit.actors.chaos import Chaos


def mistakes_in(history: Chaos) -> list[str]:
    """Name all that is wrong after a history."""
    found = list(_at_rest(history))
    for order_id in ORDERS:
        found += _in_order(history, order_id)
    found += _in_answers(history)
    return found


def _at_rest(history: Chaos) -> Iterator[str]:
    for number, gate in enumerate(history.gates):
        counts = (gate.waiting, gate.active, gate.delayed)
        if counts != (0, 0, 0):
            yield f"owner {number} is left with waiting, active, delayed {counts}"
    if len(asyncio.all_tasks()) > 1:
        yield f"tasks still run: {asyncio.all_tasks()}"


def _in_order(history: Chaos, order_id: WorkOrderId) -> Iterator[str]:
    stored, entries = history.store.orders[order_id], history.store.written(order_id)
    name = order_id[-1]
    if [each.seq for each in entries] != list(range(1, stored.seq + 1)):
        yield f"order {name}: seq {stored.seq}, its log has {[each.seq for each in entries]}"
    if len(history.store.log[order_id]) != len(entries) or stored.outbox:
        yield f"order {name}: the outbox was not emptied"
    keys = [each.change.request_id for each in entries if each.change.request_id]
    if len(set(keys)) != len(keys):
        yield f"order {name}: a key was applied twice"
    if any(one.epoch > two.epoch for one, two in pairwise(entries)):
        yield f"order {name}: a deposed owner wrote after its successor"
    total = sum(each.applied_quantity for each in entries) + history.books.added[order_id]
    if stored.state.input_quantity != total:
        yield f"order {name}: has {stored.state.input_quantity}, its log and edits make {total}"
    yield from _in_chain(name, entries)
    yield from _in_scans(name, entries)


def _in_chain(name: str, entries: Sequence[LogEntry]) -> Iterator[str]:
    at = 0.0
    for entry in entries:
        jump = entry.before_quantity - at
        if jump < 0 or jump % ADDED:
            yield f"order {name}: seq {entry.seq} begins at {entry.before_quantity}, not {at}"
        if entry.after_quantity - entry.before_quantity != entry.applied_quantity:
            yield f"order {name}: seq {entry.seq} does not add up"
        at = entry.after_quantity


def _in_scans(name: str, entries: Sequence[LogEntry]) -> Iterator[str]:
    counted: set[str | None] = set()
    for entry in entries:
        barcode = entry.change.context.related_barcode
        if is_unbind(entry.change):
            counted.discard(barcode)
        elif is_first_step_scan(entry.change):
            if barcode in counted:
                yield f"order {name}: {barcode} was counted twice"
            counted.add(barcode)


def _in_answers(history: Chaos) -> Iterator[str]:
    books, store = history.books, history.store
    written: dict[str, LogEntry] = {
        each.change.job_id: each for order_id in ORDERS for each in store.written(order_id)
    }
    for job in written.keys() - books.asked:
        yield f"nobody asked for {job}"
    for job, answer in books.applied.items():
        entry = written.get(job)
        if entry is None:
            yield f"{job} was answered success and is not there"
        elif (entry.seq, entry.after_quantity) != (answer.seq, answer.after_quantity):
            yield f"{job} was answered seq {answer.seq}, stored is {entry.seq}"
    for job in written.keys() & books.not_applied:
        yield f"{job} was answered not applied, and is"
    keys = {each.change.request_id: each for each in written.values()}
    for key, answers in books.answers.items():
        if len({_gist(each) for each in answers}) > 1:
            yield f"key {key} was answered in several ways: {answers}"
        if isinstance(answers[0], Updated) != (key in keys):
            yield f"key {key} was answered {answers[0]!r}, and is applied: {key in keys}"


def _gist(answer: Updated | Refused) -> tuple[object, ...]:
    if isinstance(answer, Updated):
        return (answer.change.job_id, answer.seq, answer.after_quantity)
    return (answer.code,)
