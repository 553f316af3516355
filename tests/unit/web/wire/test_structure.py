"""What costs time is counted outside of texts, wherever the body is cut into slices."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.wire import structure
from web.wire.problems import RequestError
from web.wire.structure import MAX_DEPTH, Structure, count_fields

_JSON = st.recursive(
    st.none() | st.integers(-9, 9) | st.text(alphabet='a"\\[]{},:\n贴', max_size=6),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('a":\\', max_size=3), inner),
    max_leaves=20,
)


def _shape(value: Any) -> tuple[int, int, int]:  # noqa: ANN401 -- any JSON
    """Return the tokens, the fields and the depth of a value."""
    if not isinstance(value, dict | list):
        return 0, 0, 0
    inside = [_shape(each) for each in (value.values() if isinstance(value, dict) else value)]
    fields = len(value) if isinstance(value, dict) else 0
    return (
        1 + max(len(value) - 1, 0) + fields + sum(each[0] for each in inside),
        fields + sum(each[1] for each in inside),
        1 + max((each[2] for each in inside), default=0),
    )


@given(value=_JSON, size=st.integers(1, 40), ascii_only=st.booleans())
def test_tokens_and_fields_are_exact_in_slices_of_any_size(
    value: object, size: int, *, ascii_only: bool
) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    tokens, fields, _ = _shape(value)
    seen = Structure(tokens)
    for start in range(0, len(body), size):
        seen.add(body[start : start + size])
    assert (seen.tokens, seen.fields) == (tokens, fields)
    if tokens:
        with pytest.raises(RequestError, match="tokens"):
            count_fields(body, tokens - 1)


@given(value=_JSON, limit=st.integers(1, 6), size=st.integers(1, 40))
def test_the_depth_is_exact_in_slices_of_any_size(value: object, limit: int, size: int) -> None:
    body = orjson.dumps([value, value])
    depth = _shape([value, value])[2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structure, "MAX_DEPTH", limit)
        patch.setattr(structure, "SLICE", size)
        if depth <= limit:
            assert count_fields(body, 1000) == _shape([value, value])[1]
        else:
            with pytest.raises(RequestError, match="depth"):
                count_fields(body, 1000)


@pytest.mark.parametrize("piece", [b"[],", b"[", b'{"a":', b'"\\"",', b"0,"])
def test_no_more_is_looked_at_than_it_takes_to_refuse(piece: bytes) -> None:
    class Counted(bytes):
        def __getitem__(self, key: Any) -> Any:  # noqa: ANN401 -- as bytes has it
            slices.append(key)
            return super().__getitem__(key)

    slices: list[slice] = []
    with pytest.raises(RequestError):
        count_fields(Counted(b"[" + piece * 400_000), 1_000)
    assert len(slices) == 1


def test_as_deep_as_is_allowed_and_one_more() -> None:
    count_fields(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, 1_000)
    with pytest.raises(RequestError, match="depth"):
        count_fields(b"[" * (MAX_DEPTH + 1), 1_000)
