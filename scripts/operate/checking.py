"""Commands that check: the settings before a start, and a running service end to end."""

from __future__ import annotations

import json
import os
import secrets
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from config.settings.settings import SettingsError, environment_fields, load_settings
from scripts.operate.options import FAILED, Json, Shown, asking
from scripts.operate.screen import as_json, complaints, console, listing
from scripts.operate.service import Failed, ServiceAt, Unreachable, in_path
from scripts.operate.words import say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_OUTCOME_UNKNOWN: Final = frozenset({500, 504})
settings = typer.Typer(help="The settings that a node started here would have.")


EnvFile = Annotated[
    Path | None,
    typer.Option(
        "--env-file",
        exists=True,
        dir_okay=False,
        readable=True,
        help="File of NAME=value lines, as for systemd and pm2; goes before the environment.",
    ),
]


@settings.command("check")
def check_settings(*, env_file: EnvFile = None, as_text: Json = False) -> None:
    """List all settings and where each comes from, secrets masked; name every mistake.

    Exit code 1 when there is one.
    """
    given = {} if env_file is None else _lines_of(env_file)
    strangers = sorted(given.keys() - environment_fields().keys())
    try:
        shown = load_settings({**os.environ, **given}).describe()
    except SettingsError as error:
        if as_text:
            as_json({"ok": False, "mistakes": error.mistakes, "unknown": strangers})
        for mistake in error.mistakes:
            complaints.print(mistake, style="red", markup=False)
        raise typer.Exit(FAILED) from None
    rows = [
        {**each._asdict(), "source": str(env_file) if given.get(each.name) else each.source}
        for each in shown
    ]
    if as_text:
        as_json({"ok": True, "settings": rows, "unknown": strangers})
        return
    columns = {"name": "setting", "value": "value", "source": "from", "description": "what it is"}
    console.print(listing("settings", columns, rows))
    if strangers:
        names = ", ".join(strangers)
        line = say("no settings of the service: {names}", names=names)
        complaints.print(line, style="yellow", markup=False)


