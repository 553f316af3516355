"""Counts of finished updates that can be forgotten by age, without a record per update."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

_KEPT_BUCKETS = 3600


@dataclass(slots=True)
class _Bucket:
    second: int
    completed: int = 0
    failed: int = 0


@dataclass(slots=True)
class Tally:
    """Completed and failed updates, by the second in which they finished.

    Seconds older than an hour of busy seconds are added up into one.
    """

    _buckets: deque[_Bucket] = field(default_factory=deque)
    completed: int = 0
    failed: int = 0

    def note(self, *, completed: int = 0, failed: int = 0) -> None:
        """Count updates that finished now."""
        second = int(time.monotonic())
        if not self._buckets or self._buckets[-1].second != second:
            self._buckets.append(_Bucket(second))
            if len(self._buckets) > _KEPT_BUCKETS:
                self._merge_oldest()
        bucket = self._buckets[-1]
        bucket.completed += completed
        bucket.failed += failed
        self.completed += completed
        self.failed += failed

    def retry(self, jobs: int) -> None:
        """Count failed updates no more that are tried again, the latest first."""
        for bucket in reversed(self._buckets):
            taken = min(jobs, bucket.failed)
            bucket.failed -= taken
            self.failed -= taken
            jobs -= taken

    def forget(self, older_than_s: float) -> None:
        """Forget what finished more than `older_than_s` seconds ago."""
        limit = time.monotonic() - older_than_s
        while self._buckets and self._buckets[0].second + 1 <= limit:
            bucket = self._buckets.popleft()
            self.completed -= bucket.completed
            self.failed -= bucket.failed
        if older_than_s == 0:
            self._buckets.clear()
            self.completed = self.failed = 0

    def _merge_oldest(self) -> None:
        oldest = self._buckets.popleft()
        self._buckets[0].completed += oldest.completed
        self._buckets[0].failed += oldest.failed
