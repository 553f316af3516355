"""What happens, as it happens: server-sent events, at the reader's pace."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

import orjson

from web.app_context import CONTEXT
from web.cluster.relayed import RELAYED
from web.openapi import parameters
from web.route import ORDER, Route
from web.routes.actors import event_fields
from web.wire.streams import STREAMS

if TYPE_CHECKING:
    from aiohttp import web

    from actors.engine import Engine
    from actors.telemetry.journal import Journal

_LOOKS_S: Final = 0.25
_AT_ONCE: Final = 500
"""Events between two looks at most; of what is more, the number is told."""
_SILENCE_S: Final = 10.0
_LAST_ID: Final = re.compile(r"([0-9a-f]{8})-([0-9]{1,15})")


async def events(request: web.Request) -> web.StreamResponse:
    """Send applied, refused and failed updates, changes of owner and pauses, from now on.

    With `Last-Event-ID`, as browsers send it, from there on.
    """
    node, relayed = request.app[CONTEXT].node, request.get(RELAYED)
    async with request.app[STREAMS].open(request) as stream:
        journal = node.telemetry.journal
        number = _begin(request, journal)
        await stream.send(b"retry: 2000\n\n" + _event("state", _state(node)))
        spoke = time.monotonic()
        while await stream.goes_on(_LOOKS_S):
            missed, found = journal.after(number, _AT_ONCE)
            number = journal.count
            frames = [_event("missed", {"count": missed})] if missed else []
            if relayed is not None and (others := relayed.take()):
                frames.append(others)
            first = number - len(found) + 1
            frames += [
                _event(each.event, event_fields(each), f"{journal.name}-{first + index}")
                for index, each in enumerate(found)
            ]
            if not frames and time.monotonic() - spoke >= _SILENCE_S:
                frames.append(b": all is quiet\n\n")
            if frames:
                spoke = time.monotonic()
                await stream.send(b"".join(frames))
        return stream.response


def _begin(request: web.Request, journal: Journal) -> int:
    last = _LAST_ID.fullmatch(request.headers.get("Last-Event-ID", ""))
    if last is not None and last[1] == journal.name:
        return min(int(last[2]), journal.count)
    return journal.count


def _state(node: Engine) -> dict[str, object]:
    status = node.status()
    return {
        "node": status.node,
        "role": status.role.value,
        "epoch": status.epoch,
        "paused": status.paused,
    }


def _event(name: str, data: object, event_id: str = "") -> bytes:
    head = f"id: {event_id}\nevent: {name}\n" if event_id else f"event: {name}\n"
    return head.encode() + b"data: " + orjson.dumps(data) + b"\n\n"


ROUTES: Final = (
    Route(
        name="events",
        method="GET",
        path="/api/events",
        handler=events,
        needs="stream",
        tag="Nodes",
        reply=str,
        parameters=(parameters.LAST_EVENT,),
        bare=True,
        media="text/event-stream",
        example=f'event: applied\ndata: {{"workOrderId": "{ORDER}", "afterQuantity": 1}}\n\n',
    ),
)
