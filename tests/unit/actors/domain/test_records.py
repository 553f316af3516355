"""Quick records are what they were: equal, hashable, with their defaults, and typed as frozen."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field, replace

import pytest

from actors.domain.records import changed, quick


@quick
@dataclass(frozen=True, slots=True)
class _Point:
    x: int
    names: tuple[str, ...] = ()
    more: dict[str, int] = field(default_factory=dict, compare=False)


def test_a_quick_record_compares_copies_and_travels_as_any_dataclass() -> None:
    point = _Point(1, names=("a",))
    assert point == _Point(1, ("a",))
    assert hash(point) == hash(_Point(1, ("a",)))
    assert replace(point, x=2) == _Point(2, ("a",))
    assert pickle.loads(pickle.dumps(point)) == point  # noqa: S301 -- our own
    assert repr(point).endswith("_Point(x=1, names=('a',), more={})")
    assert _Point(1).more is not _Point(1).more


def test_a_quick_record_has_no_fields_but_its_own() -> None:
    with pytest.raises(AttributeError):
        _Point(1).other = 2  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        _Point()  # type: ignore[call-arg]


def test_a_changed_record_has_all_that_was_not_given_and_leaves_the_first_as_it_is() -> None:
    point = _Point(1, ("a",), {"kept": 1})
    other = changed(point, x=2)
    assert (other, other.more) == (_Point(2, ("a",)), {"kept": 1})
    assert point == _Point(1, ("a",))
    with pytest.raises(AttributeError):
        changed(point, y=3)
