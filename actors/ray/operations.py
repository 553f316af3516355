"""What a front door asks of a shard besides updates: methods of the port, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from actors.domain.job import Job, JobState
from actors.domain.messages import OrderLock, OrderWaits, Updated, UpdateQuantity
from actors.domain.model import JobId, WorkOrderId
from actors.errors import NotOwner
from actors.operators.job_admin import JobCounts
from actors.operators.rows import ActorQuery, ActorRow, ActorView, Hot, Summary
from actors.telemetry.journal import Event
from actors.wire.forms import form_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from actors.engine import Engine

    Method = Callable[..., Awaitable[Any]]


class Operation(NamedTuple):
    """One method of the port: where a shard has it, what it takes and what it answers."""

    method: Callable[[Engine], Method]
    takes: tuple[Any, ...]
    answers: Any = type(None)

    def write_arguments(self, arguments: Sequence[Any]) -> list[Any]:
        """Return the arguments as they are sent."""
        return [_write(kind, each) for kind, each in zip(self.takes, arguments, strict=True)]

    async def run(
        self, engine: Engine, written: Sequence[Any], is_mine: Callable[[WorkOrderId], bool]
    ) -> Any:  # noqa: ANN401
        """Do it here, with arguments as they were sent; return its answer as it is sent.

        Raises `NotOwner` where it is about an order that is not `is_mine`.
        """
        arguments = [_read(kind, each) for kind, each in zip(self.takes, written, strict=False)]
        if arguments and (order_id := self._order_of(arguments[0])) and not is_mine(order_id):
            raise NotOwner("this order is of another shard")
        return _write(self.answers, await self.method(engine)(*arguments))

    def _order_of(self, argument: Any) -> WorkOrderId | None:  # noqa: ANN401
        """Return the one order that it is about, by its first argument."""
        if isinstance(argument, UpdateQuantity):
            return argument.work_order_id
        return argument if self.takes[0] is WorkOrderId else None

    def read_answer(self, written: Any) -> Any:  # noqa: ANN401
        """Return the answer."""
        return _read(self.answers, written)


def _write(kind: Any, value: Any) -> Any:  # noqa: ANN401
    write = form_of(kind).write
    return value if write is None else write(value)


def _read(kind: Any, written: Any) -> Any:  # noqa: ANN401
    read = form_of(kind).read
    return written if read is None else read(written)


def _page_of_jobs(engine: Engine) -> Method:
    async def page(*arguments: Any) -> tuple[int, list[tuple[Job, str]]]:  # noqa: ANN401
        *others, max_bytes = arguments
        return await engine.jobs.page(*others, max_bytes=max_bytes)

    return page


OPERATIONS: Final[Mapping[str, Operation]] = {
    "pause": Operation(lambda engine: engine.region.pause, ()),
    "resume": Operation(lambda engine: engine.region.resume, ()),
    "pause_order": Operation(lambda engine: engine.region.pause_order, (WorkOrderId,)),
    "resume_order": Operation(lambda engine: engine.region.resume_order, (WorkOrderId,)),
    "operate": Operation(lambda engine: engine.region.operate, (UpdateQuantity,), Updated),
    "held": Operation(lambda engine: engine.region.held, (int,), tuple[int, list[OrderLock]]),
    "waits_for": Operation(
        lambda engine: engine.region.waits_for, (list[WorkOrderId],), list[OrderWaits]
    ),
    "jobs.find": Operation(lambda engine: engine.jobs.find, (JobId,), tuple[Job, str]),
    "jobs.page": Operation(
        _page_of_jobs,
        (str, WorkOrderId | None, int, int, str | None, int | None),
        tuple[int, list[tuple[Job, str]]],
    ),
    "jobs.retry": Operation(lambda engine: engine.jobs.retry, (JobId,), Job),
    "jobs.retry_failed": Operation(
        lambda engine: engine.jobs.retry_failed, (WorkOrderId | None, str | None), int
    ),
    "jobs.counts": Operation(
        lambda engine: engine.jobs.counts, (WorkOrderId | None, str | None), JobCounts
    ),
    "jobs.discard_failed": Operation(
        lambda engine: engine.jobs.discard_failed, (WorkOrderId | None, str | None), int
    ),
    "jobs.remove": Operation(lambda engine: engine.jobs.remove, (JobId,), JobState),
    "actors.summary": Operation(lambda engine: engine.inspector().summary, (), Summary),
    "actors.page": Operation(
        lambda engine: engine.inspector().page, (ActorQuery,), tuple[int, list[ActorRow]]
    ),
    "actors.hot": Operation(lambda engine: engine.inspector().hot, (int,), Hot),
    "actors.has": Operation(lambda engine: engine.inspector().has, (WorkOrderId,), bool),
    "actors.numbers": Operation(
        lambda engine: engine.inspector().numbers, (list[WorkOrderId],), dict[WorkOrderId, str]
    ),
    "actors.one": Operation(
        lambda engine: engine.inspector().one, (WorkOrderId,), ActorView | None
    ),
    "actors.latest": Operation(
        lambda engine: engine.inspector().latest, (WorkOrderId,), list[Event]
    ),
    "clean": Operation(lambda engine: engine.clean, (float,), int),
    "clean_locks": Operation(lambda engine: engine.clean_locks, (), int),
    "drain": Operation(lambda engine: engine.drain, (float,), bool),
}
"""All of them; one that is added is not known to an older release, which refuses it."""
