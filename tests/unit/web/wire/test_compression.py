"""Larger replies are compressed for those who can read that, and say so in their headers."""

from __future__ import annotations

import gzip
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from actors.store.port import LogPage
from tests.unit.web.fake_node import ORDER
from web.app_context import Options
from web.wire import compression
from web.wire.compression import accepts_gzip

if TYPE_CHECKING:
    from tests.unit.web.conftest import Client
    from tests.unit.web.fake_node import FakeNode
    from tests.unit.web.fake_owner import FakeOwner

LOG = f"/api/workorder/quantity-logs/{ORDER}"
GZIP = {"Accept-Encoding": "gzip, deflate, br"}
PLAIN = {"Accept-Encoding": "identity"}


@pytest.fixture
def options() -> Options:
    return Options(cors_origins=("https://board.example",))


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note which threads compress."""
    seen: list[int] = []

    def compress(body: bytes) -> bytes:
        seen.append(threading.get_ident())
        return gzip.compress(body)

    monkeypatch.setattr(compression, "_compressed", compress)
    return seen


def _has_log(node: FakeNode, rows: int) -> None:
    node.store.page = LogPage(rows, tuple({"remark": "主控板" * 100} for _ in range(rows)))


async def _raw(client: Client, headers: dict[str, str]) -> tuple[Any, bytes]:
    async with client.get(LOG, headers=headers, auto_decompress=False) as reply:
        return reply, await reply.read()


@pytest.mark.parametrize(("rows", "on_the_loop"), [(5, True), (100, False)])
async def test_a_larger_reply_is_compressed_off_the_loop_where_that_takes_long(
    client: Client, node: FakeNode, threads: list[int], rows: int, *, on_the_loop: bool
) -> None:
    _has_log(node, rows)
    reply, sent = await _raw(client, GZIP)
    assert reply.headers.getall("Content-Encoding") == ["gzip"]
    assert reply.headers.getall("Content-Length") == [str(len(sent))]
    assert reply.headers.getall("Vary") == ["Accept-Encoding", "Origin"]
    assert [each == threading.get_ident() for each in threads] == [on_the_loop]
    _, plain = await _raw(client, PLAIN)
    assert len(json.loads(plain)["data"]["logs"]) == rows
    assert gzip.decompress(sent) == plain
    async with client.head(LOG, headers=GZIP, auto_decompress=False) as head:
        assert head.headers["Content-Length"] == reply.headers["Content-Length"]


async def test_who_does_not_ask_for_it_gets_it_as_it_is_and_caches_are_told(
    client: Client, node: FakeNode, threads: list[int]
) -> None:
    _has_log(node, 5)
    reply, sent = await _raw(client, PLAIN)
    assert "Content-Encoding" not in reply.headers
    assert "Accept-Encoding" in reply.headers.getall("Vary")
    assert reply.headers["Content-Length"] == str(len(sent))
    assert threads == []


async def test_a_small_reply_is_not_compressed(client: Client, threads: list[int]) -> None:
    reply, _ = await _raw(client, GZIP)
    assert "Content-Encoding" not in reply.headers
    assert reply.headers.getall("Vary") == ["Origin"]
    assert threads == []


@pytest.mark.usefixtures("standby")
async def test_what_the_owner_answered_is_compressed_by_the_standby_that_passes_it_on(
    client: Client, owner: FakeOwner
) -> None:
    owner.body = json.dumps({"data": "工单" * 1000}).encode()
    async with client.get("/api/workorder/queue/jobs", headers=GZIP) as reply:
        assert reply.headers["Content-Encoding"] == "gzip"
        assert await reply.read() == owner.body
    assert "Accept-Encoding" not in owner.seen[0].headers


@pytest.mark.parametrize(
    ("said", "accepted"),
    [
        (["gzip"], True),
        (["br, GZIP ; q=0.5"], True),
        (["br", "gzip"], True),
        (["*"], True),
        (["*;q=0.1, br"], True),
        ([], False),
        (["identity"], False),
        (["gzip;q=0, *"], False),
        (["gzip;q=0.0"], False),
        (["*;q=0"], False),
        (["gzip;q=x"], False),
        (["x-gzip"], False),
    ],
)
def test_gzip_is_accepted_where_it_is_named_and_not_weighed_nothing(
    said: list[str], *, accepted: bool
) -> None:
    assert accepts_gzip(said) is accepted
