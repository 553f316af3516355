"""An order that takes no commit, though it is as it was read: few tries, an end, and an alarm."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

from actors.domain.messages import Updated
from actors.errors import StoreRejected
from actors.orders.order import MAX_VAIN
from actors.store import Stale
from tests.unit.actors.owner import ORDER, OTHER, a_store, owner_of, update
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.domain.model import Epoch
    from actors.store import ChangeSet, CommitResult


@in_virtual_time
async def test_an_order_that_no_commit_matches_is_tried_ever_more_seldom_and_ends_in_an_alarm() -> (
    None
):
    store = a_store(2)
    commit, tried = store.commit, list[float]()

    async def matches_nothing(epoch: Epoch, changes: Sequence[ChangeSet]) -> list[CommitResult]:
        if any(each.before.id == ORDER for each in changes):
            tried.append(time.monotonic())
            return [Stale(store.orders[each.before.id]) for each in changes]
        return await commit(epoch, changes)

    store.commit = matches_nothing  # type: ignore[method-assign]
    async with owner_of(store) as owner:
        answer = await owner.ask(update(1, within=100))
        assert isinstance(answer, StoreRejected)
        assert isinstance(await owner.ask(update(1, OTHER)), Updated)
        odd = owner.region.telemetry.oddities
    assert len(tried) <= MAX_VAIN + 1
    pauses = [later - earlier for earlier, later in pairwise(tried)]
    assert max(pauses) > 10 * min(each for each in pauses if each)
    assert odd.unreadable == 1, "what the alarm looks at"
    assert odd.last_unreadable == (ORDER, "what commits compare", "", "not found as it was read")
