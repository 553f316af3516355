"""Callers that close their side behind their request are answered; a dead one holds nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from tests.unit.web.conftest import until
from tests.unit.web.server.test_connections import HEAD, house
from web.server.half_closed import PatientHandler

if TYPE_CHECKING:
    from tests.unit.web.fake_node import FakeNode

_ORDER = (
    b"GET /api/workorder/detail/00000000000000000000000a HTTP/1.1\r\n"
    b"Host: localhost\r\nX-Request-Id: %d\r\n\r\n"
)
_POST = b"POST /api/workorder/update-quantity HTTP/1.1\r\nHost: localhost\r\n"


async def _all(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(100):
        return await reader.read()


@pytest.fixture
def end_seen(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Return what is set once the server has seen the end of what a caller sends."""
    seen = asyncio.Event()
    see = PatientHandler.eof_received

    def noted(handler: PatientHandler) -> bool:
        seen.set()
        return see(handler)

    monkeypatch.setattr(PatientHandler, "eof_received", noted)
    return seen


@pytest.mark.parametrize("asked", [1, 9])
async def test_who_half_closes_behind_its_requests_gets_all_answers(
    node: FakeNode, end_seen: asyncio.Event, asked: int
) -> None:
    node.store.gate = asyncio.Event()
    async with house(node) as here, asyncio.timeout(100):
        reader, writer = await here.knock(*(_ORDER % number for number in range(asked)))
        writer.write_eof()
        await end_seen.wait()
        node.store.gate.set()
        answers = (await reader.read()).split(b"HTTP/1.1 ")[1:]
        await until(lambda: here.limits.places.inside == 0)
    assert [each[:3] for each in answers] == [b"404"] * asked
    assert [each.partition(b"X-Request-Id: ")[2][:1] for each in answers] == [
        b"%d" % number for number in range(asked)
    ]
    assert [b"Connection: close" in each for each in answers] == [False] * (asked - 1) + [True]


async def test_also_of_more_requests_than_are_read_ahead(node: FakeNode) -> None:
    async with house(node) as here:
        reader, writer = await here.knock((HEAD + b"\r\n") * 99)
        writer.write_eof()
        assert (await _all(reader)).count(b"HTTP/1.1 200 OK") == 99


async def test_who_is_gone_is_let_go_once_its_call_is_done(
    node: FakeNode, end_seen: asyncio.Event
) -> None:
    node.store.gate = asyncio.Event()
    async with house(node) as here, asyncio.timeout(100):
        _, writer = await here.knock(_ORDER % 1)
        writer.close()
        await end_seen.wait()
        assert here.limits.places.inside == 1
        node.store.gate.set()
        await until(lambda: here.limits.places.inside == 0)


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"\r\n",
        _POST + b"Content-Length: 2\r\n\r\n{}",
        _POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"garbage\r\n\r\n",
    ],
)
async def test_request_and_end_may_come_together(node: FakeNode, sent: bytes) -> None:
    async with house(node) as here:
        reader, writer = await here.knock(sent)
        writer.write_eof()
        raw = await _all(reader)
    assert raw.startswith(b"HTTP/1.")
    assert b"X-Served-By: node-1" in raw


@pytest.mark.parametrize(
    "sent", [b"", HEAD, _POST + b"Content-Length: 9\r\n\r\n{", HEAD + b"\r\n" + HEAD]
)
async def test_who_ends_within_a_request_is_let_go_at_once(node: FakeNode, sent: bytes) -> None:
    with capture_logs() as events:
        async with house(node, head_s=100.0) as here:
            reader, writer = await here.knock(sent)
            writer.write_eof()
            await _all(reader)
            await until(lambda: here.limits.places.inside == 0)
    assert not [each for each in events if each["log_level"] == "error"]
