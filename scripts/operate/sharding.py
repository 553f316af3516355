"""Commands about the shards that the orders are cut into."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from actors.domain.slots import MAX_SHARDS
from scripts.operate.acting import Reason  # noqa: TC001 -- typer reads it at run time
from scripts.operate.options import FAILED, Shown, asking
from scripts.operate.screen import listing
from scripts.operate.service import Failed, ServiceAt, Unreachable
from scripts.operate.words import say

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATH: Final = "/api/shards"
_LOOKS_S: Final = 0.5
_SHARD: Final = {
    "shard": "shard",
    "node": "node",
    "epoch": "epoch",
    "leaseLeftMs": "lease left, ms",
    "ratePerSecond": "per s",
    "waiting": "waiting",
    "active": "active",
    "unlogged": "not logged yet",
}


@asking
def shards(service: ServiceAt) -> Shown:
    """Show the shards: who owns each, what waits there, and how much is done."""
    found = service.get(_PATH)
    return Shown(found, (_view(found),))


@asking
def reshard(
    service: ServiceAt,
    count: Annotated[int, typer.Argument(min=1, max=MAX_SHARDS, help="How many shards.")],
    *,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait until all are served.")
    ] = 60.0,
    reason: Reason = None,
) -> Shown:
    """Cut the orders into another number of shards while they are served; needs SHARDS=stored.

    May be given again: what a node or this command left half done is done by the nodes.
    """
    end = time.monotonic() + wait
    found = service.post(_PATH, {"shards": count}, reason=reason)
    while not _is_done(found, count):
        if time.monotonic() >= end:
            line = say("not all shards are served yet: see plan shards")
            return Shown(found, (line,), FAILED)
        time.sleep(_LOOKS_S)
        try:
            found = service.get(_PATH)
        except (Failed, Unreachable):
            continue  # the node that was asked may be between two maps
    return Shown(found, (_view(found),))


def _is_done(found: Mapping[str, Any], count: int) -> bool:
    rows = found.get("shards", [])
    done = found["count"] == count == len(rows) and found["planned"] is None
    return done and all(row["serving"] for row in rows)


def _view(found: Mapping[str, Any]) -> Any:  # noqa: ANN401 -- rich's
    rows = [{**row, **(row["counts"] or {})} for row in found["shards"]]
    title = say("shards: {count}, version {version} of the map", **found)
    if found["planned"] is not None:
        title = say("shards: {count}, {planned} to come", **found)
    return listing(title, _SHARD, rows)
