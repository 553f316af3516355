"""Pages of the live actors, cut out and searched so that no look keeps the loop for long."""

from __future__ import annotations

import asyncio
import re
from itertools import filterfalse, islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections import OrderedDict
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from actors.domain.model import WorkOrderId
    from actors.runtime.directory import OrderRef
    from actors.runtime.mailbox import Mailbox

_BEGINS_ID: Final = re.compile("[0-9a-f]{1,24}")
_SLICE: Final = 14_000
"""Actors searched in one turn of the loop, in a few milliseconds: beside a load each is a wait."""


def cut(
    live: OrderedDict[WorkOrderId, OrderRef],
    ranked: Collection[WorkOrderId],
    start: int,
    end: int,
    *,
    backwards: bool,
) -> list[WorkOrderId]:
    """Return places `start` to `end` of all in `live` but those in `ranked`, from its end if asked.

    Walks from the nearer end, and no step of it is Python's own.
    """
    count = len(live) - len(ranked)
    start, end = min(start, count), min(end, count)
    if start > count - end:
        return cut(live, ranked, count - end, count - start, backwards=not backwards)[::-1]
    order = reversed(live) if backwards else iter(live)
    return list(islice(filterfalse(ranked.__contains__, order), start, end))


async def called(
    order_ids: Sequence[WorkOrderId],
    made: Mapping[WorkOrderId, Mailbox],
    wanted: str,
    narrowed: Callable[[Iterable[WorkOrderId]], Iterable[WorkOrderId]],
) -> list[WorkOrderId]:
    """Return the live ones of `order_ids` whose id begins with `wanted`, or whose number has it.

    `narrowed` leaves out others before, of a slice at a time.
    """
    wanted = wanted.lower()
    found: list[WorkOrderId] = []
    for start in range(0, len(order_ids), _SLICE):
        found += _called(narrowed(order_ids[start : start + _SLICE]), made, wanted)
        await asyncio.sleep(0)
    return found


def _called(
    order_ids: Iterable[WorkOrderId], made: Mapping[WorkOrderId, Mailbox], wanted: str
) -> Iterable[WorkOrderId]:
    if not wanted:
        return filter(made.__contains__, order_ids)
    may_be_id = _BEGINS_ID.fullmatch(wanted) is not None
    found = []
    for order_id in order_ids:
        mailbox = made.get(order_id)
        if mailbox is None:
            continue
        if (may_be_id and order_id.startswith(wanted)) or (
            (number := mailbox.label) is not None and wanted in number.lower()
        ):
            found.append(order_id)
    return found
