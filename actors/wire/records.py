"""Records under their names: `[name, array]`, and those that never leave their process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actors.domain import evidence, job, messages, model
from actors.node import status
from actors.operators import job_admin, rows
from actors.orders import region
from actors.telemetry import journal
from actors.wire.forms import form_of, via

if TYPE_CHECKING:
    from collections.abc import Mapping

RECORDS: Final[Mapping[str, type]] = {
    kind.__name__: kind
    for kind in (
        model.Change,
        model.LogContext,
        model.LogEntry,
        model.LogPosition,
        model.OrderFacts,
        model.OrderState,
        model.Trace,
        messages.Crashed,
        messages.DescribeOrder,
        messages.OrderActorState,
        messages.OrderLock,
        messages.OrderWaits,
        messages.Pause,
        messages.PauseOrder,
        messages.Queued,
        messages.ReadOrder,
        messages.Ready,
        messages.Resolve,
        messages.Resume,
        messages.ResumeOrder,
        messages.Sweep,
        messages.Tidy,
        messages.Unknown,
        messages.Updated,
        messages.UpdateQuantity,
        job.Failure,
        job.Job,
        job.JobError,
        job.Position,
        job.Progress,
        evidence.Refusal,
        job_admin.JobCounts,
        rows.ActorQuery,
        rows.ActorRow,
        rows.ActorView,
        rows.Hot,
        rows.LongestWait,
        rows.Summary,
        region.Statistics,
        journal.Event,
        status.Dependency,
        status.NodeStatus,
        status.OwnershipHistory,
        status.Tenure,
    )
}
LOCAL: Final[Mapping[str, str]] = {
    "EmptyOutboxes": "names an actor of this process",
    "Trim": "holds an order as its store reads it, opaque to all others",
}
"""Messages that never leave their process, and why."""


def write_record(value: Any) -> list[Any] | None:  # noqa: ANN401 -- one of `RECORDS`, or None
    """Return the record's name and its array; raises `NoForm` for what is not a record."""
    if value is None:
        return None
    kind = type(value)
    return [kind.__name__, via(form_of(kind).write, value)]


def read_record(written: list[Any] | None) -> Any:  # noqa: ANN401 -- as it was written
    """Return the record; None for one that only a newer release knows."""
    if written is None or written[0] not in RECORDS:
        return None
    return via(form_of(RECORDS[written[0]]).read, written[1])
