"""Guards at the order's actor: exact for callers at once, and read from memory while it is warm."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from actors.domain.guards import Guard, Guards, Mode
from actors.domain.messages import Updated
from actors.domain.model import SCAN_PROCESS, ChangeType
from actors.errors import DuplicateOperation, OverPlan
from tests.fakes import Fault
from tests.unit.actors.owner import ORDER, a_store, order_number, owner_of, update
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.domain.commit import ChangeSet, CommitResult
    from actors.domain.evidence import Evidence, EvidenceQuery
    from actors.domain.messages import UpdateQuantity
    from actors.domain.model import Epoch
    from actors.orders.memory import BarcodeMemory
    from tests.fakes import MemoryStore
    from tests.unit.actors.owner import Answer

STEP = "6560a0000000000000000003"
ENFORCE = Guards(Mode.ENFORCE, Mode.ENFORCE, Mode.ENFORCE)


def scan(barcode: str, key: str | None = None) -> UpdateQuantity:
    return update(
        related_barcode=barcode, process_step_id=STEP, barcode_operation=SCAN_PROCESS, key=key
    )


def put_out(barcode: str, key: str | None = None) -> UpdateQuantity:
    message = update(related_barcode=barcode, key=key)
    return replace(message, change=replace(message.change, type=ChangeType.OUTPUT))


def put_out_of(number: int, barcode: str) -> UpdateQuantity:
    return replace(put_out(barcode), work_order_id=order_number(number))


def unbind(barcode: str, key: str | None = None) -> UpdateQuantity:
    return update(-1, related_barcode=barcode, barcode_operation="UNBIND_PROCESS", key=key)


def told(answers: list[Answer]) -> list[Any]:
    return sorted(
        (str(each.applied_quantity) if isinstance(each, Updated) else type(each).__name__)
        for each in answers
    )


@in_virtual_time
async def test_one_product_that_three_devices_put_out_counts_once() -> None:
    store = a_store(1)
    async with owner_of(store, guards=ENFORCE) as owner:
        answers = await asyncio.gather(*(owner.ask(put_out("SN-1")) for _ in range(3)))
    assert told(answers) == ["1", "DuplicateOperation", "DuplicateOperation"]
    assert store.orders[ORDER].state.output_quantity == 1


@in_virtual_time
async def test_four_unbinds_of_one_product_at_once_take_it_back_once() -> None:
    store = a_store(1)
    async with owner_of(store, guards=ENFORCE) as owner:
        await owner.ask(update(5))
        await owner.ask(scan("SN-1"))
        answers = await asyncio.gather(*(owner.ask(unbind("SN-1")) for _ in range(4)))
        assert told(answers) == ["-1", "0", "0", "0"]
    assert store.quantity(ORDER) == 5
    assert len(store.written(ORDER)) == 6


@in_virtual_time
async def test_room_for_three_takes_three_of_eight() -> None:
    store = a_store(1)
    store.put(ORDER, plan_production_quantity=3)
    async with owner_of(store, guards=ENFORCE) as owner:
        answers = await asyncio.gather(*(owner.ask(update()) for _ in range(8)))
        assert told(answers).count("OverPlan") == 5
        store.edit(ORDER, plan_production_quantity=4)
        assert isinstance(await owner.ask(update()), Updated), "decided on what is stored now"
        assert isinstance(await owner.ask(update()), OverPlan)
    assert store.quantity(ORDER) == 4


@in_virtual_time
async def test_a_watched_guard_counts_all_and_lists_what_it_would_have_refused() -> None:
    store = a_store(1)
    async with owner_of(store) as owner:
        await asyncio.gather(*(owner.ask(put_out("SN-1")) for _ in range(3)))
        again = put_out("SN-1", key="k")
        await owner.ask(again)
        await owner.ask(put_out("SN-1", key="k"))
        found = owner.region.telemetry.guards
    assert store.orders[ORDER].state.output_quantity == 4
    assert found.counts == {Guard.OUTPUT_ONCE: 3}, "a replay is no finding of its own"
    assert [(each.work_order_id, each.barcode) for each in found.latest] == [(ORDER, "SN-1")] * 3
    assert found.latest[0].work_order_no == f"WO-{ORDER}"


@in_virtual_time
async def test_a_warm_order_s_scans_read_nothing() -> None:
    store = a_store(1)
    async with owner_of(store, guards=ENFORCE) as owner:
        await owner.ask(scan("SN-1"))
        await owner.ask(scan("SN-2"))  # the second time it is read whole
        before = store.calls["evidence"], store.calls["load"]
        for number in range(3, 50):
            assert isinstance(await owner.ask(scan(f"SN-{number}")), Updated)
            assert isinstance(await owner.ask(put_out(f"SN-{number}")), Updated)
        assert (store.calls["evidence"], store.calls["load"]) == before
        assert isinstance(await owner.ask(scan("SN-7")), DuplicateOperation)
        assert isinstance(await owner.ask(put_out("SN-7")), DuplicateOperation)
        assert store.calls["evidence"] == before[0], "what was just seen is remembered"


@in_virtual_time
async def test_what_a_predecessor_wrote_is_read_once_and_decides() -> None:
    store = a_store(1)
    async with owner_of(store) as owner:
        for number in range(5):
            await owner.ask(scan(f"SN-{number}"))
            await owner.ask(put_out(f"SN-{number}"))
    async with owner_of(store, guards=ENFORCE) as owner:
        before = store.calls["evidence"]
        answers = [await owner.ask(put_out(f"SN-{number}")) for number in range(6)]
        assert told(answers) == ["1", *["DuplicateOperation"] * 5]
        assert store.calls["evidence"] - before == 2


@in_virtual_time
async def test_what_others_changed_is_read_anew() -> None:
    store = a_store(1)
    async with owner_of(store, guards=ENFORCE) as owner:
        for number in range(3):
            await owner.ask(put_out(f"SN-{number}"))
        before = store.calls["evidence"]
        store.edit(ORDER, output_quantity=1)
        await owner.ask(put_out("SN-9"))
        assert store.calls["evidence"] > before


@in_virtual_time
@pytest.mark.parametrize("fault", [Fault.LOSE_ANSWER, Fault.LOSE])
async def test_a_commit_in_doubt_leaves_no_memory_of_what_may_not_be(fault: Fault) -> None:
    store = a_store(1)
    async with owner_of(store, guards=ENFORCE) as owner:
        for number in range(3):
            await owner.ask(put_out(f"SN-{number}"))
        store.script("commit", fault)
        assert isinstance(await owner.ask(put_out("SN-9")), Updated)
        assert isinstance(await owner.ask(put_out("SN-9")), DuplicateOperation)
    assert store.orders[ORDER].state.output_quantity == 4


@in_virtual_time
async def test_an_unbind_with_a_key_has_one_outcome_after_a_take_over() -> None:
    store = a_store(1)
    async with owner_of(store, guards=ENFORCE) as owner:
        await owner.ask(scan("SN-1"))
        await owner.ask(unbind("SN-1"))
        first = await owner.ask(unbind("SN-1", key="k"))
    async with owner_of(store, guards=ENFORCE) as owner:
        again = await owner.ask(unbind("SN-1", key="k"))
    assert isinstance(first, Updated)
    assert isinstance(again, Updated)
    assert (first.duplicate, again.duplicate, again.replayed) == (True, True, True)
    assert first.seq == again.seq


@in_virtual_time
async def test_memory_is_bounded_over_all_orders() -> None:
    store = a_store(4)
    async with owner_of(store, guards=ENFORCE) as owner:
        memory: BarcodeMemory = owner.supervisor._context.memory  # noqa: SLF001
        memory.room = 25
        for number in range(1, 5):
            for product in range(10):
                await owner.ask(put_out_of(number, f"SN-{product}"))
        assert memory._size <= 25  # noqa: SLF001
        assert list(memory._orders) == [order_number(3), order_number(4)]  # noqa: SLF001
        message = put_out_of(1, "SN-3")
        assert isinstance(await owner.ask(message), DuplicateOperation)


def noted(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> list[EvidenceQuery]:
    """Return what the log is asked from now on, as it is asked."""
    asked: list[EvidenceQuery] = []
    evidence = store.evidence

    async def note(queries: Sequence[EvidenceQuery]) -> Sequence[Evidence]:
        asked.extend(queries)
        return await evidence(queries)

    monkeypatch.setattr(store, "evidence", note)
    return asked


@in_virtual_time
async def test_of_orders_that_do_not_fit_into_memory_new_barcodes_are_known_as_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = a_store(4)
    asked = noted(store, monkeypatch)
    async with owner_of(store, guards=ENFORCE) as owner:
        memory: BarcodeMemory = owner.supervisor._context.memory  # noqa: SLF001
        memory.room = 50
        for product in range(40):
            for number in range(1, 5):
                message = put_out_of(number, f"SN-{product}")
                assert isinstance(await owner.ask(message), Updated)
        assert memory._size <= 50  # noqa: SLF001
        # Each order twice: as it begins, and whole as it is asked the second time.
        assert len(asked) == 8
        asked.clear()
        # What was seen before is looked up, once, and decides.
        again = put_out_of(1, "SN-3")
        assert isinstance(await owner.ask(again), DuplicateOperation)
        assert isinstance(await owner.ask(again), DuplicateOperation)
        assert [(query.barcodes, query.whole) for query in asked] == [(frozenset({"SN-3"}), False)]


@in_virtual_time
async def test_outlines_are_bounded_over_all_orders_too(monkeypatch: pytest.MonkeyPatch) -> None:
    store = a_store(6)
    asked = noted(store, monkeypatch)
    async with owner_of(store, guards=ENFORCE) as owner:
        memory: BarcodeMemory = owner.supervisor._context.memory  # noqa: SLF001
        memory.room, memory.outline_room = 20, 150
        for product in range(15):
            for number in range(1, 7):
                message = put_out_of(number, f"SN-{product}")
                assert isinstance(await owner.ask(message), Updated)
                assert memory._outlined <= 150  # noqa: SLF001
        # Not read whole in turns, each pushing the others out.
        assert sum(query.whole for query in asked) < 20  # of 90
        for number in range(1, 7):
            message = put_out_of(number, "SN-3")
            assert isinstance(await owner.ask(message), DuplicateOperation)


@in_virtual_time
async def test_an_order_with_more_barcodes_than_there_is_room_for_is_asked_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = a_store(1)
    async with owner_of(store, guards=ENFORCE) as owner:
        memory: BarcodeMemory = owner.supervisor._context.memory  # noqa: SLF001
        memory.room = 5
        for product in range(8):
            assert isinstance(await owner.ask(put_out(f"SN-{product}")), Updated)
        assert not memory._outlined  # noqa: SLF001
        asked = noted(store, monkeypatch)
        assert isinstance(await owner.ask(put_out("SN-2")), DuplicateOperation)
        assert len(asked) == 1


@in_virtual_time
async def test_of_an_outline_no_more_is_believed_than_was_committed() -> None:
    store = a_store(2)
    async with owner_of(store, guards=ENFORCE) as owner:
        owner.supervisor._context.memory.room = 5  # noqa: SLF001
        for product in range(4):
            for number in (1, 2):
                message = put_out_of(number, f"SN-{product}")
                await owner.ask(message)
        store.script("commit", Fault.LOSE)
        assert isinstance(await owner.ask(put_out("SN-9")), Updated)
        assert isinstance(await owner.ask(put_out("SN-9")), DuplicateOperation)
        store.edit(ORDER, output_quantity=1)
        assert isinstance(await owner.ask(put_out("SN-10")), Updated)
        assert isinstance(await owner.ask(put_out("SN-2")), DuplicateOperation)


@in_virtual_time
@pytest.mark.parametrize("room", [100, 5])
async def test_what_others_changed_beside_a_commit_in_doubt_is_read_anew(
    room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = a_store(2)
    commit, tries = store.commit, 0

    async def beside_others(epoch: Epoch, changes: Sequence[ChangeSet]) -> list[CommitResult]:
        nonlocal tries
        tries += 1
        if tries == 2:
            [entry] = [each for each in store.written(ORDER) if each.change.job_id == lost]
            entry = replace(entry, seq=0, change=put_out("SN-Y").change)
            store.log[ORDER][entry.change.job_id] = entry
            store.edit(ORDER, output_quantity=6)
        return await commit(epoch, changes)

    async with owner_of(store, guards=ENFORCE) as owner:
        owner.supervisor._context.memory.room = room  # noqa: SLF001
        for product in range(4):
            for number in (1, 2):
                message = put_out_of(number, f"SN-{product}")
                await owner.ask(message)
        monkeypatch.setattr(store, "commit", beside_others)
        store.script("commit", Fault.LOSE_ANSWER)
        message = put_out("SN-X")
        lost = message.change.job_id
        assert isinstance(await owner.ask(message), Updated)
        assert tries == 2
        assert isinstance(await owner.ask(put_out("SN-Y")), DuplicateOperation)


@in_virtual_time
async def test_refusals_take_no_room_in_memory() -> None:
    store = a_store(1)
    store.put(ORDER, plan_production_quantity=3)
    async with owner_of(store, guards=ENFORCE) as owner:
        for product in range(3):
            await owner.ask(scan(f"SN-{product}"))
        for product in range(3, 60):
            over = scan(f"SN-{product}", key=f"k{product}" if product % 2 else None)
            assert isinstance(await owner.ask(over), OverPlan)
        memory: BarcodeMemory = owner.supervisor._context.memory  # noqa: SLF001
        assert memory._size == 3  # noqa: SLF001
        assert len(memory._orders[ORDER].known) <= 3  # noqa: SLF001


@in_virtual_time
async def test_an_order_that_is_too_long_to_be_read_at_once_is_not_read_whole_in_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.orders.memory.MAX_WHOLE", 10)
    store = a_store(4)
    async with owner_of(store) as owner:
        for product in range(12):
            for number in range(1, 5):
                message = put_out_of(number, f"SN-{product}")
                await owner.ask(message)
    asked = noted(store, monkeypatch)
    async with owner_of(store, guards=ENFORCE) as owner:
        owner.supervisor._context.memory.room = 8  # noqa: SLF001
        for product in range(12, 30):
            for number in range(1, 5):
                message = put_out_of(number, f"SN-{product}")
                assert isinstance(await owner.ask(message), Updated)
    assert not [query for query in asked if query.whole]


@in_virtual_time
async def test_what_is_remembered_of_an_order_goes_with_its_actor() -> None:
    store = a_store(2)
    async with owner_of(store, guards=ENFORCE, idle_s=1.0) as owner:
        for product in range(3):
            await owner.ask(put_out(f"SN-{product}"))
        memory: BarcodeMemory = owner.supervisor._context.memory  # noqa: SLF001
        assert [*memory._orders] == [ORDER]  # noqa: SLF001
        await asyncio.sleep(10)
        assert not memory._orders  # noqa: SLF001
