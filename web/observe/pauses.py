"""Who paused what, when and why: kept beside the pause, for people."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import structlog

from actors.errors import OutcomeUnknown, StoreRejected, StoreUnavailable
from actors.operators.past import MARK, mark_record
from actors.store.records import Record
from web.app_context import CALL, CONTEXT
from web.cluster.hop import address_of
from web.wire.queries import parse_reason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from aiohttp import web

    from actors.domain.model import WorkOrderId
    from actors.store.port import Store

_KIND: Final = "pause"
_ALL: Final = "all"
_STORE_S: Final = 1.0
"""What keeping a note may take of the time of the call that it is about."""
_MAX_NOTES: Final = 20_000

_log = structlog.get_logger(__name__)


def who(request: web.Request) -> dict[str, str | None]:
    """Return who calls, from where, and why, as far as they say."""
    return {
        "by": request[CALL].caller,
        "address": address_of(request),
        "reason": parse_reason(request.query),
    }


async def note_pause(request: web.Request, order_id: WorkOrderId | None) -> None:
    """Keep who paused an order, or all; the pause itself is durable already, and holds anyway."""
    record = Record(_KIND, order_id or _ALL, datetime.now(UTC), who(request))
    mark = mark_record("paused", order_id or "")
    await kept(request.app[CONTEXT].node.store.records.put([record, mark]), _KIND)


async def forget_pause(request: web.Request, order_id: WorkOrderId | None) -> None:
    """Forget who paused an order, or all."""
    records = request.app[CONTEXT].node.store.records
    await kept(records.remove(_KIND, order_id or _ALL), _KIND)
    await kept(records.put([mark_record("resumed", order_id or "")]), MARK)


async def kept(writing: Awaitable[None], kind: str) -> None:
    """Wait for a record to be kept, not for long; what is not kept is told in the log."""
    try:
        async with asyncio.timeout(_STORE_S):
            await writing
    except (StoreUnavailable, OutcomeUnknown, StoreRejected, TimeoutError) as error:
        _log.warning("record_not_kept", kind=kind, error=str(error) or "no answer in time")


async def pause_notes(
    store: Store, order_ids: Sequence[WorkOrderId]
) -> tuple[dict[str, dict[str, Any]], Mapping[WorkOrderId, str]] | None:
    """Return what is known of pauses, by order (or "all"), and the orders' numbers.

    None where the store does not answer in time.
    """
    with suppress(StoreUnavailable, TimeoutError):
        async with asyncio.timeout(_STORE_S):
            notes, numbers = await asyncio.gather(
                store.records.read(_KIND, limit=_MAX_NOTES), store.numbers(order_ids)
            )
        return {each.name: {"since": each.at, **each.fields} for each in notes}, numbers
    return None


def pause_fields(notes: Mapping[str, Mapping[str, Any]], name: str = _ALL) -> dict[str, Any]:
    """Return what is known of one pause, with null for what is not."""
    note = notes.get(name, {})
    return {field: note.get(field) for field in ("since", "by", "address", "reason")}
