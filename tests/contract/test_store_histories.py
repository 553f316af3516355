"""Any interleaving of two owners, late attempts and foreign edits leaves order and log whole."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.model import ChangeType, LogEntry, Number
from actors.domain.rules import add
from actors.store import ChangeSet, Committed, Stale
from tests.contract.cases import (
    FIRST,
    SECOND,
    change,
    decide,
    loaded,
    new_order_id,
    order_document,
    whole_log,
)
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from actors.domain.model import Epoch, WorkOrderId
    from actors.store import Outcome, Store, StoredOrder
    from tests.contract.backdoor import Backdoor
    from tests.contract.conftest import Database

EXAMPLES = {"sqlite": 100}
FEWER_EXAMPLES = 30
"""For stores that a server is behind."""

_numbers = count(1)

Doing = Literal["read", "change", "decide", "send", "refuse", "invalidate", "relay", "trim"]
GUARDED = {
    "inputQuantity": st.integers(0, 4),
    "outputQuantity": st.integers(0, 4),
    "planProductionQuantity": st.integers(2, 4),
    "scrapQuantity": st.integers(0, 1),
    "status": st.sampled_from(["IN_PROGRESS", "PAUSED", "COMPLETED"]),
}
QUANTITIES = {"input": "inputQuantity", "output": "outputQuantity"}


@dataclass(frozen=True, slots=True)
class Step:
    """What one owner does."""

    owner: int
    doing: Doing
    changes: tuple[tuple[ChangeType, Number], ...] = ((ChangeType.INPUT, 1),)
    which: int = 0


@dataclass(frozen=True, slots=True)
class Edit:
    """What the main service does: `$set` one field, or replace the whole document."""

    name: str
    value: Any
    replacing: bool = False


moves = st.tuples(st.sampled_from(ChangeType), st.sampled_from([-3, -1, 0, 1, 2, 0.5]))
# More of what moves things along.
doings = ["read", "change", "change", "change", "decide", "send", "send", "refuse", "invalidate"]
doings += ["relay", "trim"]
steps = st.builds(
    Step,
    st.integers(0, 1),
    st.sampled_from(doings),
    st.lists(moves, min_size=1, max_size=3).map(tuple),
    st.integers(0, 5),
)
edits = st.one_of(
    *(st.builds(Edit, st.just(name), values) for name, values in GUARDED.items()),
    st.builds(
        Edit,
        st.just("inputQuantity"),
        st.integers(0, 4),
        st.just(True),  # noqa: FBT003 the strategy's only argument
    ),
)
# `one_of` would weigh the edits' many branches against the steps' one.
moments: st.SearchStrategy[Step | Edit] = st.integers(0, 3).flatmap(
    lambda drawn: edits if drawn == 0 else steps
)


@dataclass(slots=True)
class Owner:
    """A node: what it last knew of the order, and what it has in hand."""

    store: Store
    epoch: Epoch
    known: StoredOrder
    pending: dict[str, Outcome] = field(default_factory=dict)
    """Committed, as far as it knows, and not yet relayed by it."""
    decided: list[ChangeSet] = field(default_factory=list)
    """All it ever decided: any of it may arrive at the store again, or for the first time."""

    def learn(self, order: StoredOrder) -> None:
        self.pending.update((each.change.job_id, each) for each in order.outbox)
        self.known = replace(order, outbox=())


@dataclass(slots=True)
class World:
    """One order, its owners, and what must be true of it, counted independently."""

    owners: list[Owner]
    backdoor: Backdoor
    order_id: WorkOrderId
    fields: dict[str, Any]
    seq: int = 0
    revision: int = 0
    epoch: int = 0
    adopted: bool = False
    outcomes: list[Outcome] = field(default_factory=list)
    edited_after: set[tuple[int, str]] = field(default_factory=set)
    """(seq, quantity) of edits: there the log's chain is broken, by others."""

    @property
    def entries(self) -> list[LogEntry]:
        return [each for each in self.outcomes if isinstance(each, LogEntry)]

    async def play(self, step: Step | Edit) -> None:
        if isinstance(step, Step):
            await self._act(self.owners[step.owner], step)
        elif step.replacing:
            await self._replace(step)
        else:
            self._edit(step)
        assert await self._logged() == self._expected_log()

    async def _act(self, owner: Owner, step: Step) -> None:
        match step.doing:
            case "read":
                owner.learn(await loaded(owner.store, self.order_id))
            case "change" | "refuse":
                await self._send(owner, self._decide(owner, step))
            case "decide":
                self._decide(owner, step)
            case "send":
                if owner.decided:
                    await self._send(owner, owner.decided[step.which % len(owner.decided)])
            case "invalidate":
                await self._invalidate(owner)
            case "relay":
                await owner.store.relay(list(owner.pending.values()))
                owner.pending.clear()
            case "trim":
                if not owner.pending:
                    await owner.store.trim(owner.epoch, [owner.known])

    def _decide(self, owner: Owner, step: Step) -> ChangeSet:
        if step.doing == "refuse":
            refused = change(1, key=f"refused {next(_numbers)}")
            made = decide(owner.known, refused=[refused], epoch=owner.epoch)
        else:
            changes = [change(quantity, kind) for kind, quantity in step.changes]
            made = decide(owner.known, *changes, epoch=owner.epoch)
        owner.decided.append(made)
        return made

    async def _send(self, owner: Owner, made: ChangeSet) -> None:
        carried = tuple(owner.pending.values())
        [result] = await owner.store.commit(owner.epoch, [replace(made, carried=carried)])
        if self._is_as(made.before, owner.epoch):
            assert isinstance(result, Committed)
            self._apply(made, owner.epoch)
        elif all(each in self.outcomes for each in made.outcomes):
            assert isinstance(result, Committed)
        else:
            assert isinstance(result, Stale)
        if isinstance(result, Committed):
            owner.pending.update((each.change.job_id, each) for each in made.outcomes)
            owner.known = result.order
        elif result.current is not None:
            owner.learn(result.current)
        assert (owner.known.seq, owner.known.revision) == (self.seq, self.revision)

    async def _invalidate(self, owner: Owner) -> None:
        burnt = self._is_at(owner.known, owner.epoch)
        await owner.store.invalidate(owner.epoch, owner.known)
        if burnt:
            self.revision += 1
            # Whether it leaves its epoch is the store's business, as it fences either way.
            self.epoch = (await loaded(owner.store, self.order_id)).epoch
            assert self.epoch <= owner.epoch
            self.adopted = True

    def _is_at(self, order: StoredOrder, epoch: int) -> bool:
        here = (self.adopted, self.seq, self.revision)
        return self.epoch <= epoch and (order.adopted, order.seq, order.revision) == here

    def _is_as(self, before: StoredOrder, epoch: int) -> bool:
        state = before.state
        return self._is_at(before, epoch) and self.fields == {
            "inputQuantity": state.input_quantity,
            "outputQuantity": state.output_quantity,
            "planProductionQuantity": state.plan_production_quantity,
            "scrapQuantity": state.scrap_quantity,
            "status": state.status,
        }

    def _apply(self, made: ChangeSet, epoch: int) -> None:
        entries = [each for each in made.outcomes if isinstance(each, LogEntry)]
        for entry in entries:
            name = QUANTITIES[entry.change.type.value]
            self.fields[name] = add(self.fields[name], entry.applied_quantity)
            self.fields["status"] = entry.after_status
        self.outcomes += made.outcomes
        self.seq += len(entries)
        self.revision += 1
        self.epoch, self.adopted = epoch, True

    def _edit(self, edit: Edit) -> None:
        self.backdoor.edit_order(self.order_id, {edit.name: edit.value})
        self.fields[edit.name] = edit.value
        self.edited_after.add((self.seq, edit.name))

    async def _replace(self, edit: Edit) -> None:
        # An outbox goes with its document; what it held is relayed by then, or by its owner.
        await self.owners[0].store.relay(self.outcomes)
        document = order_document(self.order_id, **{edit.name: edit.value})
        self.backdoor.put_order(document)
        for owner in self.owners:
            # Known limit: turns begin anew, so what an owner knew or decided before the first
            # one looks like now when all values are the same, too.
            owner.decided = [each for each in owner.decided if each.before.adopted]
            if not owner.known.adopted:
                owner.learn(await loaded(owner.store, self.order_id))
        self.fields = {name: document[name] for name in self.fields}
        self.revision, self.epoch, self.adopted = 0, 0, False
        self.edited_after |= {(self.seq, name) for name in QUANTITIES.values()}

    async def _logged(self) -> list[str]:
        return [each["_id"] for each in await whole_log(self.owners[0].store, self.order_id)]

    def _expected_log(self) -> list[str]:
        newest_first = sorted(
            self.entries, key=lambda each: (each.operate_time, each.seq), reverse=True
        )
        return [each.change.job_id for each in newest_first]

    async def check(self) -> None:
        for owner in self.owners:
            await owner.store.relay([*self.outcomes, *owner.pending.values()])
        stored = self.backdoor.order(self.order_id)
        assert {name: stored[name] for name in self.fields} == self.fields
        log = self.backdoor.logs(self.order_id)
        assert [each["planServer"]["seq"] for each in log] == list(range(1, self.seq + 1))
        assert [each["_id"] for each in log] == [each.change.job_id for each in self.entries]
        for kind, name in QUANTITIES.items():
            self._check_chain([each for each in log if each["changeType"] == kind], name)
        assert await self._logged() == self._expected_log()
        order = await loaded(self.owners[0].store, self.order_id)
        assert (order.seq, order.revision, order.epoch) == (self.seq, self.revision, self.epoch)

    def _check_chain(self, log: Sequence[dict[str, Any]], name: str) -> None:
        value: Number = 0
        last = 0
        for each in log:
            seq = each["planServer"]["seq"]
            if not any((between, name) in self.edited_after for between in range(last, seq)):
                assert each["beforeQuantity"] == value
            assert each["afterQuantity"] == add(each["beforeQuantity"], each["changeQuantity"])
            value, last = each["afterQuantity"], seq
        if not any((after, name) in self.edited_after for after in range(last, self.seq + 1)):
            assert self.fields[name] == value


