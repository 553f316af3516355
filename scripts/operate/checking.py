"""Commands that check: the settings before a start, and a running service end to end."""

from __future__ import annotations

import secrets
import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from config.settings import SettingsError, load_settings
from scripts.operate.options import FAILED, Json, Timeout, Token, Url, told
from scripts.operate.screen import as_json, complaints, console, listing
from scripts.operate.service import Failed, Unreachable, in_path, service_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from scripts.operate.service import ServiceAt

settings = typer.Typer(help="The settings that a node started here would have.")


@settings.command("check")
def check_settings(*, as_text: Json = False) -> None:
    """List all settings and where each comes from, secrets masked; name every mistake.

    Exit code 1 when there is one.
    """
    try:
        shown = load_settings().describe()
    except SettingsError as error:
        if as_text:
            as_json({"ok": False, "mistakes": error.mistakes})
        for mistake in error.mistakes:
            complaints.print(mistake, style="red", markup=False)
        raise typer.Exit(FAILED) from None
    rows = [each._asdict() for each in shown]
    if as_text:
        as_json({"ok": True, "settings": rows})
        return
    columns = {"name": "setting", "value": "value", "source": "from", "description": "what it is"}
    console.print(listing("settings", columns, rows))


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried: how long it took in milliseconds, and what was wrong if it was."""

    name: str
    ok: bool
    ms: float
    detail: str


def smoke(
    order: Annotated[
        str | None,
        typer.Option(help="Id of an order: also add 1 to its input, and take it away again."),
    ] = None,
    *,
    url: Url = None,
    token: Token = None,
    timeout: Timeout = 30.0,
    as_text: Json = False,
) -> None:
    """Try a running service: its health, every page that reads, an update and its undo on request.

    Exit code 1 when something is wrong, 3 when nothing answers.
    """
    service = service_at(url, token, timeout)
    with told():
        service.call("GET", "/livez")
    checks = [_check(name, trial) for name, trial in _trials(service, order)]
    failed = [each for each in checks if not each.ok]
    if as_text:
        as_json({"ok": not failed, "checks": [asdict(each) for each in checks]})
    else:
        columns = {"name": "check", "ok": "ok", "ms": "ms", "detail": "detail"}
        console.print(listing(service.url, columns, [asdict(each) for each in checks]))
        console.print(f"{len(checks) - len(failed)} of {len(checks)} checks passed")
    if failed:
        raise typer.Exit(FAILED)


def _trials(service: ServiceAt, order: str | None) -> list[tuple[str, Callable[[], Any]]]:
    pages = [
        "/",
        "/health",
        "/readyz",
        "/api/node",
        "/api/nodes",
        "/api/actors",
        "/api/actors/stats",
        "/api/actors/hot",
        "/api/workorder/queue/stats",
        "/api/workorder/queue/locks",
        "/api/workorder/queue/jobs?state=failed",
    ]
    if order is not None:
        part = in_path(order)
        pages += [
            f"/api/workorder/detail/{part}",
            f"/api/workorder/quantity-logs/{part}",
            f"/api/actors/{part}",
        ]
    trials: list[tuple[str, Callable[[], Any]]] = [
        (page, partial(service.get, page)) for page in pages
    ]
    if order is not None:
        trials.append(("an update and its undo", partial(_update_and_undo, service, order)))
    return trials


def _check(name: str, trial: Callable[[], object]) -> Check:
    started = time.perf_counter()
    detail = ""
    try:
        trial()
    except (Failed, Unreachable, AssertionError) as error:
        detail = str(error)
    except (KeyError, TypeError) as error:
        detail = f"an answer of another shape: {error!r}"
    return Check(name, not detail, round((time.perf_counter() - started) * 1000, 1), detail)


def _update_and_undo(service: ServiceAt, order: str) -> None:
    """Add one and take it away, each sent twice with its key, and look at order and log."""
    before = _input_of(service, order)
    mark = f"smoke-{secrets.token_hex(8)}"
    for step, quantity in (("add", 1), ("undo", -1)):
        body = {
            "workOrderId": order,
            "type": "input",
            "quantity": quantity,
            "requestId": f"{mark}-{step}",
            "logContext": {"remark": "smoke test", "source": "API"},
        }
        first = service.post("/api/workorder/update-quantity", body)
        again = service.post("/api/workorder/update-quantity", body)
        if "seq" not in first:
            raise AssertionError("it was kept for later, not applied: processing is paused")
        if first["quantity"] != quantity:
            raise AssertionError(f"{quantity} was asked for, {first['quantity']} applied")
        if not again["replayed"] or again["seq"] != first["seq"]:
            raise AssertionError("the same key was counted twice")
        page = service.get(f"/api/workorder/quantity-logs/{in_path(order)}", pageSize=100)
        found = [each for each in page["logs"] if each.get("_id") == first["jobId"]]
        if len(found) != 1:
            raise AssertionError(f"the log has {len(found)} entries of job {first['jobId']}")
    after = _input_of(service, order)
    if before != after:
        raise AssertionError(f"input was {before} and is {after}: others may be at work on it")


def _input_of(service: ServiceAt, order: str) -> float:
    stored = service.get(f"/api/workorder/detail/{in_path(order)}")
    quantity: float = stored["inputQuantity"]
    return quantity
