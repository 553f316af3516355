"""Clock and chance of the code under test, replaced by the simulation's."""

from __future__ import annotations

import random
import secrets
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from tests.sim.loop import SimLoop

_START_S = 1_700_000_000


class Clock:
    """What `time` offers, told by the loop."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop

    def monotonic(self) -> float:
        return self._loop.time()

    def time(self) -> float:
        return _START_S + self._loop.time()

    def time_ns(self) -> int:
        return int(self.time() * 1e9)


class Secrets:
    """What `secrets` offers, chosen by the seed."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def token_hex(self, size: int) -> str:
        return f"{self._chance.getrandbits(8 * size):0{2 * size}x}"

    def randbelow(self, limit: int) -> int:
        return self._chance.randrange(limit)


class Events:
    """Takes the place of a module's logger; hands events on when a trace is wanted."""

    def __init__(self, tell: Callable[[str], None] | None) -> None:
        self._tell = tell

    def debug(self, event: str, *args: object, **fields: object) -> None:
        if self._tell is not None:
            self._tell(f"{event} {args or ''}{fields or ''}")

    info = warning = error = exception = debug


@contextmanager
def virtual(loop: SimLoop, chance: Random, tell: Callable[[str], None] | None) -> Iterator[None]:
    """Return every module of `actors` this clock, this chance and a logger that stays silent."""
    stand_ins: dict[int, Any] = {
        id(time): Clock(loop),
        id(random): chance,
        id(secrets): Secrets(chance),
    }
    events = Events(tell)
    before: list[tuple[Any, str, Any]] = []
    for name, module in list(sys.modules.items()):
        if name != "actors" and not name.startswith("actors."):
            continue
        for attribute, value in list(vars(module).items()):
            replacement = events if attribute == "_log" else stand_ins.get(id(value))
            if replacement is not None:
                before.append((module, attribute, value))
                setattr(module, attribute, replacement)
    try:
        yield
    finally:
        for module, attribute, value in before:
            setattr(module, attribute, value)
