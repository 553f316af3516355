"""Commands that look: the service as a whole, what stands out, one order, the jobs."""

from __future__ import annotations

import re
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Group
from rich.live import Live

from scripts.operate.options import FAILED, Json, Timeout, Token, Url, told
from scripts.operate.screen import as_json, complaints, console, facts, listing
from scripts.operate.service import Failed, in_path, service_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from scripts.operate.service import ServiceAt

_ID: Final = re.compile(r"[0-9a-fA-F]{24}")
_ACTOR: Final = {
    "workOrderId": "order",
    "workOrderNo": "number",
    "state": "state",
    "depth": "waiting",
    "oldestWaitMs": "oldest, ms",
    "ratePerSecond": "per s",
    "tookMs": "took, ms",
    "handled": "handled",
    "failed": "failed",
}
_HOT: Final = {**_ACTOR, "slowMs": "slow, ms"}
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
_ALARM: Final = {
    "severity": "alarm",
    "code": "code",
    "sinceS": "for, s",
    "overS": "over for, s",
    "message": "what is wrong",
    "workOrderId": "order",
    "itself": "by itself",
    "advice": "what to do",
}
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
_JOB: Final = {
    "jobId": "job",
    "workOrderId": "order",
    "change": "change",
    "attempts": "tries",
    "receivedAt": "received",
    "error": "error",
}


class JobState(StrEnum):
    """What a job can be."""

    WAITING = "waiting"
    ACTIVE = "active"
    DELAYED = "delayed"
    COMPLETED = "completed"
    FAILED = "failed"


def status(
    *, url: Url = None, token: Token = None, timeout: Timeout = 30.0, as_text: Json = False
) -> None:
    """Say what is wrong, who owns the actors, whether updates are served, and how much waits.

    Exit code 1 when updates are not served.
    """
    with told():
        found = _status(service_at(url, token, timeout))
    if as_text:
        as_json(found)
    else:
        console.print(_status_view(found))
    if not found["serving"]:
        raise typer.Exit(FAILED)


def hot(
    n: Annotated[int, typer.Option("-n", min=1, max=200, help="How many of each kind.")] = 10,
    *,
    url: Url = None,
    token: Token = None,
    timeout: Timeout = 30.0,
    as_text: Json = False,
) -> None:
    """Show the orders that stand out: the deepest mailboxes, the slowest, the busiest."""
    with told():
        found = service_at(url, token, timeout).get("/api/actors/hot", n=n)
    if as_text:
        as_json(found)
        return
    console.print(_hot_view(found))


def show(
    order: Annotated[str, typer.Argument(help="Id of the order, or the number of a live one.")],
    *,
    url: Url = None,
    token: Token = None,
    timeout: Timeout = 30.0,
    as_text: Json = False,
) -> None:
    """Show one order: its quantities, its actor, its last updates."""
    with told():
        service = service_at(url, token, timeout)
        order_id = in_path(_id_of(service, order))
        stored = service.get(f"/api/workorder/detail/{order_id}")
        actor = service.get(f"/api/actors/{order_id}")
    if as_text:
        as_json({"order": stored, "actor": actor})
        return
    updates = actor.pop("updates", [])
    console.print(
        facts("order", stored),
        facts("actor", actor),
        listing("last updates", _UPDATE, updates),
        sep="\n\n",
    )


def jobs(
    state: Annotated[JobState, typer.Option(help="Which ones.")] = JobState.FAILED,
    order: Annotated[str | None, typer.Option(help="Of this order only, by id.")] = None,
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
    page_size: Annotated[int, typer.Option(min=1, max=200, help="Jobs on a page.")] = 20,
    *,
    url: Url = None,
    token: Token = None,
    timeout: Timeout = 30.0,
    as_text: Json = False,
) -> None:
    """List jobs in one state, the failed ones unless told otherwise."""
    with told():
        found = service_at(url, token, timeout).get(
            "/api/workorder/queue/jobs",
            state=state.value,
            workOrderId=order,
            page=page,
            pageSize=page_size,
        )
    if as_text:
        as_json(found)
        return
    rows = [
        {**job, "change": f"{job['type']} {job['quantity']:+}", "error": _reason(job)}
        for job in found["jobs"]
    ]
    title = f"{state.value} jobs: {found['total']}, page {found['page']} of {found['totalPages']}"
    console.print(listing(title, _JOB, rows))


def paused(
    *, url: Url = None, token: Token = None, timeout: Timeout = 30.0, as_text: Json = False
) -> None:
    """List what is paused: how much waits there, since when, by whom, and why."""
    with told():
        found = service_at(url, token, timeout).get("/api/workorder/paused")
    if as_text:
        as_json(found)
        return
    everything = found["all"]
    console.print("all orders are processed" if everything is None else "ALL ORDERS ARE PAUSED")
    if everything is not None:
        console.print(listing("all", _PAUSED, [_by_whom(everything)]))
    rows = [{**_by_whom(each), **_named(each)} for each in found["orders"]]
    console.print(listing(f"paused alone: {found['total']}", {"order": "order", **_PAUSED}, rows))


