"""What a standby knows of the owner: its health for probes, and which addresses it may have."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from actors.node.status import Role
from tests.servers import free_port
from tests.unit.web.conftest import until
from tests.unit.web.fake_owner import HEALTHY, broken, hang, make_standby
from web.cluster.origins import Origins

if TYPE_CHECKING:
    from tests.unit.web.conftest import Client, LogRecorder
    from tests.unit.web.fake_node import FakeNode
    from tests.unit.web.fake_owner import FakeOwner


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the owner more often than a standby does."""
    monkeypatch.setattr("web.cluster.peer._PROBES_S", 0.05)
    monkeypatch.setattr("web.cluster.peer._LOOKS_S", 0.05)


async def _get(client: Client, path: str) -> tuple[int, dict[str, Any]]:
    async with client.get(path) as reply:
        return reply.status, await reply.json()


async def _becomes(client: Client, path: str, status: int) -> dict[str, Any]:
    async with asyncio.timeout(100):
        while True:
            found, body = await _get(client, path)
            if found == status:
                return body
            await asyncio.sleep(0.01)


# -- probes of a standby -------------------------------------------------------------------


async def test_a_standby_is_ready_when_the_owner_says_that_it_serves(
    client: Client, standby: FakeNode
) -> None:
    assert standby.owner is not None
    ready = await _becomes(client, "/readyz", 200)
    assert ready == {"status": "ok", "role": "standby", "reason": None}
    status, health = await _get(client, "/health")
    assert (status, health["status"], health["role"]) == (200, "ok", "standby")
    assert (health["serving"], health["reason"], health["node"]) == (True, None, "node-1")
    assert health["owner"] == {"node": "node-2", "epoch": 5}


async def test_a_standby_shows_the_owners_pause(
    client: Client, standby: FakeNode, owner: FakeOwner
) -> None:
    assert standby.owner is not None
    owner.health["paused"] = True
    assert (await _becomes(client, "/health", 200))["paused"] is True


@pytest.mark.parametrize(
    "answer",
    [
        {**HEALTHY, "status": "unavailable"},
        {**HEALTHY, "role": "standby"},
        {**HEALTHY, "node": "node-3"},
        {"status": "ok"},
        {**HEALTHY, "padding": "x" * 70_000},
    ],
    ids=["unavailable", "standby", "another", "another service", "huge"],
)
async def test_a_standby_is_not_ready_when_the_owner_does_not_serve(
    client: Client, standby: FakeNode, owner: FakeOwner, answer: dict[str, Any]
) -> None:
    assert standby.owner is not None
    await _becomes(client, "/readyz", 200)
    owner.health = answer
    body = await _becomes(client, "/readyz", 503)
    assert body["reason"] == "the owner, node-2, does not say that it serves updates"
    owner.health = dict(HEALTHY)
    await _becomes(client, "/health", 200)


async def test_a_standby_whose_owner_is_gone_or_hangs_is_not_ready(
    client: Client, standby: FakeNode
) -> None:
    await _becomes(client, "/readyz", 200)
    make_standby(standby, f"http://127.0.0.1:{free_port()}", tenure=2)
    assert (await _get(client, "/readyz"))[0] == 503
    async with broken(hang) as owner:
        make_standby(standby, owner.url, tenure=3)
        await until(lambda: owner.connections > 1)
        assert "node-2" in (await _becomes(client, "/health", 503))["reason"]


async def test_a_standby_that_may_not_go_to_the_owner_says_so(
    client: Client, node: FakeNode, forward_log: LogRecorder
) -> None:
    make_standby(node, "http://example.com")
    body = await _becomes(client, "/readyz", 503)
    assert body["reason"] == "the address of the owner, node-2, is not one to forward to"
    assert forward_log.named("forward_refused")


async def test_a_lease_that_the_store_does_not_bear_out_leads_nobodys_token_anywhere(
    client: Client, standby: FakeNode, owner: FakeOwner
) -> None:
    standby.confirmed = False
    shown = {"Authorization": "Bearer caller-token-0123456789"}
    for method, path in (
        ("post", "/api/workorder/update-quantity"),
        ("post", "/api/workorder/queue/pause"),
        ("get", "/api/workorder/queue/stats"),
        ("get", "/api/nodes"),
        ("get", "/api/events"),
    ):
        async with client.request(method, path, headers=shown, data=b"{}") as reply:
            assert reply.status == (200 if path == "/api/nodes" else 503)
    assert owner.seen == []
    body = await _becomes(client, "/readyz", 503)
    assert body["reason"] == "the store does not name node-2 and its address as the owner's"


async def test_without_an_owner_the_nodes_own_reason_is_given(
    client: Client, node: FakeNode
) -> None:
    node.become(role=Role.STANDBY, serving=False, reason="the store does not answer")
    assert (await _get(client, "/readyz"))[1]["reason"] == "the store does not answer"
    assert (await _get(client, "/health"))[1]["owner"] is None


async def test_a_look_that_fails_is_not_the_last(
    client: Client, standby: FakeNode, forward_log: LogRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert standby.owner is not None
    with monkeypatch.context() as broken_probe:

        async def fail(*_: object) -> None:
            raise RuntimeError("bug")

        broken_probe.setattr("web.cluster.peer._ask", fail)
        await until(lambda: forward_log.named("peer_watch_failed"))
    await _becomes(client, "/readyz", 200)


# -- addresses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("http://10.0.0.*:3001", "http://10.0.0.17:3001"),
        ("http://10.0.0.*:3001", "http://10.0.0.17:3001/plan/"),
        ("http://10.0.*.*:*", "http://10.0.1.2:9"),
        ("http://10.0.0.1:80", "http://10.0.0.1"),
        ("https://node-*.plant:443", "https://Node-1.plant"),
        ("http://*:3001", "http://node-1:3001"),
        ("http://[::1]:*", "http://[::1]:3001"),
    ],
)
def test_an_address_that_fits_a_pattern_is_allowed(pattern: str, url: str) -> None:
    assert Origins(("http://other:1", pattern)).base_url(url) is not None


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("http://10.0.0.*:3001", "http://10.0.0.17:3002"),
        ("http://10.0.0.*:3001", "https://10.0.0.17:3001"),
        ("http://10.0.0.*:3001", "http://10.0.0.com:3001"),
        ("http://10.0.0.*:3001", "http://10.0.0.1.evil.com:3001"),
        ("http://10.0.0.*:3001", "http://10x0.0.1:3001"),
        ("http://10.0.0.*:3001", "http://10.0.0.1:3001@evil.com"),
        ("http://10.0.0.*:3001", "http://evil.com#10.0.0.1:3001"),
        ("http://10.0.0.*:3001", "http://evil.com\\@10.0.0.1:3001"),
        ("http://node-*.plant:80", "http://node-1.evil.plant"),
        ("http://node-*.plant:80", "http://node-.plant.evil"),
        ("http://*:*", "http://a.b:1"),
        ("http://*:*", "http://[::1]:1"),
        ("http://[::1]:*", "http://[::2]:1"),
        ("http://*:*", "ftp://a:1"),
    ],
)
def test_an_address_that_fits_no_pattern_is_not_allowed(pattern: str, url: str) -> None:
    assert Origins((pattern,)).base_url(url) is None


def test_without_patterns_no_address_is_allowed() -> None:
    assert Origins(()).base_url("http://127.0.0.1:3001") is None
