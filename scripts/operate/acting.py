"""Commands that change something: orders, their processing, jobs, the log's level."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Final
from uuid import uuid4

import typer

from actors.domain.model import Operation  # noqa: TC001 -- typer reads it at run time
from scripts.operate.options import Shown, asking
from scripts.operate.screen import facts
from scripts.operate.service import ServiceAt, in_path
from scripts.operate.words import say

Reason = Annotated[str | None, typer.Option(help="Why; kept with who did it.")]
_HOUR_MS: Final = 3_600_000
Failed = Annotated[bool, typer.Option("--failed", help="All that failed.")]
OfOrder = Annotated[str | None, typer.Option("--order", help="With --failed: of this order.")]
WithCode = Annotated[str | None, typer.Option("--code", help="With --failed: with this error.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="With --failed: only say how many there are.")
]
_QUEUE: Final = "/api/workorder/queue"
_JOB_PATH: Final = f"{_QUEUE}/jobs/"


def is_at_a_terminal() -> bool:
    """Return whether somebody could answer a question."""
    return sys.stdin.isatty()


@asking
def pause(
    service: ServiceAt,
    order: Annotated[str | None, typer.Argument(help="Number or id of one order.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All orders, without asking.")] = False,
    reason: Reason = None,
) -> Shown:
    """Stop the processing of one order's updates, or of all; what arrives waits, durably.

    Without an order it asks first, and where nobody could answer it needs --all.
    """
    if order is not None and everything:
        raise typer.BadParameter(say("give an order or --all, not both"))
    if order is None and not everything:
        if not is_at_a_terminal():
            raise typer.BadParameter(say("name an order, or give --all to pause all orders"))
        typer.confirm(say("Pause ALL orders? What arrives will wait, durably."), abort=True)
    return _turned("pause", order, reason, service)


@asking
def resume(
    service: ServiceAt,
    order: Annotated[
        str | None, typer.Argument(help="Number or id of one order; without it, all.")
    ] = None,
    *,
    reason: Reason = None,
) -> Shown:
    """Process updates again."""
    return _turned("resume", order, reason, service)


@asking
def retry(
    service: ServiceAt,
    job: Annotated[str | None, typer.Argument(help="Id of one failed job.")] = None,
    *,
    failed: Failed = False,
    order: OfOrder = None,
    code: WithCode = None,
    dry_run: DryRun = False,
) -> Shown:
    """Let a failed job, or many, wait again behind all others."""
    _check_choice(job, failed=failed, narrowed=bool(order or code or dry_run))
    if job is not None:
        done = service.post(f"{_JOB_PATH}{in_path(job)}/retry")
        line = say("job {job} waits again", job=job)
    elif dry_run:
        done = service.get(f"{_QUEUE}/job-counts", workOrderId=order, code=code)
        line = say("{count} failed jobs would wait again", count=done["retryable"])
    else:
        done = service.post(f"{_QUEUE}/retry-failed", _given({"workOrderId": order, "code": code}))
        line = say("{count} jobs wait again", count=done["retried"])
    return Shown(done, (line,))


@asking
def remove(
    service: ServiceAt,
    job: Annotated[
        str | None, typer.Argument(help="Id of a job that waits, or that failed.")
    ] = None,
    *,
    failed: Failed = False,
    order: OfOrder = None,
    code: WithCode = None,
    dry_run: DryRun = False,
) -> Shown:
    """Take back a job that waits, or forget one that failed, or many; what is applied stays."""
    _check_choice(job, failed=failed, narrowed=bool(order or code or dry_run))
    if job is not None:
        done = service.delete(f"{_JOB_PATH}{in_path(job)}")
        what = "job {job}: taken back" if done["state"] == "waiting" else "job {job}: forgotten"
        line = say(what, job=job)
    elif dry_run:
        done = service.get(f"{_QUEUE}/job-counts", workOrderId=order, code=code)
        line = say("{count} failed jobs would be forgotten", count=done["failed"])
    else:
        asked = _given({"workOrderId": order, "code": code})
        done = service.post(f"{_QUEUE}/discard-failed", asked)
        line = say("{count} failed jobs are forgotten", count=done["discarded"])
    return Shown(done, (line,))


@asking
def clean(
    service: ServiceAt,
    hours: Annotated[
        float, typer.Option(min=0, help="Of what finished longer ago than so many hours.")
    ] = 24.0,
) -> Shown:
    """Forget finished jobs that are older, dead letters too, and never what waits."""
    done = service.post("/api/workorder/queue/clean", {"grace": round(hours * _HOUR_MS)})
    line = say("forgotten: what finished more than {hours} h ago", hours=f"{hours:g}")
    return Shown(done, (line,))


@asking
def log_level(
    service: ServiceAt,
    level: Annotated[str | None, typer.Argument(help="debug, info, warning, error…")] = None,
) -> Shown:
    """Show from which level on the node that answers logs, or change it until its next start."""
    path = "/api/log-level"
    found = service.get(path) if level is None else service.put(path, {"level": level})
    names = {"node": "node", "level": "level", "dropped": "lines lost"}
    view = facts("log", {heading: found[name] for name, heading in names.items()})
    return Shown(found, (view,))


@asking
def operate(  # noqa: PLR0913 -- the options of a command
    service: ServiceAt,
    order: Annotated[str, typer.Argument(help="Id of the order.")],
    operation: Annotated[Operation, typer.Argument(help="What to do with it.")],
    *,
    plan_quantity: Annotated[float | None, typer.Option("--plan", help="The new plan.")] = None,
    quantity: Annotated[float | None, typer.Option(help="Pieces of scrap; 1 if not said.")] = None,
    supplement: Annotated[
        float | None, typer.Option(help="Pieces of a supplement; all scrap if not said.")
    ] = None,
    barcode: Annotated[str | None, typer.Option(help="Barcode of the scrap.")] = None,
    operator: Annotated[str | None, typer.Option(help="Who does it, for the log.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why, for the log.")] = None,
    key: Annotated[str | None, typer.Option(help="Key by which it is done once.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before.")] = False,
) -> Shown:
    """Start, pause, resume, cancel or complete an order, change its plan, count scrap, or more."""
    if not yes:
        question = "{operation} of order {order}?"
        typer.confirm(say(question, operation=operation.value, order=order), abort=True)
    context = {"relatedBarcode": barcode, "operatorName": operator, "reason": reason}
    asked = {
        "operation": operation.value,
        "planProductionQuantity": plan_quantity,
        "quantity": quantity,
        "supplementQuantity": supplement,
        "logContext": _given(context),
        "requestId": key or str(uuid4()),
    }
    done = service.post(f"/api/workorder/{in_path(order)}/operations", _given(asked))
    line = say(
        "order {order}: {operation}, {before} → {after}",
        order=order,
        operation=done["operation"],
        before=done["beforeStatus"],
        after=done["afterStatus"],
    )
    return Shown(done, (line,))


def _check_choice(job: str | None, *, failed: bool, narrowed: bool) -> None:
    """Raise `BadParameter` unless one job is named, or many are chosen."""
    if (job is None) is not failed:
        raise typer.BadParameter("give the id of a job, or --failed")
    if not failed and narrowed:
        raise typer.BadParameter("--order, --code and --dry-run go with --failed")


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _turned(what: str, order: str | None, reason: str | None, service: ServiceAt) -> Shown:
    where = "queue" if order is None else in_path(order)
    done = service.post(f"/api/workorder/{where}/{what}", reason=reason)
    which = say("all orders") if order is None else say("order {order}", order=order)
    line = "{which}: paused" if what == "pause" else "{which}: resumed"
    return Shown(done, (say(line, which=which),))
