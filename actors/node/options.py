"""What a node is told at its start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from actors.node.term import TermOptions


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """Who the node is, for how many seconds the lease lasts, and how its actors are bounded.

    `lease_loss` says what an owner does that can't renew because the lease's server is gone:
    "fenced" goes on, as the store stops it when another has taken over; "strict" steps down.
    """

    node_id: str
    url: str
    lease_ttl_s: float
    term: TermOptions
    lease_loss: Literal["fenced", "strict"] = "fenced"


class Permit(Protocol):
    """Whether a standby may try to take the lease that it watches."""

    def take(self) -> bool:
        """Ask for leave, before each try; it lasts until it is given back."""
        ...

    def give_back(self) -> None:
        """Own nothing, and try no more. Idempotent."""
        ...


class Always:
    """Leave to try, whenever the lease is free."""

    def take(self) -> bool:
        """Return True."""
        return True

    def give_back(self) -> None:
        """Do nothing."""
