"""Long tests are begun early, whichever process has them."""

from __future__ import annotations

import pytest

from tests.dealing import deal


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 7])
@pytest.mark.parametrize(("long", "others"), [(0, 9), (5, 0), (3, 20), (11, 100), (9, 2)])
def test_each_process_begins_with_its_share_of_the_long_and_none_is_lost(
    long: int, others: int, processes: int
) -> None:
    dealt = deal(range(-long, 0), range(others), processes)

    assert sorted(dealt) == [*range(-long, others)]
    assert [each for each in dealt if each >= 0] == [*range(others)]
    for number in range(processes):
        size = len(dealt) // (processes - number)
        part, dealt = dealt[:size], dealt[size:]
        count = sum(each < 0 for each in part)
        assert all(each < 0 for each in part[:count])
        if others > long * processes:
            assert count == long * (number + 1) // processes - long * number // processes
            assert part[:count] == [*range(part[0], part[0] + count)]
