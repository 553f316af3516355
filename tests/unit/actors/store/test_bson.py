"""Outcomes as BSON: what is read back is what was decided."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import bson
import pytest

from actors.domain.commit import StoredOrder
from actors.domain.decide import decide
from actors.domain.evidence import Evidence
from actors.domain.model import (
    Change,
    ChangeType,
    Epoch,
    LogContext,
    LogEntry,
    OrderFacts,
    OrderState,
    WorkOrderId,
    new_job_id,
)
from actors.store.documents import outcome_from
from actors.store.mongo.bson import CODEC, encode

_AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


def _entry() -> LogEntry:
    order = StoredOrder(WorkOrderId("a" * 24), OrderFacts("WO-1"), OrderState())
    change = Change(new_job_id(), ChangeType.INPUT, 2, LogContext(reason="why"))
    (entry,) = decide(order, [change], Evidence(), Epoch(1), _AT).outcomes
    assert isinstance(entry, LogEntry)
    return entry


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(0)), timezone(timedelta(hours=8))])
def test_an_entry_is_read_back_with_the_moment_that_it_was_made_at(zone: timezone) -> None:
    entry = replace(_entry(), operate_time=_AT.astimezone(zone))
    document = bson.decode(encode(entry).raw, CODEC)
    assert [document[name] for name in ("operateTime", "createdAt", "updatedAt")] == [_AT] * 3
    assert outcome_from(document) == entry
