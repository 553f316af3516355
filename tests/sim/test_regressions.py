"""What the simulation found, each as the shortest history that shows it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from actors.commit.committer import Committer
from actors.domain.commit import ChangeSet, Stale, StoredOrder
from actors.domain.messages import ReadOrder, Trim, UpdateQuantity
from actors.domain.model import Change, ChangeType, Epoch, JobId, LogContext, LogEntry, WorkOrderId
from actors.errors import OutcomeUnknown
from actors.node.term import Term, TermOptions
from actors.orders.region import Region
from actors.orders.supervisor import Limits
from actors.telemetry.telemetry import Telemetry
from tests.sim.chance import chance
from tests.sim.database import Database, Document
from tests.sim.faults import Faults
from tests.sim.loop import Process, SimLoop
from tests.sim.store import BrokenDriver, Network, SimStore
from tests.sim.virtual import virtual

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from actors.domain.commit import CommitResult
    from actors.domain.evidence import Outcome

_ORDER = WorkOrderId("0" * 24)
_AT = datetime(2026, 1, 1, tzinfo=UTC)


class _Store(SimStore):
    """A store whose relay fails as told, and that can be held before it answers."""

    errors: list[Exception]
    answer_lost: bool = False
    held: bool = False
    loads_held: bool = False

    async def relay(self, outcomes: Sequence[Outcome]) -> None:
        if self.errors:
            raise self.errors.pop(0)
        await super().relay(outcomes)

    async def commit(self, epoch: Epoch, changes: Sequence[ChangeSet]) -> list[CommitResult]:
        while self.held:
            await self.read(lambda: None)
        if self.answer_lost:
            self.answer_lost = False
            raise OutcomeUnknown("the answer is lost, and nothing was applied")
        return await super().commit(epoch, changes)

    async def load(self, ids: Sequence[WorkOrderId]) -> list[StoredOrder | None]:
        found = await super().load(ids)
        while self.loads_held:
            await self.read(lambda: None)
        return found


class _Stage:
    """One committer on a simulated store, alone on its loop."""

    def __init__(self, errors: Sequence[Exception] = ()) -> None:
        self.loop = SimLoop(None)
        self.database = Database()
        self.database.orders[_ORDER] = Document(
            {
                "input_quantity": 0,
                "output_quantity": 0,
                "plan_production_quantity": 100,
                "scrap_quantity": 0,
                "status": "IN_PROGRESS",
                "progress": 0,
            }
        )
        self.network = Network(
            self.loop,
            chance(0, "history"),
            Faults(chance(0, "history")),
            timeout_s=1.0,
            latest_s=1.0,
            before_commit=lambda _: None,
            at_write=lambda _: None,
            when_late=lambda *_: None,
        )
        self.store = _Store(self.database, self.network, Process("node", self.loop))
        self.store.errors = list(errors)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        with virtual(self.loop, chance(0, "history"), None):
            self.loop.run(work)

    def committer(self) -> Committer:
        return Committer(self.store, Epoch(1), batch=10, in_flight=1, deposed=lambda _: None)

    async def pass_time(self, seconds: float) -> None:
        over = self.loop.create_future()
        self.loop.call_later(seconds, over.set_result, None)
        await over


async def _add_one(committer: Committer) -> StoredOrder:
    """Commit one input to the order as it is stored."""
    before: StoredOrder = await committer.actor_ref.ask(ReadOrder(_ORDER), block=False)
    result = await committer.actor_ref.ask(_one_more(before), block=False)
    committed: StoredOrder = result.order
    return committed


def _one_more(before: StoredOrder) -> ChangeSet:
    """Decide on one input."""
    number = before.seq + 1
    change = Change(JobId(f"{number:024x}"), ChangeType.INPUT, 1, LogContext())
    state = before.state
    after = replace(state, input_quantity=state.input_quantity + 1)
    entry = LogEntry(
        work_order_id=_ORDER,
        seq=number,
        epoch=1,
        change=change,
        facts=before.facts,
        applied_quantity=1,
        before_quantity=state.input_quantity,
        after_quantity=after.input_quantity,
        before_status=state.status,
        after_status=after.status,
        before_progress=state.progress,
        after_progress=after.progress,
        operate_time=_AT,
    )
    return ChangeSet(before, after, (entry,), (), _AT)


def test_entries_reach_the_log_though_the_driver_raised_what_nobody_expects() -> None:
    stage = _Stage([BrokenDriver("once")])

    async def history() -> None:
        committer = stage.committer()
        order = await _add_one(committer)
        await committer.actor_ref.ask(Trim(order), block=False)

    stage.run(history())
    (entry,) = stage.database.logs.values()
    assert entry.seq == 1
    document = stage.database.orders[_ORDER]
    assert document.ours is not None
    assert not document.ours.outbox


def test_a_seq_is_not_given_away_twice_when_an_entry_reaches_the_log_while_its_order_is_read() -> (
    None
):
    stage = _Stage()

    async def history() -> None:
        committer = stage.committer()
        stage.network.log_held = True
        await _add_one(committer)
        # Somebody saves the whole document in his own way: its seq is known from the log alone,
        # which is read before the entry is there, and the ledger after it was.
        stage.database.put(_ORDER, stage.database.orders[_ORDER].fields, None)
        stage.store.loads_held = True
        reading = committer.actor_ref.ask(ReadOrder(_ORDER), block=False)
        await stage.pass_time(0.1)
        stage.network.log_held = False
        await stage.pass_time(5.0)
        assert len(stage.database.logs) == 1
        stage.store.loads_held = False
        order = await reading
        assert order.seq == 1

    stage.run(history())


def test_an_old_copy_put_back_before_the_log_has_a_later_entry_goes_on_after_that_entry() -> None:
    stage = _Stage()

    async def history() -> None:
        committer = stage.committer()
        await _add_one(committer)
        copy = stage.database.read(_ORDER)
        assert copy is not None
        await stage.pass_time(1.0)
        stage.network.log_held = True
        await _add_one(committer)
        stage.database.put(_ORDER, *copy)
        third = await _add_one(committer)
        assert third.seq == 3
        stage.network.log_held = False
        await stage.pass_time(5.0)

    stage.run(history())
    assert sorted(each.seq for each in stage.database.logs.values()) == [1, 2, 3]


def test_an_old_copy_of_the_same_turn_does_not_keep_a_commit_in_doubt_for_ever() -> None:
    stage = _Stage()

    async def history() -> None:
        committer = stage.committer()
        await _add_one(committer)
        await _add_one(committer)
        copy = stage.database.read(_ORDER)
        assert copy is not None
        await stage.pass_time(1.0)
        # Somebody saves the document in his own way, so that turns begin anew.
        stage.database.put(_ORDER, stage.database.orders[_ORDER].fields, None)
        await _add_one(committer)
        await _add_one(committer)
        await stage.pass_time(1.0)
        order = await committer.actor_ref.ask(ReadOrder(_ORDER), block=False)
        assert (order.seq, order.revision) == (4, 2)
        stage.store.held = True
        stage.store.answer_lost = True
        asked: Any = committer.actor_ref.ask(_one_more(order), block=False)
        await stage.pass_time(0.1)
        stage.database.put(_ORDER, *copy)
        stage.store.held = False
        await stage.pass_time(5.0)
        assert asked.done(), "nothing that was sent can match the copy"
        assert isinstance(await asked, Stale)

    stage.run(history())


def test_a_batch_whose_commit_hangs_is_answered_by_its_deadline_however_many_it_has() -> None:
    stage = _Stage()

    async def history() -> None:
        region = Region(Telemetry(), lambda _epoch, _: stage.pass_time(0))
        term = Term(stage.store, region, Epoch(1), TermOptions(Limits()), lambda _: None)
        await term.begin()
        stage.store.held = True
        changes = [
            Change(JobId(f"{number:024x}"), ChangeType.INPUT, 1, LogContext())
            for number in range(20)
        ]
        results = await region.update_many(
            [UpdateQuantity(_ORDER, change, deadline=1.0) for change in changes]
        )
        assert stage.loop.time() < 1.5
        assert all(isinstance(each, OutcomeUnknown) for each in results)
        stage.store.held = False
        await stage.pass_time(1.0)
        await term.abandon("the history ends")

    stage.run(history())
