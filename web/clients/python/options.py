"""What a caller may choose; times in seconds, sizes in bytes."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

Language = Literal["zh-CN", "en"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """How `PlanServerClient` works; raises ValueError for what can't work."""

    outbox: Path | None = None
    """The file of the outbox, on a local disk; processes of one host may share it."""
    fallback: bool = True
    """Whether what can't be delivered goes to the outbox; without it the caller is told."""
    deadline_s: float = 10.0
    """A call is answered by then. The main service's own callers wait 30 s."""
    attempt_s: float = 5.0
    """One attempt at one address is given up by then, and tried again with the same key."""
    breaker_failures: int = 5
    """Failures in a row after which an address is left alone."""
    breaker_open_s: float = 2.0
    """How long it is left alone before it is probed."""
    connections: int = 100
    """To all addresses together; further calls wait for one."""
    coalesce: bool = True
    """Whether updates that are asked for in one turn of the loop share a call, 100 at most."""
    max_entries: int = 100_000
    """Updates that the outbox holds at most."""
    max_bytes: int = 64 * 1024 * 1024
    """What these may add up to, as JSON."""
    replay_batch: int = 500
    """Updates that one replay call carries at most; the service takes 1,000."""
    replay_poll_s: float = 0.25
    """How often the outbox is looked at for what other processes left, or could not deliver."""
    token: str | None = field(default=None, repr=False)
    """What a service with `API_TOKENS` asks for."""
    language: Language = "zh-CN"
    """Of messages, the service's and the client's own."""

    def __post_init__(self) -> None:
        if self.fallback and self.outbox is None:
            raise ValueError("fallback needs `outbox`, a file; without one say fallback=False")
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
                raise ValueError(f"{each.name} must be positive, not {value!r}")
