"""Everything that can go wrong on the way of an update, as one tree.

`retryable` says what a caller may do: ``True`` means the update was **not applied** and may
be sent again; ``False`` means that sending it again unchanged gives the same answer. The
one error for which neither is known is `OutcomeUnknown`.
"""

from __future__ import annotations

from typing import ClassVar


class WorkOrderError(Exception):
    """Base of all errors of this service; `code` is stable across languages and releases."""

    code: ClassVar[str] = "SYSTEM_ERROR"
    retryable: ClassVar[bool] = False


class Refused(WorkOrderError):
    """The rules say no. Final for this request: never retried."""


class WorkOrderNotFound(Refused):
    """No order is stored under this id."""

    code = "WORK_ORDER_NOT_FOUND"

    def __init__(self, work_order_id: str) -> None:
        super().__init__(f"no work order {work_order_id}")
        self.work_order_id = work_order_id


class RuledOut(Refused):
    """What is stored rules it out; `replayed` tells if it was refused before, under its key."""

    replayed: bool


class DuplicateOperation(RuledOut):
    """The barcode was counted already: at this step (rule 4), or as output (a guard)."""

    code = "DUPLICATE_OPERATION"

    def __init__(
        self,
        barcode: str,
        process_step_id: str,
        first: str = "",
        *,
        output: bool = False,
        replayed: bool = False,
    ) -> None:
        where = "as output" if output else f"at step {process_step_id}"
        super().__init__(f"barcode {barcode} already counted {where}")
        self.output = output
        self.barcode = barcode
        self.process_step_id = process_step_id
        self.first = first
        """Id of the log entry that counted; empty in the replay of a refusal."""
        self.replayed = replayed


class OverPlan(RuledOut):
    """Input less scrap has reached `plan`, the pieces that are to be produced (a guard)."""

    code = "OVER_PLAN"

    def __init__(self, plan: float, *, replayed: bool = False) -> None:
        super().__init__(f"input less scrap has reached the plan, {plan}")
        self.plan = plan
        self.replayed = replayed


class OperationRefused(RuledOut):
    """The order, or another one, does not allow this operation now.

    `reason` is status, plan, scrapped, full, input, no-scrap, supplemented, line or sum.
    """

    code = "OPERATION_REFUSED"

    def __init__(
        self,
        work_order_id: str,
        operation: str,
        reason: str,
        status: str | None,
        *,
        replayed: bool = False,
    ) -> None:
        super().__init__(f"{operation} of work order {work_order_id} ({status}): {reason}")
        self.work_order_id = work_order_id
        self.operation = operation
        self.reason = reason
        self.status = status
        self.replayed = replayed


class QuantityOutOfRange(RuledOut):
    """The stored quantity would leave the range that the callers' JSON numbers hold exactly."""

    code = "INVALID_QUANTITY"

    def __init__(self, result: float, limit: int, *, replayed: bool = False) -> None:
        super().__init__(f"the order's quantity would become {result}, beyond ±{limit}")
        self.result = result
        self.limit = limit
        self.replayed = replayed


class RequestIdConflict(Refused):
    """The idempotency key was used before on this order, with another payload."""

    code = "REQUEST_ID_CONFLICT"

    def __init__(self, request_id: str) -> None:
        super().__init__(f"request id {request_id} was used with another payload")
        self.request_id = request_id


class OrderUnreadable(WorkOrderError):
    """The order's document holds something else than a number where its quantity is: see `field`.

    Taken for 0 it would be lost, so it stays as it is; once it is mended the same request counts.
    """

    code = "ORDER_UNREADABLE"

    def __init__(self, work_order_id: str, field: str, value: str) -> None:
        super().__init__(f"{field} of work order {work_order_id} can't be read: {value}")
        self.work_order_id = work_order_id
        self.field = field
        self.value = value


class NotApplied(WorkOrderError):
    """The update was not applied and is forgotten; it may be sent again."""

    code = "SERVICE_UNAVAILABLE"
    retryable = True
    retry_after_s: ClassVar[int] = 1


