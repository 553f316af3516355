"""How many updates a second: from a count that only rises, looked at now and then."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOKS: Final = 3


class Pace:
    """The rate between the last few looks at a count; a count that fell begins anew."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looks: deque[tuple[float, int]] = deque(maxlen=_LOOKS)

    def note(self, count: int) -> None:
        """Look at the count."""
        if self._looks and count < self._looks[-1][1]:
            self._looks.clear()
        self._looks.append((self._clock(), count))

    @property
    def per_s(self) -> float | None:
        """The rate; None before a second look."""
        if len(self._looks) < 2:  # noqa: PLR2004 -- a rate is between two
            return None
        (since, before), (until, now) = self._looks[0], self._looks[-1]
        return (now - before) / (until - since) if until > since else None
