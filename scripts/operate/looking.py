"""Commands that look: the service as a whole, what stands out, one order, the jobs, the nodes."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from scripts.operate.options import CHECK_UNKNOWN, FAILED, Shown, asking
from scripts.operate.overview import NODE, ask_status, hot_view, status_view, verdict
from scripts.operate.screen import console, facts, listing
from scripts.operate.service import Failed, ServiceAt, Unreachable, in_path
from scripts.operate.words import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

_UPDATE: Final = {
    "at": "when",
    "event": "what",
    "type": "type",
    "quantity": "quantity",
    "afterQuantity": "then",
    "seq": "seq",
    "code": "code",
    "jobId": "job",
}
_JOB: Final = {
    "jobId": "job",
    "order": "order",
    "error": "error",
    "change": "change",
    "attempts": "tries",
    "receivedAt": "received",
}
_TRY: Final = {"at": "when", "code": "code", "message": "error"}
_PAUSED: Final = {
    "waiting": "waiting",
    "oldest": "oldest",
    "since": "paused since",
    "who": "by",
    "reason": "why",
}
_AUDIT: Final = {
    "at": "when",
    "who": "by",
    "action": "what",
    "outcome": "outcome",
    "what": "of",
    "more": "more",
    "reason": "why",
}
_FOUND: Final = {
    "id": "order",
    "workOrderNo": "number",
    "status": "status",
    "progress": "progress, %",
    "inputQuantity": "input",
    "outputQuantity": "output",
    "planQuantity": "plan",
    "live": "in memory",
    "paused": "paused",
    "materialName": "material",
}
_LOCK: Final = {
    "workOrderId": "order",
    "workOrderNo": "number",
    "age": "held for, ms",
    "workerId": "node",
}
_OWNER: Final = {"since": "since", "node": "node", "epoch": "epoch", "url": "address"}
_MOMENT: Final = {
    "at": "when",
    "applied": "applied",
    "refused": "refused",
    "failed": "failed",
    "p50Ms": "p50, ms",
    "p99Ms": "p99, ms",
    "waiting": "waiting",
    "live": "live",
}
_MOMENTS: Final = 20
"""Rows of the history."""


class JobState(StrEnum):
    """What a job can be."""

    WAITING = "waiting"
    ACTIVE = "active"
    DELAYED = "delayed"
    COMPLETED = "completed"
    FAILED = "failed"


class SearchedBy(StrEnum):
    """What orders can be found by."""

    NUMBER = "number"
    BARCODE = "barcode"
    KEY = "key"
    OPERATOR = "operator"


@asking
def status(
    service: ServiceAt,
    check: Annotated[  # noqa: FBT002 -- an option
        bool,
        typer.Option(
            "--check", help="One line for monitors; exit 0 well, 1 warning, 2 critical, 3 unknown."
        ),
    ] = False,
) -> Shown:
    """Say what is wrong, who owns the actors, whether updates are served, and how much waits.

    Exit code 1 when updates are not served.
    """
    if check:
        _check(service)
    found = ask_status(service)
    return Shown(found, (status_view(found),), 0 if found["serving"] else FAILED)


def _check(service: ServiceAt) -> NoReturn:
    """Say in one line how it is, by a monitor's exit codes; who does not answer is not well."""
    try:
        code, line = verdict(ask_status(service))
    except Unreachable as error:
        code, line = 2, f"{say('CRITICAL')} - {error}"
    except Failed as error:
        code, line = CHECK_UNKNOWN, f"{say('UNKNOWN')} - {error}"
    console.print(line, markup=False, soft_wrap=True)
    raise typer.Exit(code)


@asking
def hot(
    service: ServiceAt,
    n: Annotated[int, typer.Option("-n", min=1, max=200, help="How many of each kind.")] = 10,
) -> Shown:
    """Show the orders that stand out: the deepest mailboxes, the slowest, the busiest."""
    found = service.get("/api/actors/hot", n=n)
    return Shown(found, (hot_view(found),))


@asking
def show(
    service: ServiceAt,
    order: Annotated[str, typer.Argument(help="Number or id of the order.")],
) -> Shown:
    """Show one order: its quantities, its actor, its last updates."""
    stored = service.get(f"/api/workorder/detail/{in_path(order)}")
    actor = service.get(f"/api/actors/{in_path(stored['id'])}")
    about = {name: value for name, value in actor.items() if name != "updates"}
    views = (
        facts("order", stored),
        "",
        facts("actor", about),
        "",
        listing("last updates", _UPDATE, actor.get("updates", [])),
    )
    return Shown({"order": stored, "actor": actor}, views)


@asking
def jobs(
    service: ServiceAt,
    state: Annotated[JobState, typer.Option(help="Which ones.")] = JobState.FAILED,
    order: Annotated[str | None, typer.Option(help="Of this order only, by number or id.")] = None,
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
    page_size: Annotated[int, typer.Option(min=1, max=200, help="Jobs on a page.")] = 20,
) -> Shown:
    """List jobs in one state, the failed ones unless told otherwise."""
    found = service.get(
        "/api/workorder/queue/jobs",
        state=state.value,
        workOrderId=order,
        page=page,
        pageSize=page_size,
    )
    title = say(
        "{state} jobs: {total}, page {page} of {pages}",
        state=state.value,
        total=found["total"],
        page=found["page"],
        pages=found["totalPages"],
    )
    return Shown(found, (listing(title, _JOB, list(map(_job, found["jobs"]))),))


