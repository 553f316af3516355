"""Replies about jobs."""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from actors.domain.model import ChangeType
from web.openapi.models.reply import HexId, Moment, reply
from web.openapi.models.work_orders import BoundedPage
from web.wire.log_context import BarcodeOperation, Source
from web.wire.queries import JOB_STATES


@reply
class JobContext(TypedDict):
    """What the caller said about a change; what is default is left out."""

    relatedBarcode: NotRequired[str]
    barcodeOperation: NotRequired[BarcodeOperation]
    processStepId: NotRequired[HexId]
    processName: NotRequired[str]
    processCode: NotRequired[str]
    operatorId: NotRequired[str]
    operatorName: NotRequired[str]
    reason: NotRequired[str]
    remark: NotRequired[str]
    ipAddress: NotRequired[str]
    userAgent: NotRequired[str]
    isAutomatic: NotRequired[bool]
    source: NotRequired[Source]


@reply
class JobError(TypedDict):
    """Why a job failed."""

    code: str
    message: str


@reply
class JobResult(TypedDict):
    """What a completed job did."""

    jobId: HexId
    quantity: float
    beforeQuantity: float
    afterQuantity: float
    beforeStatus: str | None
    afterStatus: str | None
    beforeProgress: float
    afterProgress: float
    seq: int
    replayed: bool


@reply
class Job(TypedDict):
    """An update that was kept to wait, and what became of it."""

    jobId: HexId
    workOrderId: HexId
    workOrderNo: str | None
    """Null where the order is not known, or has none."""
    state: Annotated[str, Field(json_schema_extra={"enum": list(JOB_STATES)})]
    type: ChangeType
    quantity: float
    logContext: JobContext
    requestId: str | None
    attempts: Annotated[int, Field(ge=0)]
    """Those that came to an end, under whichever owner, with the one that settled it."""
    receivedAt: Moment
    finishedAt: Moment | None
    deadLetter: bool
    error: JobError | None
    result: JobResult | None


@reply
class JobFailure(TypedDict):
    """An attempt at a job that failed, and when it ended."""

    at: Moment
    code: str
    message: str


@reply
class JobDetail(Job):
    """A job, its attempts that failed, and by what its lines in the log are found."""

    failures: list[JobFailure]
    """The last ten at most, in their order; an attempt that a change of owner cut short is none."""
    httpRequestId: str | None
    """`X-Request-Id` of the call that brought it; null where that is not known any more."""


@reply
class JobCounts(TypedDict):
    """How many jobs there are in each state."""

    waiting: Annotated[int, Field(ge=0)]
    active: Annotated[int, Field(ge=0)]
    delayed: Annotated[int, Field(ge=0)]
    completed: Annotated[int, Field(ge=0)]
    failed: Annotated[int, Field(ge=0)]
    """As many are forgotten where they are discarded by the same filter."""
    retryable: Annotated[int, Field(ge=0)]
    """Of the failed ones those that wait again where they are retried by the same filter."""


@reply
class JobPage(BoundedPage):
    """A page of the jobs in one state."""

    jobs: list[Job]


@reply
class ForgottenJob(TypedDict):
    """The job that is forgotten, and the state that it was in: waiting, or failed."""

    jobId: HexId
    state: Annotated[str, Field(json_schema_extra={"enum": ["waiting", "failed"]})]


@reply
class Retried(TypedDict):
    """How many jobs wait again."""

    retried: Annotated[int, Field(ge=0)]


@reply
class Discarded(TypedDict):
    """How many failed jobs are forgotten."""

    discarded: Annotated[int, Field(ge=0)]
