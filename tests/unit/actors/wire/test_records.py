"""Every record that the actors know survives the way to another process."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from actors.domain import evidence, job, messages, model
from actors.node import status
from actors.operators import rows
from actors.wire.forms import NoForm, field_names, form_of
from actors.wire.payload import pack, read_answer, unpack, write_answer
from actors.wire.records import LOCAL, RECORDS
from tests.unit.actors.wire.samples import sample
from tests.virtual_time import in_virtual_time, stall

if TYPE_CHECKING:
    from types import ModuleType

_NOT_SENT = {
    "Beside",
    "Control",
    "Evidence",
    "EvidenceQuery",
    "Move",
    "Neighbours",
    "OperationEntry",
    "PartCounts",
    "Watched",
}
"""What is in these modules and is neither a message nor in one."""
_FIELDS = {
    "UpdateQuantity": "work_order_id change deadline trace wait suspect",
    "Updated": "change work_order_id seq epoch applied_quantity before_quantity after_quantity"
    " before_status after_status before_progress after_progress replayed",
    "Queued": "change work_order_id replayed",
    "Change": "job_id type quantity context request_id fingerprint",
    "Trace": "http_request_id traceparent",
    "LogContext": "related_barcode barcode_operation process_step_id process_name process_code"
    " operator_id operator_name reason remark ip_address user_agent is_automatic source originals",
    "Statistics": "waiting active completed failed delayed live_actors paused wait_ms"
    " paused_orders",
    "Job": "work_order_id change position received_at trace state attempts error result dead"
    " finished_at",
}
"""As the first release sends them: what is added since stands behind, with a default."""


def _records_in(module: ModuleType) -> list[type]:
    return [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__ and (is_dataclass(kind) or hasattr(kind, "_fields"))
    ]


def test_every_record_has_a_form_or_a_reason_why_it_has_none() -> None:
    found = {
        kind.__name__
        for module in (evidence, job, messages, model, rows, status)
        for kind in _records_in(module)
    }
    assert found - _NOT_SENT - set(RECORDS) == set(LOCAL)


@in_virtual_time
async def test_every_record_survives() -> None:
    for kind in RECORDS.values():
        value = sample(kind)
        (written,) = unpack(pack(write_answer(value)))
        assert read_answer(written) == value


def test_what_never_leaves_its_process_can_not_be_sent() -> None:
    for name in LOCAL:
        with pytest.raises((NoForm, NameError)):
            form_of(getattr(messages, name))


@pytest.mark.parametrize("name", _FIELDS)
def test_fields_are_only_ever_added_at_the_end(name: str) -> None:
    first = _FIELDS[name].split()
    assert list(field_names(RECORDS[name]))[: len(first)] == first
    added = inspect.signature(RECORDS[name]).parameters
    assert all(
        each.default is not inspect.Parameter.empty for each in list(added.values())[len(first) :]
    )


@in_virtual_time
async def test_a_deadline_travels_as_the_seconds_that_are_left() -> None:
    message = sample(messages.UpdateQuantity)
    written = write_answer(message)
    stall(7.0)  # as if the other process's clock were elsewhere
    assert read_answer(written).deadline == message.deadline + 7.0


@dataclass(frozen=True)
class _Newer:
    name: str
    count: int
    note: str = "none"


@dataclass(frozen=True)
class _Older:
    name: str
    count: int


def test_what_a_newer_release_adds_is_ignored_and_what_an_older_one_lacks_is_its_default() -> None:
    newer: Any = form_of(_Newer)
    older: Any = form_of(_Older)
    sent = list(newer.write(_Newer("a", 2, "new")))
    assert older.read(sent) == _Older("a", 2)
    assert newer.read(list(older.write(_Older("a", 2)))) == _Newer("a", 2, "none")


@dataclass(frozen=True)
class Tree:
    name: str
    branches: tuple[Tree, ...] = ()


def test_a_record_may_hold_records_of_its_own_kind() -> None:
    form: Any = form_of(Tree)
    tree = Tree("a", (Tree("b", (Tree("c"),)), Tree("d")))
    (written,) = unpack(pack(form.write(tree)))
    assert form.read(written) == tree


def test_a_record_of_a_newer_release_is_none() -> None:
    assert read_answer(["Forecast", [1, 2]]) is None


@pytest.mark.parametrize("number", [1, 1.0, -0.0, 2**53 - 1, 1e300, float("inf"), 2**70])
def test_numbers_keep_their_value_and_their_kind(number: float) -> None:
    form: Any = form_of(model.Number)
    (written,) = unpack(pack(form.write(number)))
    assert repr(form.read(written)) == repr(number)


@pytest.mark.parametrize("text", ["主控板", "\x00", "half of a pair: \ud800", "\U0001f600"])
def test_any_text_survives(text: str) -> None:
    change = model.Change(
        model.new_job_id(), model.ChangeType.INPUT, 1, model.LogContext(remark=text)
    )
    (written,) = unpack(pack(write_answer(change)))
    assert read_answer(written) == change


def test_a_type_without_a_form_is_refused() -> None:
    with pytest.raises(NoForm):
        form_of(int | str)
    with pytest.raises(NoForm):
        form_of(bytes)
    with pytest.raises(NoForm):
        pack(object())


def test_payloads_are_plain_json() -> None:
    assert orjson.loads(pack(["a"], 2)) == [1, ["a"], 2]