@asking
def job(
    service: ServiceAt,
    job: Annotated[str, typer.Argument(help="Id of the job.")],
) -> Shown:
    """Show one job: what it is, each of its tries that failed, what became of it."""
    found = service.get(f"/api/workorder/queue/jobs/{in_path(job)}")
    parts = ("logContext", "result", "failures")
    about = {name: value for name, value in _job(found).items() if name not in parts}
    views: list[RenderableType] = [facts("job", about)]
    for name in ("logContext", "result"):
        if found[name]:
            views += ["", facts(name, found[name])]
    views += ["", listing("tries that failed", _TRY, found["failures"])]
    return Shown(found, tuple(views))


@asking
def search(
    service: ServiceAt,
    text: Annotated[
        str, typer.Argument(help="Of the order's number or id; without it, the newest.")
    ] = "",
    by: Annotated[SearchedBy, typer.Option(help="What the text is.")] = SearchedBy.NUMBER,
    n: Annotated[int, typer.Option("-n", min=1, max=100, help="How many.")] = 20,
) -> Shown:
    """Find orders in the store; without a text, list the newest."""
    found = service.get("/api/workorder/search", q=text, by=by.value, limit=n)
    views: list[RenderableType] = [listing("orders", _FOUND, found["orders"])]
    if found["more"] and text:
        views.append(say("there are more: say more of the number"))
    if not found["allSearched"]:
        views.append(say("not everything was searched: only the newest entries of the log"))
    return Shown(found, tuple(views))


@asking
def nodes(service: ServiceAt) -> Shown:
    """Show the nodes, and who owned the orders before."""
    found = service.get("/api/nodes")
    now = listing("nodes", NODE, found["nodes"])
    return Shown(found, (now, listing("owners before", _OWNER, found["ownerChanges"])))


@asking
def locks(
    service: ServiceAt,
    n: Annotated[int, typer.Option("-n", min=1, max=10_000, help="How many.")] = 20,
) -> Shown:
    """List the orders that live actors hold, oldest first."""
    found = service.get("/api/workorder/queue/locks", limit=n)
    return Shown(found, (listing("locks", _LOCK, found["locks"]),))


@asking
def history(
    service: ServiceAt,
    minutes: Annotated[int, typer.Option(min=1, max=60, help="How far to look back.")] = 15,
) -> Shown:
    """Show how much was done in the last minutes, and how long it took."""
    found = service.get("/api/history", minutes=minutes)
    return Shown(found, (listing("history", _MOMENT, _moments(found)),))


@asking
def paused(service: ServiceAt) -> Shown:
    """List what is paused: how much waits there, since when, by whom, and why."""
    found = service.get("/api/workorder/paused")
    everything = found["all"]
    whole = "all orders are processed" if everything is None else "ALL ORDERS ARE PAUSED"
    views: list[RenderableType] = [say(whole)]
    if everything is not None:
        views.append(listing("all", _PAUSED, [_by_whom(everything)]))
    rows = [{**_by_whom(each), **_named(each)} for each in found["orders"]]
    title = say("paused alone: {total}", total=found["total"])
    views.append(listing(title, {"order": "order", **_PAUSED}, rows))
    return Shown(found, tuple(views))


@asking
def audit(
    service: ServiceAt,
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
    page_size: Annotated[int, typer.Option(min=1, max=200, help="Actions on a page.")] = 20,
) -> Shown:
    """List what operators did, the latest first: who, when, why, and what it touched."""
    found = service.get("/api/audit", page=page, pageSize=page_size)
    rows = [
        {
            **_by_whom(each),
            "what": each["workOrderNo"] or each["workOrderId"] or each["jobId"],
            "more": _said(each),
        }
        for each in found["actions"]
    ]
    title = say(
        "actions: {total}, page {page} of {pages}",
        total=found["total"],
        page=found["page"],
        pages=found["totalPages"],
    )
    return Shown(found, (listing(title, _AUDIT, rows),))


# -- rows ------------------------------------------------------------------------------------


def _moments(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Join columns of samples to a few rows: rates are means, all else is the highest."""
    samples = len(found["at"])
    size = -(-samples // _MOMENTS) or 1
    rows = []
    for start in range(0, samples, size):
        row: dict[str, Any] = {"at": found["at"][start]}
        for name in filter("at".__ne__, _MOMENT):
            values = [each for each in found[name][start : start + size] if each is not None]
            row[name] = _joined(name, values)
        rows.append(row)
    return rows


def _joined(name: str, values: Sequence[float]) -> float | None:
    if not values:
        return None
    mean = name in {"applied", "refused", "failed"}
    return round(sum(values) / len(values), 1) if mean else max(values)


def _job(job: Mapping[str, Any]) -> dict[str, Any]:
    error = job.get("error")
    return {
        **job,
        "order": job["workOrderNo"] or job["workOrderId"],
        "change": f"{job['type']} {job['quantity']:+}",
        "error": None if error is None else f"{error['code']}: {error['message']}",
    }


def _by_whom(row: Mapping[str, Any]) -> dict[str, Any]:
    who = " ".join(each for each in (row.get("by"), row.get("address")) if each)
    return {**row, "who": who or None}


def _said(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row["touched"].items())


def _named(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"order": row["workOrderNo"] or row["workOrderId"]}
