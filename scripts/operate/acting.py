"""Commands that change something: pause, resume, retry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from actors.domain.model import Operation  # noqa: TC001 -- typer reads it at run time
from scripts.operate.options import Json, Timeout, Token, Url, told
from scripts.operate.screen import as_json, console
from scripts.operate.service import in_path, service_at

if TYPE_CHECKING:
    from scripts.operate.service import ServiceAt

Reason = Annotated[str | None, typer.Option(help="Why; kept with who did it.")]
OneOrAll = Annotated[str | None, typer.Argument(help="Id of one order; without it, all.")]


def pause(
    order: OneOrAll = None,
    *,
    reason: Reason = None,
    url: Url = None,
    token: Token = None,
    timeout: Timeout = 30.0,
    as_text: Json = False,
) -> None:
    """Stop the processing of one order's updates, or of all; what arrives waits, durably."""
    _turn("pause", order, reason, service_at(url, token, timeout), as_text=as_text)


def resume(
    order: OneOrAll = None,
    *,
    reason: Reason = None,
    url: Url = None,
    token: Token = None,
    timeout: Timeout = 30.0,
    as_text: Json = False,
) -> None:
    """Process updates again."""
    _turn("resume", order, reason, service_at(url, token, timeout), as_text=as_text)


def retry(
    job: Annotated[str | None, typer.Argument(help="Id of one failed job.")] = None,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="All that failed.")] = False,
    order: Annotated[str | None, typer.Option(help="With --failed: of this order, by id.")] = None,
    code: Annotated[str | None, typer.Option(help="With --failed: with this error code.")] = None,
    url: Url = None,
    token: Token = None,
    timeout: Timeout = 30.0,
    as_text: Json = False,
) -> None:
    """Let a failed job, or many, wait again behind all others."""
    if (job is None) is not failed:
        raise typer.BadParameter("give the id of a job, or --failed")
    if not failed and (order or code):
        raise typer.BadParameter("--order and --code go with --failed")
    with told():
        service = service_at(url, token, timeout)
        if job is not None:
            done = service.post(f"/api/workorder/queue/jobs/{in_path(job)}/retry")
            line = f"job {job} waits again"
        else:
            chosen = {"workOrderId": order, "errorCode": code}
            done = service.post(
                "/api/workorder/queue/retry-failed",
                {name: value for name, value in chosen.items() if value is not None},
            )
            line = f"{done['retried']} jobs wait again"
    if as_text:
        as_json(done)
    else:
        console.print(line, markup=False)


def operate(  # noqa: PLR0913 -- the options of a command
    order: Annotated[str, typer.Argument(help="Id of the order.")],
    operation: Annotated[Operation, typer.Argument(help="What to do with it.")],
    *,
    plan_quantity: Annotated[float | None, typer.Option("--plan", help="The new plan.")] = None,
    quantity: Annotated[float | None, typer.Option(help="Pieces of scrap; 1 if not said.")] = None,
    barcode: Annotated[str | None, typer.Option(help="Barcode of the scrap.")] = None,
    operator: Annotated[str | None, typer.Option(help="Who does it, for the log.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why, for the log.")] = None,
    key: Annotated[str | None, typer.Option(help="Key by which it is done once.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before.")] = False,
    url: Url = None,
    token: Token = None,
    timeout: Timeout = 30.0,
    as_text: Json = False,
) -> None:
    """Start, pause, resume, cancel or complete an order, change its plan, or count scrap."""
    if not yes:
        typer.confirm(f"{operation.value} of order {order}?", abort=True)
    context = {"relatedBarcode": barcode, "operatorName": operator, "reason": reason}
    asked = {
        "operation": operation.value,
        "planProductionQuantity": plan_quantity,
        "quantity": quantity,
        "logContext": _given(context),
        "requestId": key or str(uuid4()),
    }
    with told():
        done = service_at(url, token, timeout).post(
            f"/api/workorder/{in_path(order)}/operations", _given(asked)
        )
    if as_text:
        as_json(done)
    else:
        line = f"order {order}: {done['operation']}, {done['beforeStatus']} → {done['afterStatus']}"
        console.print(line, markup=False)


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _turn(
    what: str,
    order: str | None,
    reason: str | None,
    service: ServiceAt,
    *,
    as_text: bool,
) -> None:
    where = "queue" if order is None else in_path(order)
    with told():
        done = service.post(f"/api/workorder/{where}/{what}", reason=reason)
    if as_text:
        as_json(done)
        return
    which = "all orders" if order is None else f"order {order}"
    console.print(f"{which}: {'paused' if what == 'pause' else 'resumed'}", markup=False)