class MailboxFull(NotApplied):
    """Too many messages wait: for this order (`scope` "mailbox") or in all ("node")."""

    code = "MAILBOX_FULL"

    def __init__(self, scope: str, capacity: int) -> None:
        super().__init__(f"{scope} holds its {capacity} waiting messages already")
        self.scope = scope
        self.capacity = capacity


class TooManyActors(NotApplied):
    """`MAX_ACTORS` orders are live and none of them is idle."""


class NotOwner(NotApplied):
    """The node does not own the actors (standby, taking over or draining)."""


class Fenced(NotApplied):
    """A node with a higher epoch owns the orders; this one is deposed."""

    def __init__(self, mine: int, seen: int) -> None:
        super().__init__(f"epoch {seen} is stored, mine is {mine}")
        self.mine = mine
        self.seen = seen


class StillWaiting(NotApplied):
    """The deadline passed while the message waited in its mailbox; it was withdrawn."""

    def __init__(self, *, paused: bool) -> None:
        super().__init__(
            "processing is paused" if paused else "the mailbox was not reached in time"
        )
        self.paused = paused


class StoreUnavailable(NotApplied):
    """The store gave no answer, and nothing had been sent to it that could change an order."""


class StoreRejected(WorkOrderError):
    """The database refuses this change for good (a validator, a size): it was not applied."""


class RelayRejected(WorkOrderError):
    """The database refuses these log entries for good; they stay in their orders' outboxes."""

    def __init__(self, job_ids: frozenset[str], reason: str) -> None:
        super().__init__(f"{len(job_ids)} log entries refused: {reason}")
        self.job_ids = job_ids
        self.reason = reason


class PoisonMessage(WorkOrderError):
    """The message killed its actor as often as is allowed; it will not be tried again."""

    def __init__(self, attempts: int, cause: str = "") -> None:
        text = f"gave up after {attempts} attempts"
        super().__init__(f"{text}: {cause}" if cause else text)
        self.attempts = attempts
        self.cause = cause


class OutcomeUnknown(WorkOrderError):
    """A write was sent and not answered: applied or not, only the store knows.

    Inside the service the committer settles it; a caller that sees it (`TIMEOUT`) sends the
    same request with the same key again.
    """

    code = "TIMEOUT"


class Overtaken(OutcomeUnknown):
    """What was stored may be too late for the owner that has claimed the higher epoch `seen`."""

    def __init__(self, mine: int, seen: int) -> None:
        super().__init__(f"epoch {seen} is claimed, mine is {mine}")
        self.mine = mine
        self.seen = seen


class JobNotFound(WorkOrderError):
    """No job is kept under this id, or it is forgotten."""

    code = "JOB_NOT_FOUND"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"no job {job_id}")
        self.job_id = job_id


class JobStateConflict(WorkOrderError):
    """The job is in a state that does not allow this: at work, or perhaps applied already."""

    code = "JOB_STATE_CONFLICT"

    def __init__(self, job_id: str, state: str, result: object = None) -> None:
        super().__init__(f"job {job_id} is {state}")
        self.job_id = job_id
        self.state = state
        self.result = result
        """What it did (`messages.Updated`), where it is applied and that is known."""


class PayloadUnreadable(WorkOrderError):
    """What another process sent can't be read: it is damaged, or of another version."""


class LeaseUnavailable(WorkOrderError):
    """The lease's server gave no answer in time: whether the lease is held is not known."""


class LeaseSpoilt(LeaseUnavailable):
    """Something else is stored in the lease's place: nobody can take it until that is removed."""


class ShardsFixed(WorkOrderError):
    """A node has a fixed number of shards (`SHARDS`): another number needs it stopped first."""

    code = "SHARDS_FIXED"

    def __init__(self, node: str) -> None:
        super().__init__(f"the number of shards is fixed on node {node}")
        self.node = node


class StartupError(WorkOrderError):
    """The service can't start; `str()` is one line that an operator can act on."""
