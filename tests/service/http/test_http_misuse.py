"""What a running node does with bodies that are wrong, late, too large or no HTTP at all."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession

from tests.service.http.conftest import order, order_id
from tests.service.http.service_process import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.service.http.conftest import Backend

UPDATE = "/api/workorder/update-quantity"
BODY_TIMEOUT_S = 3.0
MAX_BODY = 8192


@pytest.fixture
async def service(embedded: Backend) -> AsyncIterator[ServiceProcess]:
    await embedded.add(order(1))
    limits = {"BODY_TIMEOUT_S": str(BODY_TIMEOUT_S), "MAX_BODY_BYTES": str(MAX_BODY)}
    async with ServiceProcess({**embedded.settings, **limits}) as process:
        await process.start()
        yield process


async def _update(service: ServiceProcess, data: bytes) -> tuple[int, dict[str, Any]]:
    async with (
        ClientSession(service.url) as http,
        http.post(UPDATE, data=data, headers={"Accept-Language": "en"}) as reply,
    ):
        return reply.status, await reply.json()


def _head(*headers: str) -> bytes:
    return "\r\n".join([f"POST {UPDATE} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


def _body(quantity: str) -> bytes:
    return b'{"workOrderId": "%s", "type": "input", "quantity": %s}' % (
        order_id(1).encode(),
        quantity.encode(),
    )


async def test_nothing_that_is_wrong_changes_an_order(service: ServiceProcess) -> None:
    good = json.loads(_body("1"))
    cases: list[tuple[bytes, int, str]] = [
        (b"", 400, "MISSING_WORK_ORDER_ID"),
        (b"{", 400, "INVALID_JSON"),
        (b"[]", 400, "INVALID_JSON"),
        (b"\xff\xfe{}", 400, "INVALID_JSON"),
        (b'{"a":' * 1000, 400, "INVALID_JSON"),
        (b"[" * 2000, 400, "INVALID_JSON"),
        (_body("NaN"), 400, "INVALID_QUANTITY"),
        (_body("1e400"), 400, "INVALID_QUANTITY"),
        (_body("true"), 400, "INVALID_QUANTITY"),
        (_body('"1"'), 400, "INVALID_QUANTITY"),
        (_body('1, "quantity": 2'), 400, "INVALID_JSON"),
        (json.dumps({**good, "workOrderId": {"$gt": ""}}).encode(), 400, "INVALID_WORK_ORDER_ID"),
        (json.dumps({**good, "type": ["input"]}).encode(), 400, "INVALID_TYPE"),
        (json.dumps({**good, "requestId": "a\nb"}).encode(), 400, "INVALID_REQUEST_ID"),
        (_body("1" + " " * MAX_BODY), 413, "BODY_TOO_LARGE"),
    ]
    for body, status, code in cases:
        answered, answer = await _update(service, body)
        assert (answered, answer["code"]) == (status, code), body[:40]
    status, answer = await _update(service, _body("3"))
    assert (status, answer["data"]["beforeQuantity"]) == (200, 0)
    assert not service.named("request_failed")


async def test_a_dripping_body_is_cut_off_in_time(service: ServiceProcess) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(_head("Content-Length: 1000"))
    started = time.monotonic()

    async def drip() -> None:
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.05)

    dripping = asyncio.create_task(drip())
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S + 100):
            answer = await reader.readuntil(b"\r\n\r\n")
            answered_s = time.monotonic() - started
            await reader.read()
    except ConnectionError:
        pass
    finally:
        dripping.cancel()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answered_s >= BODY_TIMEOUT_S


async def test_garbage_on_the_wire_leaves_the_node_at_work(service: ServiceProcess) -> None:
    garbage = [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        _head("Transfer-Encoding: chunked") + b"xyz\r\n",
        _head("Content-Length: -5") + b"{}",
        _head("Content-Length: 5", "Content-Length: 6") + b"{}",
        _head("Content-Encoding: gzip", "Content-Length: 4") + b"junk",
    ]
    for sent in garbage:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(sent)
        async with asyncio.timeout(100):
            answer = await reader.readline()
        writer.close()
        assert b" 400 " in answer, sent[:40]
    assert (await _update(service, _body("1")))[0] == 200
