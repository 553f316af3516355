"""Query strings: what is asked for, and what is as good as not said."""

from __future__ import annotations

import pytest

from web.wire.queries import MAX_PAGE, MAX_PAGE_SIZE, parse_page


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("7", 7),
        (" 007 ", 7),
        ("", 1),
        ("0", 1),
        ("000", 1),
        ("-3", 1),
        ("1.5", 1),
        ("٣", 1),
        ("9" * 5_000, MAX_PAGE),
        ("0" * 100_000 + "7", 7),
        ("0" * 100_000 + "x", 1),  # as quick as all others: it took minutes
        ("1" * 100_000 + "x", 1),
    ],
    ids=lambda each: str(each)[:8],
)
def test_a_page_is_a_number_from_1_on_or_the_first(text: str, page: int) -> None:
    assert parse_page({"page": text, "pageSize": "9999"}) == (page, MAX_PAGE_SIZE)
