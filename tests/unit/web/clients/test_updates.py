"""What a caller says about a change goes out as JSON can hold it: the service counts it."""

from __future__ import annotations

import json
from datetime import date
from types import MappingProxyType

import pytest

from tests.unit.web.clients.cases import ORDER
from web.clients.python.results import Invalid, make_update

_ENDLESS: dict[str, object] = {}
_ENDLESS["itself"] = _ENDLESS


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        (["remark"], ["remark"]),
        ("text", "text"),
        (
            MappingProxyType({"remark": "a\ud83d", "reason": float("nan"), 7: (1, True)}),
            {"remark": "a\ufffd", "reason": None, "7": [1, True]},
        ),
        ({"remark": date(2026, 1, 3)}, {"remark": "2026-01-03"}),
        ({"remark": "x" * 3000}, {"remark": "x" * 3000}),
        ({"remark": "\\ud83d 😀"}, {"remark": "\\ud83d 😀"}),
    ],
)
def test_what_the_service_counts_is_sent(said: object, sent: object) -> None:
    update = make_update(ORDER, "input", 1, said)
    assert json.loads(update.text.encode())["logContext"] == sent


def test_what_has_no_end_is_refused() -> None:
    with pytest.raises(Invalid) as caught:
        make_update(ORDER, "input", 1, _ENDLESS)
    assert caught.value.code == "INVALID_LOG_CONTEXT"


def test_half_a_character_in_a_key_is_refused_and_not_mended() -> None:
    with pytest.raises(Invalid) as caught:
        make_update(ORDER, "input", 1, None, "scan-\ud83d")
    assert caught.value.code == "INVALID_REQUEST_ID"
