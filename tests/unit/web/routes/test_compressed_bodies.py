"""Compressed bodies: unpacked within bounds, off the loop, and refused for what is wrong."""

from __future__ import annotations

import gzip
import json
import threading
import zlib
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.unit.web.routes.test_web_edges import ENGLISH, GOOD, UPDATE
from web.wire.unpacking import unpack

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.web.conftest import Client


def _deflated(data: bytes) -> bytes:
    """Without zlib's header, as some send it."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


_PACKED: Final = [
    ("gzip", gzip.compress),
    ("X-GZip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", _deflated),
]


async def _post_packed(client: Client, data: bytes, encoding: str) -> tuple[int, Any]:
    headers = {"Content-Encoding": encoding, **ENGLISH}
    async with client.post(UPDATE, data=data, headers=headers) as reply:
        return reply.status, await reply.json()


@pytest.mark.parametrize(("encoding", "pack"), _PACKED)
async def test_a_compressed_body_is_unpacked_within_bounds_and_off_the_loop(
    client: Client,
    encoding: str,
    pack: Callable[[bytes], bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[int] = []

    def noted(body: bytes, encoding: str, limit: int) -> bytes:
        threads.append(threading.get_ident())
        return unpack(body, encoding, limit)

    monkeypatch.setattr("web.wire.bodies.unpack", noted)
    good = json.dumps(GOOD).encode()
    assert (await _post_packed(client, pack(good), encoding))[0] == 200
    # To the last byte that is allowed, and one more.
    assert (await _post_packed(client, pack(good.ljust(4096)), encoding))[0] == 200
    for size in (4097, 1_000_000):
        status, body = await _post_packed(client, pack(b" " * size), encoding)
        assert (status, body["code"], body["data"]) == (413, "BODY_TOO_LARGE", {"limit": 4096})
    assert len(threads) == 4
    assert threading.get_ident() not in threads


@pytest.mark.parametrize(("encoding", "pack"), _PACKED)
async def test_a_compressed_body_cut_short_or_followed_by_more_is_400(
    client: Client, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    whole = pack(json.dumps(GOOD).encode())
    for data in (whole[:-1], whole[:9], whole + b"more", b"\xff" + whole[1:]):
        status, body = await _post_packed(client, data, encoding)
        assert (status, body["code"]) == (400, "INVALID_JSON")
        assert "compressed body is cut short" in body["message"]


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "s3cret"])
async def test_a_compression_that_is_not_understood_is_415_and_says_what_is(
    client: Client, encoding: str
) -> None:
    headers = {"Content-Encoding": encoding, **ENGLISH}
    async with client.post(UPDATE, data=b"{}", headers=headers) as reply:
        body = await reply.json()
    assert (reply.status, body["code"]) == (415, "UNSUPPORTED_ENCODING")
    assert reply.headers["Accept-Encoding"] == "gzip, deflate"
    assert "s3cret" not in str(body)


async def test_a_body_that_says_it_is_not_compressed_is_read(client: Client) -> None:
    assert (await _post_packed(client, json.dumps(GOOD).encode(), "identity"))[0] == 200
