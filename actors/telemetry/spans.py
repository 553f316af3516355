"""Telling those who trace what the actors did: the port, and the silence that is its default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.domain.commit import ChangeSet, CommitResult
    from actors.runtime.delivery import Delivery


class Spans(Protocol):
    """Told of work once it is done. Returns at once, raises nothing, and changes nothing."""

    def answered(self, delivery: Delivery, epoch: int, outcome: str, code: str) -> None:
        """Hear of an update that its order's actor answered just now, and what became of it."""
        ...

    def carried(self, deliveries: Sequence[Delivery]) -> tuple[str, ...]:
        """Return the traceparents of updates that are committed together, where they are wanted."""
        ...

    def committed(
        self,
        changes: Sequence[ChangeSet],
        results: Sequence[CommitResult],
        epoch: int,
        began: float,
    ) -> None:
        """Hear of a batch that was settled just now; it was first sent at `began` (monotonic)."""
        ...


class _Silence:
    """Nobody traces."""

    def answered(self, delivery: Delivery, epoch: int, outcome: str, code: str) -> None:
        """Do nothing."""

    def carried(self, deliveries: Sequence[Delivery]) -> tuple[str, ...]:  # noqa: ARG002 -- the port's
        """Want none."""
        return ()

    def committed(
        self,
        changes: Sequence[ChangeSet],
        results: Sequence[CommitResult],
        epoch: int,
        began: float,
    ) -> None:
        """Do nothing."""


NO_SPANS: Final[Spans] = _Silence()
