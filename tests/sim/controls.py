"""Negative controls: the real code with one safeguard taken out.

Each must make the simulation find violations; one that finds none would show that the
simulation is blind, not that the safeguard is idle.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from actors.commit import committer
from actors.domain.decide import questions
from actors.jobs.keeper import JobKeeper
from actors.orders import order, supervisor
from tests.hasty import Hasty
from tests.sim import world
from tests.sim.archive import SimArchive
from tests.sim.database import Fence
from tests.sim.store import SimStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from actors.domain.commit import ChangeSet, CommitResult
    from actors.domain.evidence import Evidence, EvidenceQuery
    from actors.domain.guards import Guards
    from actors.domain.model import Change, WorkOrderId
    from actors.jobs.outcomes import TrackedJob
    from actors.runtime.mailbox import Mailbox
    from tests.sim.archive import Batch
    from tests.sim.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Control:
    """What is taken out, and what of the scenarios is made likelier so that it shows soon."""

    name: str
    seeds: int
    """Seeds within which it must show."""
    fence: Fence
    patches: tuple[tuple[object, str, object], ...] = ()
    likelier: dict[str, Any] | None = None

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Take the safeguard out for a while."""
        before = [(owner, name, getattr(owner, name)) for owner, name, _ in self.patches]
        for owner, name, value in self.patches:
            setattr(owner, name, value)
        try:
            yield
        finally:
            for owner, name, value in before:
                setattr(owner, name, value)

    def scenario(self, drawn: Scenario) -> Scenario:
        """Return the scenario in which what is taken out is missed."""
        return replace(drawn, **self.likelier) if self.likelier else drawn


class _Forgetful(SimStore):
    """Finds no key again."""

    async def evidence(self, queries: Sequence[EvidenceQuery]) -> list[Evidence]:
        return [_without_keys(each) for each in await super().evidence(queries)]


def _without_keys(evidence: Evidence) -> Evidence:
    return replace(evidence, by_request={})


class _LogOnly(SimStore):
    """Never asks the archive."""

    async def evidence(self, queries: Sequence[EvidenceQuery]) -> list[Evidence]:
        return await super().evidence([replace(each, archived=False) for each in queries])


async def _advances_nothing(_: SimArchive, batch: Batch, order_id: WorkOrderId) -> None:
    del batch, order_id


def _carries_nothing(_: committer.Committer, change: ChangeSet) -> ChangeSet:
    return change


async def _rules_nothing_out(
    _: committer.Committer, change: ChangeSet, result: CommitResult
) -> CommitResult:
    del change
    return result


def _suspects_nobody(
    order_id: WorkOrderId, changes: Iterable[Change], suspects: frozenset[str], guards: Guards
) -> EvidenceQuery | None:
    del suspects
    return questions(order_id, changes, frozenset(), guards)


_place = JobKeeper._place  # noqa: SLF001 what is broken on purpose


def _suspects_no_job(keeper: JobKeeper, kept: TrackedJob, mailbox: Mailbox) -> bool:
    kept.suspect = False
    return _place(keeper, kept, mailbox)


_ALL = (
    Control(
        "fence",
        100,
        Fence(epoch=False, seq=False, revision=False),
    ),
    Control("key", 20, Fence(), ((world, "SimStore", _Forgetful),)),
    Control("early reply", 20, Fence(), ((supervisor, "WorkOrderActor", Hasty),)),
    Control(
        "outbox",
        200,
        Fence(),
        ((committer.Committer, "_with_carried", _carries_nothing),),
    ),
    Control(
        "invalidate",
        100,
        Fence(),
        ((committer.Committer, "_rule_out", _rules_nothing_out),),
        {
            # The caller's time must run out between the lost attempt and the next one.
            "store_timeout_s": 0.3,
            "request_timeout_s": 0.3,
            "write_rate": 0.3,
            "edits": 1,
            "edit_rate": 0.0,
            "orders": 3,
            "updates": 12,
            "unwaited": 0.3,
            "unexpected": False,
        },
    ),
    Control(
        "look at the epoch",
        400,
        Fence(inbox=False),
        likelier={"unwaited": 0.8, "nodes": 3, "unexpected": False},
    ),
    Control(
        "suspect jobs",
        400,
        Fence(),
        ((JobKeeper, "_place", _suspects_no_job),),
        {"unwaited": 0.8, "unkeyed": 1.0},
    ),
    Control(
        "suspects",
        400,
        Fence(),
        ((order, "questions", _suspects_nobody),),
        {"unexpected": True, "write_rate": 0.3, "unkeyed": 0.4},
    ),
    Control("archive", 100, Fence(), ((world, "SimStore", _LogOnly),), {"movers": 2}),
    Control(
        "turn",
        400,
        Fence(),
        ((SimArchive, "_advance_turn", _advances_nothing),),
        {"movers": 2},
    ),
)
CONTROLS = {control.name: control for control in _ALL}