@dataclass(frozen=True, slots=True)
class Two:
    """Two stores on one database, on a loop that lives as long as they do."""

    runner: asyncio.Runner
    stores: tuple[Store, Store]


@pytest.fixture
def two(database: Database) -> Iterator[Two]:
    with asyncio.Runner() as runner:
        stores = database.new_store(), database.new_store()
        for store in stores:
            runner.run(store.open())
        yield Two(runner, stores)
        for store in stores:
            runner.run(store.close())


async def play(
    stores: tuple[Store, Store], backdoor: Backdoor, history: Sequence[Step | Edit]
) -> None:
    document = order_document(new_order_id(), planProductionQuantity=4)
    order_id: WorkOrderId = document["_id"]
    backdoor.put_order(document)
    owners = [
        Owner(store, epoch, await loaded(store, order_id))
        for store, epoch in zip(stores, (FIRST, SECOND), strict=True)
    ]
    world = World(owners, backdoor, order_id, {name: document[name] for name in GUARDED})
    for step in history:
        await world.play(step)
    await world.check()


@pytest.mark.timeout(600)
def test_order_and_log_agree_after_any_history(database: Database, two: Two) -> None:
    @settings(max_examples=examples(EXAMPLES.get(database.kind, FEWER_EXAMPLES)))
    @given(st.lists(moments, min_size=5, max_size=40))
    def holds(history: list[Step | Edit]) -> None:
        two.runner.run(play(two.stores, database.backdoor, history))

    holds()
