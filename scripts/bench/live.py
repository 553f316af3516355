"""Make order actors live, over HTTP as callers would."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, Final

from scripts.bench.calls import BATCH_PATH, order_id

if TYPE_CHECKING:
    from collections.abc import Sequence

_BATCH: Final = 500


def make_live(port: int, orders: Sequence[int]) -> None:
    """Apply an input of 1 to each order (numbers); exits where the actors don't come to life."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        for first in range(0, len(orders), _BATCH):
            updates = [
                {
                    "workOrderId": order_id(index),
                    "type": "input",
                    "logContext": {"relatedBarcode": f"LIVE{index}"},
                }
                for index in orders[first : first + _BATCH]
            ]
            body = _call(connection, "POST", BATCH_PATH, {"updates": updates})
            if body["code"] != "UPDATED":
                raise SystemExit(f"actors could not be made live: {body['message']}")
        live = _call(connection, "GET", "/api/actors/stats")["data"]["live"]
    finally:
        connection.close()
    if live < len(orders):
        raise SystemExit(f"only {live} actors are live")


def _call(
    connection: HTTPConnection, method: str, path: str, body: object = None
) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer: dict[str, Any] = json.loads(connection.getresponse().read())
    return answer
