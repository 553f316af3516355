"""The Lease port: who should own the actors. Liveness only; safety is the store's epoch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Protocol

import orjson


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lease, as everyone can read it."""

    node: str
    url: str
    token: str
    """Unique per acquisition."""
    epoch: int = 0
    """The holder's epoch once it claimed one, else 0."""


@dataclass(frozen=True, slots=True)
class LeaseView:
    """The lease as read: its holder, and the time left in seconds (None: it never expires)."""

    holder: Holder
    ttl_s: float | None
    fault: str | None = None
    """What is wrong with it, where something else than a lease is in its place."""
    note: str | None = None
    """What is odd about its time, in words: that it does not end, or that it was taken over."""


class Lease(Protocol):
    """A lease with one holder at a time. Coroutines raise `LeaseUnavailable` on no answer."""

    name: str
    """"redis" or "file", as `/health` shows it."""

    async def open(self) -> None:
        """Connect; raises `StartupError` when the server can't be reached."""
        ...

    async def close(self) -> None:
        """Give all connections back; does not release. Idempotent."""
        ...

    async def acquire(self, holder: Holder) -> bool:
        """Take the lease if nobody holds it; tell whether `holder` has it now."""
        ...

    async def renew(self, holder: Holder) -> bool:
        """Extend by the TTL and store `holder`, its epoch too, if its token has the lease."""
        ...

    async def release(self, holder: Holder) -> bool:
        """Give the lease up if `holder`'s token has it; tell whether it had."""
        ...

    async def view(self) -> LeaseView | None:
        """Read the lease; None when nobody holds it."""
        ...

    async def clear_stuck(self) -> int:
        """Remove a lease that has no expiry and no live holder; give how many were removed."""
        ...


UNKNOWN = Holder(node="unknown", url="", token="")
"""Stands for whoever holds a lease whose record is not one of ours."""


def encode(holder: Holder) -> bytes:
    """Write `holder` as JSON."""
    return orjson.dumps(asdict(holder))


def decode(record: bytes) -> Holder:
    """Read a holder; `UNKNOWN` for what `encode` did not write. Fields added later are skipped."""
    try:
        fields = orjson.loads(record)
    except orjson.JSONDecodeError:
        return UNKNOWN
    match fields:
        case {"node": str(node), "url": str(url), "token": str(token), "epoch": int(epoch)}:
            return Holder(node=node, url=url, token=token, epoch=epoch)
        case _:
            return UNKNOWN
