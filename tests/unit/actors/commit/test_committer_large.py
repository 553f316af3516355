"""Large texts, and commits whose outcome can't be found out: one order's matter, nobody else's."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import bson
from hypothesis import given
from hypothesis import strategies as st

from actors.commit.committer import MAX_OUTBOX_BYTES
from actors.domain.evidence import size_of
from actors.domain.model import ChangeType, OrderFacts, OrderState
from actors.errors import OutcomeUnknown, StoreUnavailable
from actors.orders.room import MAX_TAKEN_BYTES
from actors.store import Committed, Stale
from actors.store.documents import outcome_document
from tests.contract.cases import change, decide
from tests.fakes import Fault
from tests.unit.actors.desk import MINE, Desk
from tests.unit.actors.owner import ORDER, OTHER, a_store, owner_of, update
from tests.unit.strategies import stored_order
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.store import ChangeSet, CommitResult, StoredOrder

_TEXTS = (
    "related_barcode",
    "process_name",
    "process_code",
    "operator_id",
    "operator_name",
    "reason",
    "remark",
    "ip_address",
    "user_agent",
)
LARGE: dict[str, Any] = dict.fromkeys(_TEXTS, "🏭" * 2_000)


@given(st.dictionaries(st.sampled_from(_TEXTS), st.text(max_size=50)), st.text(max_size=40))
def test_an_entry_is_never_larger_than_it_is_taken_for(texts: dict[str, str], name: str) -> None:
    made = change(2**53 - 1, ChangeType.INPUT, key="k" * 200, **texts)
    order = stored_order(OrderState(status="IN_PROGRESS"))
    facts = OrderFacts(name, "6" * 24, name, name, "6" * 24, name)
    (entry,) = decide(replace(order, facts=facts), made).outcomes
    assert len(bson.encode({**outcome_document(entry)})) <= size_of(entry)


@in_virtual_time
async def test_large_texts_never_make_an_outbox_larger_than_a_document_may_be() -> None:
    store = a_store(1)
    carried: list[int] = []
    commit = store.commit

    async def measured(epoch: Any, changes: Sequence[ChangeSet]) -> list[CommitResult]:  # noqa: ANN401
        carried.extend(sum(map(size_of, (*each.carried, *each.outcomes))) for each in changes)
        return await commit(epoch, changes)

    store.commit = measured  # type: ignore[method-assign]
    async with owner_of(store) as owner:
        await owner.hold()
        asked = [owner.soon(update(1, **LARGE)) for _ in range(300)]
        await owner.go_on()
        await asyncio.gather(*asked)
    assert sum(each.applied_quantity for each in store.written(ORDER)) == 300
    assert max(carried) <= MAX_OUTBOX_BYTES
    assert max(carried) > MAX_TAKEN_BYTES / 2, "many went together all the same"


class Stuck:
    """Answers no commit of one order, and all others."""

    def __init__(self, desk: Desk) -> None:
        self._commit = desk.store.commit
        self.over = asyncio.Event()
        desk.store.commit = self.commit  # type: ignore[method-assign]

    async def commit(self, epoch: Any, changes: Sequence[ChangeSet]) -> list[CommitResult]:  # noqa: ANN401
        if not self.over.is_set() and any(each.before.id == ORDER for each in changes):
            raise OutcomeUnknown("the server says something odd")
        return await self._commit(epoch, changes)


@in_virtual_time
async def test_a_commit_without_an_outcome_leaves_its_place_and_its_batch_to_others() -> None:
    desk = Desk()
    order, other = await desk.load(ORDER), await desk.load(OTHER)
    stuck = Stuck(desk)
    made = change(5)
    held = desk.ask(decide(order, made, epoch=MINE))
    neighbour = desk.ask(decide(other, change(1), epoch=MINE))

    done = await neighbour
    assert isinstance(done, Committed)
    for _ in range(9):  # more than may be under way at once
        done = await desk.ask(decide(done.order, change(1), epoch=MINE))
        assert isinstance(done, Committed)
    assert not held.done()
    assert desk.committer.stats.stuck[ORDER].error == "the server says something odd"
    assert desk.committer.stats.stuck[ORDER].since <= time.monotonic()
    assert not desk.committer.idle

    stuck.over.set()
    assert isinstance(await held, Committed)
    assert desk.committer.stats.stuck == {}
    assert desk.jobs() == [made.job_id]


@in_virtual_time
async def test_an_attempt_that_can_not_be_ruled_out_is_tried_ever_more_seldom_and_told() -> None:
    desk = Desk()
    order, other = await desk.load(ORDER), await desk.load(OTHER)
    desk.store.script("commit", Fault.LOSE)
    invalidate, unmatched = desk.store.invalidate, asyncio.Event()

    async def matches_nothing(epoch: Any, order: StoredOrder) -> None:  # noqa: ANN401
        if unmatched.is_set():
            await invalidate(epoch, order)

    desk.store.invalidate = matches_nothing  # type: ignore[method-assign]
    desk.store.edit(ORDER, status="PAUSED")  # so that the commit does not match either
    held = desk.ask(decide(order, change(5), epoch=MINE))
    await asyncio.sleep(60)
    assert desk.store.calls["commit"] < 100
    assert desk.committer.stats.stuck[ORDER].error == "it is neither applied nor ruled out"
    for _ in range(9):  # more than may be under way at once
        done = await desk.ask(decide(other, change(1), epoch=MINE))
        assert isinstance(done, Committed)
        other = done.order
    assert not held.done()

    unmatched.set()
    assert isinstance(await held, Stale)
    assert desk.committer.stats.stuck == {}
    assert desk.jobs() == []


@in_virtual_time
async def test_a_store_that_answers_nothing_at_all_is_nobody_s_own_matter() -> None:
    desk = Desk()
    order = await desk.load(ORDER)
    stuck = Stuck(desk)

    async def down() -> None:
        raise StoreUnavailable("nothing answers")

    pinged = desk.store.ping
    desk.store.ping = down  # type: ignore[method-assign]
    held = desk.ask(decide(order, change(5), epoch=MINE))
    await asyncio.sleep(60)
    assert desk.committer.stats.retries > 3
    assert desk.committer.stats.stuck == {}
    desk.store.ping = pinged  # type: ignore[method-assign]
    stuck.over.set()
    assert isinstance(await held, Committed)


def test_what_an_actor_takes_fits_an_outbox_several_times() -> None:
    assert 3 * MAX_TAKEN_BYTES <= MAX_OUTBOX_BYTES
