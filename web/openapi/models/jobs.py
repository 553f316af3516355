"""Replies about jobs."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 -- pydantic reads it
from typing import Literal

from pydantic import Field

from actors.domain.model import ChangeType  # noqa: TC001 -- pydantic reads it
from web.openapi.models.reply import HexId, Reply
from web.openapi.models.work_orders import Page
from web.wire.schemas import BarcodeOperation, Source

JobStateName = Literal["waiting", "active", "delayed", "completed", "failed"]


class JobContext(Reply):
    """What the caller said about a change; what is default is left out."""

    related_barcode: str = ""
    barcode_operation: BarcodeOperation = BarcodeOperation.OTHER
    process_step_id: HexId = ""
    process_name: str = ""
    process_code: str = ""
    operator_id: str = ""
    operator_name: str = ""
    reason: str = ""
    remark: str = ""
    ip_address: str = ""
    user_agent: str = ""
    is_automatic: bool = True
    source: Source = Source.SYSTEM


class JobError(Reply):
    """Why a job failed."""

    code: str
    message: str


class JobResult(Reply):
    """What a completed job did."""

    job_id: HexId
    quantity: float
    before_quantity: float
    after_quantity: float
    before_status: str | None
    after_status: str | None
    before_progress: float
    after_progress: float
    seq: int
    replayed: bool


class Job(Reply):
    """An update that was kept to wait, and what became of it."""

    job_id: HexId
    work_order_id: HexId
    state: JobStateName
    type: ChangeType
    quantity: float
    log_context: JobContext
    request_id: str | None
    attempts: int = Field(ge=0)
    received_at: datetime
    finished_at: datetime | None
    dead_letter: bool
    error: JobError | None
    result: JobResult | None


class JobPage(Page):
    """A page of the jobs in one state."""

    jobs: list[Job]


class ForgottenJob(Reply):
    """The job that is forgotten."""

    job_id: HexId


class Retried(Reply):
    """How many jobs wait again."""

    retried: int = Field(ge=0)