def _lines_of(file: Path) -> dict[str, str]:
    """Read NAME=value lines; blank ones and those that begin with # are left out."""
    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried: how long it took in milliseconds, and what was wrong if it was."""

    name: str
    ok: bool
    ms: float
    detail: str


@asking
def smoke(
    service: ServiceAt,
    order: Annotated[
        str | None,
        typer.Option(
            help="Number or id of an order: also add 1 to its input, and take it away again."
        ),
    ] = None,
) -> Shown:
    """Try a running service: its health, every page that reads, an update and its undo on request.

    Exit code 1 when something is wrong, 3 when nothing answers.
    """
    checks = [_check(name, trial) for name, trial in _trials(service, order)]
    failed = [each for each in checks if not each.ok]
    rows = [asdict(each) for each in checks]
    columns = {"name": "check", "ok": "ok", "ms": "ms", "detail": "detail"}
    passed = len(checks) - len(failed)
    views = (
        listing(service.url, columns, rows),
        say("{passed} of {all} checks passed", passed=passed, all=len(checks)),
    )
    return Shown({"ok": not failed, "checks": rows}, views, FAILED if failed else 0)


def _trials(service: ServiceAt, order: str | None) -> list[tuple[str, Callable[[], Any]]]:
    """Return what is to be tried: every page that reads, as the service itself lists them."""
    listed = [str(each).partition(" ") for each in service.get("/")["endpoints"].values()]
    trials: list[tuple[str, Callable[[], Any]]] = []
    for path in (path for method, _, path in listed if method == "GET"):
        if "{id}" not in path:
            trials.append((path, partial(_look, service, path)))
        elif "/queue/jobs/" in path:
            trials.append((path, partial(_look_at_a_job, service, path)))
        elif order is not None:
            trials.append((path, partial(_look, service, path.replace("{id}", in_path(order)))))
    if order is not None:
        trials.append(("an update and its undo", partial(_update_and_undo, service, order)))
    return trials


def _look(service: ServiceAt, path: str) -> None:
    text = service.text(path)
    if not text.strip():
        raise AssertionError("an empty page")
    if text.startswith("{") and json.loads(text).get("success", True) is not True:
        raise AssertionError("200, but not a success")


def _look_at_a_job(service: ServiceAt, path: str) -> None:
    """Look at whichever job there is; without one, at what the service says of none."""
    for state in ("failed", "completed"):
        for job in service.get("/api/workorder/queue/jobs", state=state, pageSize=1)["jobs"]:
            return _look(service, path.replace("{id}", in_path(job["jobId"])))
    try:
        service.get(path.replace("{id}", "0" * 24))
    except Failed as error:
        if error.code != "JOB_NOT_FOUND":
            raise
    return None


def _check(name: str, trial: Callable[[], object]) -> Check:
    started = time.perf_counter()
    detail = ""
    try:
        trial()
    except (Failed, Unreachable, AssertionError) as error:
        detail = str(error)
    except (KeyError, TypeError, ValueError) as error:
        detail = f"an answer of another shape: {error!r}"
    return Check(name, not detail, round((time.perf_counter() - started) * 1000, 1), detail)


def _update_and_undo(service: ServiceAt, order: str) -> None:
    """Add one and take it away, each sent twice with its key, and look at order and log."""
    order = str(service.get(f"/api/workorder/detail/{in_path(order)}")["id"])
    queue = service.get("/api/workorder/queue/stats")
    if queue["paused"] or order in queue["pausedOrders"]:
        raise AssertionError("not tried: processing is paused")
    before = _input_of(service, order)
    mark = f"smoke-{secrets.token_hex(8)}"
    added = _change(service, order, 1, f"{mark}-add")
    try:
        _see_it_once(service, order, added)
    finally:
        # What was applied must not stay, whatever else is wrong.
        undone = _change(service, order, -1, f"{mark}-undo")
    _see_it_once(service, order, undone)
    after = _input_of(service, order)
    if before != after:
        raise AssertionError(f"input was {before} and is {after}: others may be at work on it")


@dataclass(frozen=True, slots=True)
class _Change:
    """One change as it was sent, and its answer."""

    body: Mapping[str, Any]
    answer: Mapping[str, Any]


def _change(service: ServiceAt, order: str, quantity: int, request_id: str) -> _Change:
    body = {
        "workOrderId": order,
        "type": "input",
        "quantity": quantity,
        "requestId": request_id,
        "logContext": {"remark": "smoke test", "source": "API"},
    }
    try:
        return _Change(body, service.post("/api/workorder/update-quantity", body))
    except (Failed, Unreachable) as error:
        if isinstance(error, Failed) and error.status not in _OUTCOME_UNKNOWN:
            raise
        raise AssertionError(f"{error}: look whether the log has the key {request_id}") from error


def _see_it_once(service: ServiceAt, order: str, change: _Change) -> None:
    """Send it again, and look into the log."""
    asked, first = change.body["quantity"], change.answer
    if "seq" not in first:
        raise AssertionError("it was kept for later, not applied: processing is paused")
    if first["quantity"] != asked:
        raise AssertionError(f"{asked} was asked for, {first['quantity']} applied")
    again = service.post("/api/workorder/update-quantity", change.body)
    if not again["replayed"] or again["seq"] != first["seq"]:
        raise AssertionError("the same key was counted twice")
    page = service.get(f"/api/workorder/quantity-logs/{in_path(order)}", pageSize=100)
    found = [each for each in page["logs"] if each.get("_id") == first["jobId"]]
    if len(found) != 1:
        raise AssertionError(f"the log has {len(found)} entries of job {first['jobId']}")


def _input_of(service: ServiceAt, order: str) -> float:
    stored = service.get(f"/api/workorder/detail/{in_path(order)}")
    quantity: float = stored["inputQuantity"]
    return quantity
