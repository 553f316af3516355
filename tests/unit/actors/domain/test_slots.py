"""Slots are stored with waiting jobs, so the hash stays as it is for good."""

from __future__ import annotations

import pytest

from actors.domain.slots import SLOTS, WHOLE, Shard, ShardMap, slot_of

IDS = tuple(f"{number:024x}" for number in range(1_000))


@pytest.mark.parametrize(
    ("order_id", "slot"),
    [
        ("000000000000000000000001", 61),
        ("00000000000000000000000a", 201),
        ("507f1f77bcf86cd799439011", 71),
        ("ffffffffffffffffffffffff", 158),
    ],
)
def test_the_slot_of_an_order_never_changes(order_id: str, slot: int) -> None:
    assert slot_of(order_id) == slot


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 255, 256])
def test_each_slot_is_in_one_shard_and_both_ways_to_find_it_agree(count: int) -> None:
    shards = ShardMap(count).all()

    assert [shard.first for shard in shards] == [0, *(shard.end for shard in shards[:-1])]
    assert shards[-1].end == SLOTS
    for order_id in IDS:
        assert [shard.index for shard in shards if shard.has(order_id)] == [
            ShardMap(count).of(order_id)
        ]


@pytest.mark.parametrize("count", [2, 4, 8])
def test_twice_as_many_shards_cut_each_in_two(count: int) -> None:
    halves = ShardMap(2 * count).all()
    for shard in ShardMap(count).all():
        low, high = halves[2 * shard.index], halves[2 * shard.index + 1]
        assert (shard.first, shard.end) == (low.first, high.end)


def test_the_whole_has_every_order() -> None:
    assert WHOLE.whole
    assert all(map(WHOLE.has, IDS))


@pytest.mark.parametrize(("index", "count"), [(-1, 2), (2, 2), (0, 0), (0, SLOTS + 1)])
def test_there_is_no_shard_beyond_the_slots(index: int, count: int) -> None:
    with pytest.raises(ValueError, match="no shard"):
        Shard(index, count)
