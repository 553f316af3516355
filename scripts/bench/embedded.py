"""Seed and check the embedded store, by the means its users have: the import and the HTTP API."""

from __future__ import annotations

import subprocess
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import orjson
from bson import json_util

from scripts.bench.calls import QUANTITY, order_id
from scripts.bench.orders import Check, order_document
from scripts.bench.processes import ChildFailedError, child

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_IMPORT_S = 60


def seed(directory: Path, count: int) -> None:
    """Import `count` fresh orders into the store in `directory`/data."""
    lines = directory / "orders.jsonl"
    with lines.open("w", encoding="utf-8") as out:
        for index in range(count):
            out.write(json_util.dumps(order_document(index), ensure_ascii=False) + "\n")
    log = directory / "import.log"
    env = {"DATA_DIR": str(directory / "data")}
    with child(["-m", "scripts.import_orders", str(lines)], log, env) as process:
        try:
            status = process.wait(_IMPORT_S)
        except subprocess.TimeoutExpired:
            status = None
    if status != 0:
        raise ChildFailedError(f"import ended with status {status}", log)


def check(port: int, acknowledged: Sequence[Sequence[int]], unknown: int) -> Check:
    """Compare the orders called, as the service shows them, with what was answered.

    Barcodes are not compared: that would page through the whole log.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    in_orders = log_entries = orders_off = logs_off = 0
    try:
        for at, counts in enumerate(acknowledged):
            order = order_id(at)
            detail = _get(connection, f"/api/workorder/detail/{order}")
            logs = _get(connection, f"/api/workorder/quantity-logs/{order}?pageSize=1")
            held = [detail["inputQuantity"], detail["outputQuantity"]]
            in_orders += sum(held)
            log_entries += logs["total"]
            orders_off += held != [count * QUANTITY for count in counts]
            logs_off += sum(held) != logs["total"] * QUANTITY
    finally:
        connection.close()
    return Check(
        acknowledged=sum(map(sum, acknowledged)),
        unknown=unknown,
        in_orders=in_orders,
        log_entries=log_entries,
        orders_off=orders_off,
        logs_off=logs_off,
        doubled=0,
    )


def _get(connection: HTTPConnection, path: str) -> Any:  # noqa: ANN401  JSON
    connection.request("GET", path)
    body = orjson.loads(connection.getresponse().read())
    return body["data"]
