"""Commands that go on: the service at each look, and what happens as it happens."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.live import Live

from scripts.operate.options import Json, Timeout, Token, Url, told
from scripts.operate.overview import ask_hot, ask_status, watch_view
from scripts.operate.screen import as_json, complaints, console, shown
from scripts.operate.service import service_at

_MOST_HOT = 50


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
            found = {"status": ask_status(service), "hot": ask_hot(service, _MOST_HOT)}
            if as_text:
                as_json(found, in_one_line=True)
            else:
                live.update(watch_view(found, console.height), refresh=True)
            if count == looks:
                return
            time.sleep(every)


def events(
    count: Annotated[int, typer.Option(min=0, help="End after so many; 0 goes on.")] = 0,
    *,
    url: Url = None,
    token: Token = None,
    timeout: Timeout = 30.0,
    as_text: Json = False,
) -> None:
    """Show updates, refusals, pauses and changes of owner as they happen, until Ctrl-C.

    With --json a line each.
    """
    with told():
        found = service_at(url, token, timeout).follow("/api/events")
        for number, (name, data) in enumerate(found, 1):
            if as_text:
                as_json({"event": name, **data}, in_one_line=True)
            else:
                told_of = [data.get("at"), name, data.get("workOrderNo") or data.get("workOrderId")]
                rest = ("type", "quantity", "afterQuantity", "code", "detail", "node", "count")
                told_of += [f"{key}={data[key]}" for key in rest if data.get(key) is not None]
                line = " ".join(shown(each).plain for each in told_of if each)
                console.print(line, markup=False, soft_wrap=True)
            if number == count:
                return
