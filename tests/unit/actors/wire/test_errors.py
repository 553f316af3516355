"""Every error survives the way to another process: its kind, its text, its attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors import errors
from actors.errors import NotApplied, PayloadUnreadable, RequestIdConflict, WorkOrderError
from actors.wire.errors import ERRORS
from actors.wire.payload import pack, read_answer, unpack, write_answer
from tests.unit.actors.wire.samples import sample_error
from web.wire.problems import problem_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def _all_of(kind: type[WorkOrderError]) -> Iterator[type[WorkOrderError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _all_of(each)


_KINDS = sorted(
    {kind for kind in _all_of(WorkOrderError) if kind.__module__.startswith("actors")},
    key=lambda kind: kind.__name__,
)


def _sent(error: WorkOrderError) -> WorkOrderError:
    (written,) = unpack(pack(write_answer(error)))
    back = read_answer(written)
    assert isinstance(back, WorkOrderError)
    return back


@pytest.mark.parametrize("kind", _KINDS)
def test_every_error_survives(kind: type[WorkOrderError]) -> None:
    error = sample_error(kind)
    back = _sent(error)
    assert type(back) is kind
    assert (str(back), vars(back), back.args) == (str(error), vars(error), error.args)
    assert problem_of(back) == problem_of(error)


def test_all_errors_are_known_by_their_names() -> None:
    assert set(ERRORS.values()) == set(_KINDS)
    assert all(kind.__module__ == errors.__name__ for kind in _KINDS)


def test_an_error_of_a_newer_release_is_what_it_is_derived_from() -> None:
    class TooHot(NotApplied):
        def __init__(self, degrees: int) -> None:
            super().__init__(f"{degrees} degrees")
            self.degrees = degrees

    back = _sent(TooHot(90))
    assert type(back) is NotApplied
    assert str(back) == "90 degrees"


def test_what_an_older_release_does_not_say_is_as_by_default() -> None:
    (written,) = unpack(pack(write_answer(errors.DuplicateOperation("B1", "S1", "L1"))))
    del written[1][2]["first"]
    back = read_answer(written)
    assert isinstance(back, errors.DuplicateOperation)
    assert (back.barcode, back.first, back.replayed) == ("B1", "", False)


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b"nonsense", b"1", b"[2, 1]", b"[1]", b" [1", b"[]"]
)
def test_what_can_not_be_read_is_said(payload: bytes) -> None:
    with pytest.raises(PayloadUnreadable):
        unpack(payload, least=1)


@pytest.mark.parametrize(
    "written", [["!", []], ["!", 3], ["Updated", []], ["Job", {"a": 1}], ["Position", [1]], 7]
)
def test_an_answer_that_can_not_be_read_is_said(written: list[object]) -> None:
    with pytest.raises(PayloadUnreadable):
        read_answer(written)


def test_a_text_that_looks_like_something_else_is_a_text() -> None:
    assert str(_sent(RequestIdConflict("!"))) == str(RequestIdConflict("!"))