def audit(
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
    page_size: Annotated[int, typer.Option(min=1, max=200, help="Actions on a page.")] = 20,
    *,
    url: Url = None,
    token: Token = None,
    timeout: Timeout = 30.0,
    as_text: Json = False,
) -> None:
    """List what operators did, the latest first: who, when, why, and what it touched."""
    with told():
        found = service_at(url, token, timeout).get("/api/audit", page=page, pageSize=page_size)
    if as_text:
        as_json(found)
        return
    rows = [
        {**_by_whom(each), "what": each["workOrderId"] or each["jobId"], "more": _said(each)}
        for each in found["actions"]
    ]
    title = f"actions: {found['total']}, page {found['page']} of {found['totalPages']}"
    console.print(listing(title, _AUDIT, rows))


def watch(
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks.")] = 1.0,
    looks: Annotated[int, typer.Option(min=0, help="End after so many; 0 goes on.")] = 0,
    *,
    url: Url = None,
    token: Token = None,
    timeout: Timeout = 30.0,
    as_text: Json = False,
) -> None:
    """Show status and hot orders, again and again, until Ctrl-C; with --json a line each time."""
    service = service_at(url, token, timeout)
    with told(), Live(console=complaints if as_text else console, auto_refresh=False) as live:
        count = 0
        while True:
            count += 1
            found = {"status": _status(service), "hot": _hot(service)}
            if as_text:
                as_json(found, in_one_line=True)
            else:
                view = Group(_status_view(found["status"]), "", _hot_view(found["hot"]))
                live.update(view, refresh=True)
            if count == looks:
                return
            time.sleep(every)


# -- what is asked, and how it looks ---------------------------------------------------------


def _status(service: ServiceAt) -> dict[str, Any]:
    health = service.call("GET", "/health").body
    found = {"serving": health.get("serving") is True, "health": health}
    found["nodes"] = service.get("/api/nodes")
    found["alarms"] = service.get("/api/alarms")["alarms"]
    if found["serving"]:  # else there is nobody who could say
        found["queue"] = service.get("/api/workorder/queue/stats")
        found["actors"] = service.get("/api/actors/stats")
    return found


def _hot(service: ServiceAt) -> dict[str, Any]:
    try:
        hottest: dict[str, Any] = service.get("/api/actors/hot", n=5)
    except Failed:  # while there is no owner
        return {}
    return hottest


def _status_view(found: Mapping[str, Any]) -> RenderableType:
    health = found["health"]
    about = {
        "updates": "served" if found["serving"] else f"NOT SERVED: {health.get('reason')}",
        "owner": found["nodes"]["leaseHolder"],
        "lease left, ms": found["nodes"]["leaseLeftMs"],
        "paused": health.get("paused"),
        **{
            f"{each.get('name')}": "ok"
            if each.get("ok")
            else f"{each.get('detail')}, for {each.get('since_s')} s"
            for each in (health.get("dependencies") or {}).values()
        },
    }
    parts: list[RenderableType] = [
        listing("ALARMS", _ALARM, found["alarms"]),
        facts("service", about),
        listing(
            "nodes",
            {
                "node": "node",
                "role": "role",
                "epoch": "epoch",
                "url": "address",
                "lastHeard": "last heard",
            },
            found["nodes"]["nodes"],
        ),
    ]
    if "actors" in found:
        stats, queue = found["actors"], found["queue"]
        whole = stats["timesMs"]["total"]
        parts.append(
            facts(
                "work",
                {
                    "updates per s": stats["updates"]["perSecond"],
                    "took, ms (p50, p99)": f"{whole.get('p50')}, {whole.get('p99')}",
                    "waiting": queue["waiting"],
                    "at work": queue["active"],
                    "delayed": queue["delayed"],
                    "oldest wait, ms": stats["mailboxes"]["oldestWaitMs"],
                    "live actors": stats["live"],
                    "failed": stats["updates"]["failed"],
                    "paused orders": stats["pausedOrders"],
                },
            )
        )
    return Group(*(each for part in parts for each in (part, "")))


def _hot_view(found: Mapping[str, Any]) -> RenderableType:
    kinds = ("deepest", "slowest", "busiest")
    return Group(*(listing(kind, _HOT, found.get(kind, [])) for kind in kinds))


def _id_of(service: ServiceAt, order: str) -> str:
    if _ID.fullmatch(order):
        return order
    found = service.get("/api/actors", search=order, pageSize=200)["actors"]
    ids = [each["workOrderId"] for each in found if each["workOrderNo"] == order]
    if len(ids) != 1:
        raise Failed(404, "WORK_ORDER_NOT_FOUND", f"no live order has the number {order}: use ids")
    return str(ids[0])


def _by_whom(row: Mapping[str, Any]) -> dict[str, Any]:
    who = " ".join(each for each in (row.get("by"), row.get("address")) if each)
    return {**row, "who": who or None}


def _said(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row["touched"].items())


def _named(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"order": row["workOrderNo"] or row["workOrderId"]}


def _reason(job: Mapping[str, Any]) -> str | None:
    error = job.get("error")
    return None if error is None else f"{error['code']}: {error['message']}"
