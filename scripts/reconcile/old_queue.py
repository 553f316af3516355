"""Jobs that the replaced service's queue still has in Redis: looked at, never touched."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from redis import Redis
from redis.exceptions import RedisError

from scripts.reconcile.findings import Finding, Kind
from scripts.reconcile.source import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATTERN: Final = "bull:*"
"""Bull's own prefix for its keys: `bull:<queue>:<what>`."""
_STATES: Final = {
    "wait": "waits",
    "active": "was being worked on",
    "paused": "waits in a paused queue",
    "delayed": "waits for its time",
    "failed": "failed, and its caller was told success",
}
_TIMEOUT_S: Final = 5.0
_MOST: Final = 1_000
"""Jobs of one list that are named one by one."""


def left_in_old_queue(url: str) -> Iterator[Finding]:
    """Tell of each job that is not done. Raises `Unreadable`."""
    try:
        with closing(Redis.from_url(url, socket_timeout=_TIMEOUT_S)) as redis:
            for key in sorted(redis.scan_iter(match=_PATTERN, count=1_000)):
                queue, _, state = key.decode(errors="replace").rpartition(":")
                if state in _STATES:
                    yield from _left(redis, key, queue, state)
    except RedisError as error:
        raise Unreadable(f"Redis: {error}") from error


def _left(redis: Any, key: bytes, queue: str, state: str) -> Iterator[Finding]:  # noqa: ANN401 -- the client's types are of both its APIs
    kind = redis.type(key)
    if kind == b"list":
        number, ids = redis.llen(key), redis.lrange(key, 0, _MOST - 1)
    elif kind == b"zset":
        number, ids = redis.zcard(key), redis.zrange(key, 0, _MOST - 1)
    else:
        return
    for each in ids:
        job = each.decode(errors="replace")
        data = _data(redis.hget(f"{queue}:{job}", "data"))
        change = f"{data.get('type')} {data.get('quantity')}: " if data else ""
        order = str(data.get("workOrderId") or "").lower()
        subject = f"{queue.removeprefix('bull:')} job {job}"
        yield Finding(Kind.OLD_QUEUE, order, "", subject, f"{change}{_STATES[state]}")
    if number > len(ids):
        detail = f"{number - len(ids)} more in {state}"
        yield Finding(Kind.OLD_QUEUE, "", "", queue.removeprefix("bull:"), detail)


def _data(raw: bytes | None) -> dict[str, Any]:
    try:
        data = json.loads(raw or b"")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
