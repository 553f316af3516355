"""What never reaches a handler is answered like all else, and nothing of it is in the log."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from tests.unit.web.server.test_connections import HEAD, house

if TYPE_CHECKING:
    from tests.unit.web.fake_node import FakeNode

_POST = b"POST /api/workorder/update-quantity HTTP/1.1\r\nHost: localhost\r\n"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Type": "application/json; charset=utf-8",
    "X-Content-Type-Options": "nosniff",
    "X-Served-By": "node-1",
}
_MALFORMED = {
    "no request": b"s3cret s3cret\r\n\r\n",
    "a header without a colon": HEAD + b"Authorization Bearer s3cret\r\n\r\n",
    "a control character": HEAD + b"Authorization: s3cret\x00\r\n\r\n",
    "a header too long": HEAD + b"Authorization: " + b"s3cret" * 2_000 + b"\r\n\r\n",
    "a path of other bytes": b"GET /s3cret\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a URL without an end": b"GET http://[s3cret HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a port that is none": b"GET http://s3cret:99999/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a version of the future": b"GET /s3cret HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "a length that is none": _POST + b"Content-Length: s3cret\r\n\r\n{}",
    "two lengths": _POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\ns3cret",
    "two hosts": HEAD + b"Host: s3cret\r\n\r\n",
    "an encoding that is none": _POST + b"Transfer-Encoding: s3cret\r\n\r\n{}",
}
_UNMET = {
    "an expectation": HEAD + b"Expect: s3cret\r\n\r\n",
    "an expectation in other bytes": HEAD + b"Expect: s3cret\xe3\r\n\r\n",
}


async def _reply(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], dict[str, Any]]:
    async with asyncio.timeout(100):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(first.split(" ")[1]), headers, json.loads(body)


@pytest.mark.parametrize(
    ("sent", "code"),
    [(each, "INVALID_REQUEST") for each in _MALFORMED.values()]
    + [(each, "INVALID_HEADER") for each in _UNMET.values()],
    ids=[*_MALFORMED, *_UNMET],
)
async def test_what_is_no_request_is_refused_in_our_form_and_never_logged(
    node: FakeNode, caplog: pytest.LogCaptureFixture, sent: bytes, code: str
) -> None:
    caplog.set_level(logging.DEBUG)
    async with house(node) as here:
        with capture_logs() as events:
            reader, _ = await here.knock(sent)
            status, headers, body = await _reply(reader)
    assert (status, body["success"], body["code"]) == (400, False, code)
    assert headers.items() >= _HEADERS.items()
    assert aiohttp.__version__ not in str(headers)
    (line,) = [each for each in events if each["event"] == "malformed_request"]
    assert (line["remote"], line["request_id"]) == ("127.0.0.1", headers["X-Request-Id"])
    assert {each["log_level"] for each in events} == {"debug"}
    assert "Traceback" not in caplog.text
    assert "s3cret" not in f"{events}{headers}{body}{caplog.text}"


async def test_a_reply_to_a_connection_too_many_is_in_our_form(node: FakeNode) -> None:
    async with house(node, most=0) as here:
        reader, _ = await here.knock()
        await here.knock()  # and wants the place in which the first one waits
        status, headers, body = await _reply(reader)
    assert (status, body["code"], headers["Retry-After"]) == (503, "SERVICE_UNAVAILABLE", "1")
    assert headers.items() >= _HEADERS.items()


async def test_an_error_around_the_handlers_is_answered_in_our_form_and_logged(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("web.middleware._log_access", fail)
    async with house(node) as here:
        with capture_logs() as events:
            reader, _ = await here.knock(HEAD + b"\r\n")
            status, headers, body = await _reply(reader)
    assert (status, body["code"]) == (500, "SYSTEM_ERROR")
    assert headers.items() >= _HEADERS.items()
    (line,) = [each for each in events if each["event"] == "request_failed"]
    assert isinstance(line["exc_info"], ZeroDivisionError)
