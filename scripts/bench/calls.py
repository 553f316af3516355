"""The calls the main service makes, as complete HTTP/1.1 requests, each one different."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence

PATH = "/api/workorder/update-quantity"
QUANTITY = 1
_FIRST_ORDER = 0xBE0C_0000_0000_0000_0000_0000
_STEPS = 4
# Stand-ins of the width of what replaces them, so that every body of a template has one
# length and a request is one bytes-formatting.
_ORDER_MARK = "@" * 24
_NUMBER_MARK = "#" * 10


def order_id(index: int) -> str:
    """Return the id of the bench's order number `index`, 24 lower-case hex digits."""
    return f"{_FIRST_ORDER + index:024x}"


@dataclass(frozen=True, slots=True)
class Shape:
    """What the calls look like."""

    keyed: bool
    """Send a `requestId` of its own with every call."""
    scan: bool
    """First-step scans only, which makes the service look for an earlier scan."""


class Call(NamedTuple):
    """One request and what it will have changed once it is acknowledged."""

    payload: bytes
    order: int
    """Position among the orders called, from 0."""
    is_output: bool


def _log_context(step: int, *, scan: bool, run: str) -> dict[str, object]:
    return {
        "relatedBarcode": f"SN{run}{_NUMBER_MARK}",
        "barcodeOperation": "SCAN_PROCESS" if scan else "SCAN_BATCH_DOC",
        "processStepId": f"5f0c{step:020x}",
        "processName": f"组装工序{step}",
        "processCode": f"ASM-{step:02d}",
        "operatorId": f"64b7{step:020x}",
        "operatorName": "张伟",
        "ipAddress": "192.168.10.21",
        "userAgent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) MES-Terminal/2.4",
        "isAutomatic": True,
        "source": "DEVICE",
        "reason": "首道工序扫码投入" if scan else "批次扫码",
        "remark": "",
    }


def _template(host: str, step: int, *, output: bool, shape: Shape, run: str) -> bytes:
    body: dict[str, object] = {
        "workOrderId": _ORDER_MARK,
        "type": "output" if output else "input",
        "quantity": QUANTITY,
        "logContext": _log_context(step, scan=shape.scan, run=run),
    }
    if shape.keyed:
        body["requestId"] = f"{run}-{_NUMBER_MARK}"
    encoded = orjson.dumps(body)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\n"
        "Accept: application/json, text/plain, */*\r\n"
        "Content-Type: application/json\r\nUser-Agent: axios/1.7.7\r\n"
        f"Content-Length: {len(encoded)}\r\nConnection: keep-alive\r\n\r\n"
    )
    whole = (head.encode() + encoded).replace(b"%", b"%%")
    return whole.replace(_ORDER_MARK.encode(), b"%(order)b").replace(
        _NUMBER_MARK.encode(), b"%(number)010d"
    )


class CallSource:
    """Make calls for `orders` (ids), spread at random but the same for the same seed."""

    __slots__ = ("_number", "_orders", "_random", "_templates")

    def __init__(
        self, host: str, orders: Sequence[str], shape: Shape, *, run: str, seed: int = 2
    ) -> None:
        """Prepare templates; `run` (plain ASCII) keeps barcodes and keys apart between runs."""
        kinds = (False,) if shape.scan else (False, True)
        self._templates = [
            (_template(host, step, output=output, shape=shape, run=run), output)
            for step in range(_STEPS)
            for output in kinds
        ]
        self._orders = [order.encode() for order in orders]
        self._random = random.Random(seed)  # noqa: S311  spreads load, guards nothing
        self._number = 0

    def next(self) -> Call:
        """Return the next call; its barcode and key were never used before in this run."""
        self._number = number = self._number + 1
        template, is_output = self._templates[number % len(self._templates)]
        order = int(self._random.random() * len(self._orders))
        payload = template % {b"order": self._orders[order], b"number": number}
        return Call(payload, order, is_output)
