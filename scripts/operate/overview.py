"""The service as a whole: what is asked of it, and how that looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.console import Group
from rich.text import Text

from scripts.operate.screen import console, facts, listing, shown
from scripts.operate.service import Failed
from scripts.operate.words import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

    from scripts.operate.service import ServiceAt

KINDS: Final = ("deepest", "slowest", "busiest")
ACTOR: Final = {
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
HOT: Final = {("slowMs" if key == "tookMs" else key): name for key, name in ACTOR.items()}
"""By the value that the slowest are sorted by."""
NODE: Final = {
    "node": "node",
    "role": "role",
    "epoch": "epoch",
    "url": "address",
    "lastHeard": "last heard",
}
_STYLES: Final = {"critical": "bold red", "warning": "yellow"}
_AROUND: Final = 6
"""Lines of a table that are no rows, and the one that may be below it."""


def ask_status(service: ServiceAt) -> dict[str, Any]:
    """Ask for health, nodes and alarms; for what waits, too, where there is who could say."""
    health = service.call("GET", "/health").body
    found = {"serving": health.get("serving") is True, "health": health}
    found["nodes"] = service.get("/api/nodes")
    found["alarms"] = service.get("/api/alarms")["alarms"]
    if found["serving"]:
        found["queue"] = service.get("/api/workorder/queue/stats")
        found["actors"] = service.get("/api/actors/stats")
    return found


def ask_hot(service: ServiceAt, count: int) -> dict[str, Any]:
    """Ask for the orders that stand out; for none while there is no owner."""
    try:
        hottest: dict[str, Any] = service.get("/api/actors/hot", n=count)
    except Failed:
        return {}
    return hottest


def status_view(found: Mapping[str, Any]) -> RenderableType:
    """Show all that `ask_status` gave, what is wrong first."""
    parts: list[RenderableType] = [
        alarms_view(found["alarms"]),
        facts("service", _about(found)),
        listing("nodes", NODE, found["nodes"]["nodes"]),
    ]
    if "actors" in found:
        parts.append(facts("work", _work(found)))
    return Group(*(each for part in parts for each in (part, "")))


def watch_view(found: Mapping[str, Any], height: int) -> RenderableType:
    """Show status and hot orders in `height` lines, with as many rows as find room."""
    status = found["status"]
    about = {**_about(status), **(_work(status) if "actors" in status else {})}
    line = ", ".join(f"{say(name)} {shown(value).plain}" for name, value in about.items())
    head = Group(alarms_view(status["alarms"], most=3), Text(line), "")
    left = height - len(console.render_lines(head, pad=False)) - 1
    kinds = KINDS if left >= len(KINDS) * (_AROUND + 1) else KINDS[:1]
    rows = max(1, left // len(kinds) - _AROUND)
    tables = [listing(kind, HOT, found["hot"].get(kind, []), most=rows) for kind in kinds]
    return Group(head, *tables)


def hot_view(found: Mapping[str, Any]) -> RenderableType:
    """Show the orders that stand out."""
    return Group(*(listing(kind, HOT, found.get(kind, [])) for kind in KINDS))


def alarms_view(alarms: Sequence[Mapping[str, Any]], *, most: int | None = None) -> RenderableType:
    """Show what is wrong: a line each, and below it what to do; in short where `most` is given."""
    if not alarms:
        return Text(f"{say('ALARMS')}: {say('none')}")
    lines: list[RenderableType] = [Text(f"{say('ALARMS')}: {len(alarms)}", style="bold")]
    for each in alarms[:most]:
        over = each.get("overS")
        since = (
            say("for {seconds} s", seconds=round(each["sinceS"]))
            if over is None
            else say("over for {seconds} s", seconds=round(over))
        )
        head = f"{each['severity']} {each['code']}, {since}: {each['message']}"
        lines.append(Text(head, style=_STYLES.get(each["severity"], "")))
        if most is None:
            order = f"{say('order {order}', order=each['workOrderId'])}. " * bool(
                each["workOrderId"]
            )
            itself = f"{each['itself']} " if each.get("itself") else ""
            lines.append(Text(f"  {order}{itself}{each['advice']}"))
    return Group(*lines)


def verdict(found: Mapping[str, Any]) -> tuple[int, str]:
    """Return a monitor's exit code, 0 well, 1 warning, 2 critical, and a line that says why."""
    wrong = [each for each in found["alarms"] if each.get("overS") is None]
    severities = {each["severity"] for each in wrong}
    critical = not found["serving"] or "critical" in severities
    code = 2 if critical else 1 if severities else 0
    word = say(("OK", "WARNING", "CRITICAL")[code])
    why = [_served(found), *(f"{each['code']}: {each['message']}" for each in wrong)]
    return code, f"{word} - {'; '.join(why)}"


def _served(found: Mapping[str, Any]) -> str:
    if found["serving"]:
        return say("served")
    return say("NOT SERVED: {reason}", reason=found["health"].get("reason"))


def _about(found: Mapping[str, Any]) -> dict[str, object]:
    health = found["health"]
    dependencies = (health.get("dependencies") or {}).values()
    return {
        "updates": _served(found),
        "owner": found["nodes"]["leaseHolder"],
        "lease left, ms": found["nodes"]["leaseLeftMs"],
        "paused": health.get("paused"),
        **{f"{each.get('name')}": _dependency(each) for each in dependencies},
    }


def _dependency(each: Mapping[str, Any]) -> str:
    if each.get("ok"):
        return "ok"
    return f"{each.get('detail')}, {say('for {seconds} s', seconds=each.get('since_s'))}"


def _work(found: Mapping[str, Any]) -> dict[str, object]:
    stats, queue = found["actors"], found["queue"]
    whole = stats["timesMs"]["total"]
    return {
        "updates per s": stats["updates"]["perSecond"],
        "took, ms (p50, p99)": f"{whole.get('p50')}, {whole.get('p99')}",
        "waiting": queue["waiting"],
        "at work": queue["active"],
        "delayed": queue["delayed"],
        "oldest wait, ms": stats["mailboxes"]["oldestWaitMs"],
        "live actors": stats["live"],
        "failed": stats["updates"]["failed"],
        "paused orders": stats["pausedOrders"],
    }
