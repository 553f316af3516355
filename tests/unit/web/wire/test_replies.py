"""A success has the same head, whichever way it is sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiohttp.http_writer import StreamWriter

if TYPE_CHECKING:
    from tests.unit.web.conftest import Client

_PATH = "/api/workorder/queue/stats"
_EXPECTED = {
    "content-type",
    "cache-control",
    "x-content-type-options",
    "content-security-policy",
    "cross-origin-resource-policy",
    "referrer-policy",
    "x-served-by",
    "server",
    "x-request-id",
    "content-length",
    "date",
}


async def _call(client: Client, first: str, *headers: str) -> tuple[list[str], bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    lines = (first, "Host: localhost", "X-Request-Id: r-1", *headers)
    writer.write("".join(f"{line}\r\n" for line in lines).encode() + b"\r\n")
    try:
        async with asyncio.timeout(60):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            length = next(line for line in head if line.lower().startswith("content-length"))
            body = b"" if first.startswith("HEAD") else await reader.readexactly(int(length[15:]))
    finally:
        writer.close()
    return [line for line in head if line], body


@pytest.mark.parametrize(
    ("first", "headers", "more"),
    [
        (f"GET {_PATH} HTTP/1.1", (), set()),
        (f"GET {_PATH} HTTP/1.1", ("Connection: close",), {"connection"}),
        (f"GET {_PATH} HTTP/1.0", (), set()),
        (f"GET {_PATH} HTTP/1.0", ("Connection: keep-alive",), {"connection"}),
        (f"HEAD {_PATH} HTTP/1.1", (), set()),
    ],
)
async def test_every_way_has_all_headers_once(
    client: Client, first: str, headers: tuple[str, ...], more: set[str]
) -> None:
    (status, *lines), body = await _call(client, first, *headers)
    names = [line.partition(":")[0].lower() for line in lines]
    assert status.split(" ", 1)[1] == "200 OK"
    assert sorted(names) == sorted(_EXPECTED | more)
    assert "X-Request-Id: r-1" in lines
    assert body.startswith(b'{"success":true') or first.startswith("HEAD")


async def test_the_next_request_of_who_reads_nothing_waits_for_the_connection(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    drained = []

    async def drain(writer: StreamWriter) -> None:
        drained.append(writer.output_size)

    monkeypatch.setattr(StreamWriter, "drain", drain)
    head, body = await _call(client, f"GET {_PATH} HTTP/1.1")
    assert drained == [len("\r\n".join(head)) + len("\r\n\r\n") + len(body)]
