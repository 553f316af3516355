"""Durations in buckets that widen with them: one search each, and no list to sort."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_MICROSECONDS: Final = 1_000_000
_MAX_BITS: Final = 32
_BUCKETS: Final = 4 * (_MAX_BITS - 1)


class Histogram:
    """Counts durations from a microsecond to 71 minutes; a bucket is at most a quarter wide."""

    __slots__ = ("count", "counts", "longest_s", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * _BUCKETS
        self.count = 0
        self.total_s = 0.0
        self.longest_s = 0.0

    def note(self, seconds: float, times: int = 1) -> None:
        """Count a duration, which as many as `times` took."""
        self.counts[bisect_right(_FROM_S, seconds)] += times
        self.count += times
        self.total_s += seconds * times
        if seconds > self.longest_s:  # noqa: PLR1730 -- a call of max() costs more
            self.longest_s = seconds

    def below(self) -> list[tuple[float, int]]:
        """Return (seconds, how many were shorter) at each power of two microseconds."""
        sums = list(accumulate(self.counts))
        return [(2**bits / _MICROSECONDS, sums[4 * (bits - 1) - 1]) for bits in range(3, _MAX_BITS)]


def percentile(counts: Sequence[int], share: float) -> float:
    """Return the duration in seconds that `share` (0 to 1) of those counted did not exceed.

    Interpolated within its bucket; 0 when nothing was counted.
    """
    wanted = share * sum(counts)
    if wanted <= 0:
        return 0.0
    passed = 0
    for index, count in enumerate(counts):
        if count and passed + count >= wanted:
            low, high = _edges(index)
            return (low + (high - low) * (wanted - passed) / count) / _MICROSECONDS
        passed += count
    return _edges(len(counts) - 1)[1] / _MICROSECONDS


def _edges(index: int) -> tuple[int, int]:
    """Return a bucket's lowest tick, and that of the next one.

    The highest three bits choose the bucket: up to 7 ticks are their own, then each doubling has
    four.
    """
    if index < 8:  # noqa: PLR2004 -- three bits
        return index, index + 1
    shift, lead = (index >> 2) - 1, 4 + (index & 3)
    return lead << shift, (lead + 1) << shift


_FROM_S: Final = [_edges(index)[0] / _MICROSECONDS for index in range(1, _BUCKETS)]
"""Where each bucket but the first begins."""
