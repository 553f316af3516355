"""A node's word is known from everybody's: what is signed, what is believed, what is refused."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

import pytest
from multidict import CIMultiDict

from tests.fakes import Fault, MemoryStore
from tests.unit.web.conftest import LogRecorder, until
from tests.unit.web.fake_node import ORDER
from web.app import Options
from web.cluster.seal import SIGNATURE, Seal, Word

if TYPE_CHECKING:
    from tests.unit.web.conftest import Client
    from tests.unit.web.fake_node import FakeNode
    from tests.unit.web.fake_owner import FakeOwner

SHARED = "the-nodes-own-secret"
OTHER = "a-secret-of-another-cluster"
UPDATE = "/api/workorder/update-quantity"
BODY = json.dumps({"workOrderId": ORDER, "type": "input"}).encode()
REPORT = json.dumps({"node": "n-7", "url": "http://n-7", "role": "standby", "reason": ""})


@pytest.fixture
def options() -> Options:
    return Options(cluster_secret=SHARED, request_timeout_s=20, log_every_call=True)


@pytest.fixture
def seal_log(monkeypatch: pytest.MonkeyPatch) -> LogRecorder:
    recorder = LogRecorder()
    monkeypatch.setattr("web.cluster.seal._log", recorder)
    return recorder


def signed(
    method: str, path: str, body: bytes = b"", secret: str = SHARED, **said: str
) -> dict[str, str]:
    headers = {name.replace("_", "-"): value for name, value in said.items()}
    Seal(secret).sign(method, path, headers, body)
    return headers


def forwarded(secret: str = SHARED, deadline_ms: int = 500) -> dict[str, str]:
    by = {"X_Forwarded_By_Node": "n-7", "X_Forwarded_To_Node": "node-1"}
    return signed("POST", UPDATE, BODY, secret, **by, X_Deadline_Ms=str(deadline_ms))


# -- whose word it is ----------------------------------------------------------------------


def test_what_a_node_said_is_known_for_a_nodes_word() -> None:
    headers = signed("POST", "/a?b=1", b"body", X_Forwarded_By_Node="n-7")
    assert Seal(SHARED).word("POST", "/a?b=1", headers, b"body") is Word.A_NODES


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "PUT"},
        {"path": "/a?b=2"},
        {"body": b"another"},
        {"secret": OTHER},
        {"X-Forwarded-By-Node": "n-8"},
        {"X-Forwarded-To-Node": "n-8"},
        {"X-Deadline-Ms": "1"},
        {"X-Node-Report": REPORT},
        {SIGNATURE: "0 x"},
        {SIGNATURE: "0 \udcff"},
        {SIGNATURE: f"{2**70} {'0' * 64}"},
    ],
    ids=str,
)
def test_what_was_changed_on_the_way_is_no_nodes_word(changed: dict[str, str | bytes]) -> None:
    headers = {**signed("POST", "/a?b=1", b"body", X_Forwarded_By_Node="n-7")}
    headers |= {name: str(value) for name, value in changed.items() if name.startswith("X-")}
    seal = Seal(str(changed.get("secret", SHARED)))
    method, path = str(changed.get("method", "POST")), str(changed.get("path", "/a?b=1"))
    body = changed.get("body", b"body")
    assert isinstance(body, bytes)
    assert seal.word(method, path, headers, body) is Word.A_STRANGERS


@pytest.mark.parametrize(
    ("ahead_s", "word"),
    [(290, Word.A_NODES), (-290, Word.A_NODES), (310, Word.OUTDATED), (-310, Word.OUTDATED)],
)
def test_clocks_may_differ_by_minutes(
    monkeypatch: pytest.MonkeyPatch, ahead_s: float, word: Word
) -> None:
    headers = signed("GET", "/health")
    now = int(time.time()) + ahead_s
    monkeypatch.setattr("web.cluster.seal.time.time", lambda: now)
    assert Seal(SHARED).word("GET", "/health", headers) is word


async def test_until_the_secret_is_known_nothing_is_signed_and_nothing_believed() -> None:
    store, seal = MemoryStore(), Seal(None)
    headers: CIMultiDict[str] = CIMultiDict()
    store.script("cluster_secret", Fault.REFUSE, Fault.LOSE_ANSWER)
    for _ in range(2):
        await seal.learn(store)
        seal.sign("GET", "/health", headers)
        assert not headers
        assert seal.word("GET", "/health", signed("GET", "/health")) is Word.ANYBODYS
    await seal.learn(store)
    seal.sign("GET", "/health", headers)
    assert seal.word("GET", "/health", headers) is Word.A_NODES


async def test_a_secret_that_a_restored_database_changed_is_learned() -> None:
    one, other = Seal(None), Seal(None)
    await one.learn(MemoryStore())
    restored = MemoryStore()
    await other.learn(restored)
    headers: dict[str, str] = {}
    other.sign("GET", "/health", headers)
    assert one.word("GET", "/health", headers) is Word.A_STRANGERS
    await one.learn(restored)
    assert one.word("GET", "/health", headers) is Word.A_NODES


async def test_a_secret_that_is_set_is_not_asked_of_the_store() -> None:
    store = MemoryStore()
    await Seal(SHARED).learn(store)
    assert not store.calls


def test_the_secret_shows_nowhere(options: Options) -> None:
    seal = Seal(SHARED)
    assert SHARED not in repr(seal) + repr(options) + str(signed("GET", "/health"))


# -- reports of health ---------------------------------------------------------------------


async def _names(client: Client) -> set[str]:
    async with client.get("/api/nodes") as reply:
        return {each["node"] for each in (await reply.json())["data"]["nodes"]}


async def test_a_report_is_taken_from_a_node_and_from_nobody_else(client: Client) -> None:
    async with client.get("/health", headers={"X-Node-Report": REPORT}) as reply:
        assert reply.status == 200
    assert await _names(client) == {"node-1"}
    genuine = signed("GET", "/health", X_Node_Report=REPORT)
    async with client.get("/health", headers=genuine) as reply:
        assert reply.status == 200
    assert await _names(client) == {"node-1", "n-7"}


async def test_a_report_that_is_repeated_later_is_left_out(
    client: Client, seal_log: LogRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = signed("GET", "/health", X_Node_Report=REPORT)
    later = time.time() + 400
    monkeypatch.setattr("web.cluster.seal.time.time", lambda: later)
    for _ in range(3):
        async with client.get("/health", headers=genuine) as reply:
            assert reply.status == 200
    assert await _names(client) == {"node-1"}
    assert [each["event"] for each in seal_log.events] == ["node_clock_differs"]


# -- calls that are sent on ----------------------------------------------------------------


async def test_what_a_node_sends_on_is_believed_and_logged_under_its_name(
    client: Client, node: FakeNode, logged: LogRecorder
) -> None:
    soon = asyncio.get_running_loop().time() + 1
    async with client.post(UPDATE, data=BODY, headers=forwarded(deadline_ms=0)) as reply:
        assert reply.status == 200
    assert node.region.asked[0].deadline < soon + 10
    assert logged.named("http_request")[-1]["forwarded_by"] == "n-7"


async def test_what_a_caller_says_as_if_it_were_a_node_is_not_believed(
    client: Client, node: FakeNode, logged: LogRecorder
) -> None:
    made_up = {**forwarded(), "X-Forwarded-For": "10.9.9.9"}
    del made_up[SIGNATURE]
    now = asyncio.get_running_loop().time()
    async with client.post(UPDATE, data=BODY, headers=made_up) as reply:
        assert reply.status == 200
    assert node.region.asked[0].deadline >= now + 20
    line = logged.named("http_request")[-1]
    assert (line["remote"], "forwarded_by" in line) == ("127.0.0.1", False)


async def test_a_node_whose_clock_is_wrong_is_served_as_any_caller(
    client: Client, node: FakeNode, monkeypatch: pytest.MonkeyPatch, seal_log: LogRecorder
) -> None:
    headers = forwarded()
    later = time.time() + 3_600
    monkeypatch.setattr("web.cluster.seal.time.time", lambda: later)
    async with client.post(UPDATE, data=BODY, headers=headers) as reply:
        assert reply.status == 200
    assert len(node.region.asked) == 1
    assert seal_log.named("node_clock_differs")[0]["remote"] == "127.0.0.1"


async def test_what_is_signed_with_another_secret_is_refused_in_words_and_not_applied(
    client: Client, node: FakeNode, seal_log: LogRecorder
) -> None:
    headers = {**forwarded(OTHER), "Accept-Language": "en"}
    for _ in range(3):
        async with client.post(UPDATE, data=BODY, headers=headers) as reply:
            told = await reply.json()
            assert (reply.status, told["code"]) == (503, "SERVICE_UNAVAILABLE")
            assert (reply.headers["Retry-After"], reply.headers[SIGNATURE]) == ("1", "refused")
    assert "CLUSTER_SECRET" in told["message"]
    assert node.region.asked == []
    assert [each["event"] for each in seal_log.events] == ["node_secret_differs"]
    assert OTHER not in str(seal_log.events) + str(told)
    assert SHARED not in str(seal_log.events) + str(told)


# -- on a standby --------------------------------------------------------------------------


@pytest.mark.usefixtures("standby")
async def test_a_standby_signs_what_it_sends_on(client: Client, owner: FakeOwner) -> None:
    path = f"{UPDATE}?x=%2F+y"
    async with client.post(path, data=BODY):
        pass
    (seen,) = owner.seen
    assert Seal(SHARED).word("POST", seen.path, seen.headers, seen.body) is Word.A_NODES
    async with client.get("/api/events"):
        pass
    seen = owner.seen[-1]
    assert Seal(SHARED).word("GET", seen.path, seen.headers) is Word.A_NODES


@pytest.mark.usefixtures("standby")
async def test_what_a_caller_says_as_if_it_were_a_node_is_not_sent_on(
    client: Client, owner: FakeOwner
) -> None:
    forged = {"X-Node-Report": REPORT, "X-Deadline-Ms": "1", "X-Forwarded-To-Node": "n-9"}
    async with client.post(UPDATE, data=BODY, headers=forged):
        pass
    headers = owner.seen[0].headers
    assert "X-Node-Report" not in headers
    assert headers["X-Forwarded-To-Node"] == "node-2"
    assert int(headers["X-Deadline-Ms"]) > 1


@pytest.mark.usefixtures("standby")
async def test_a_standby_with_another_secret_than_the_owner_says_so(
    client: Client,
    owner: FakeOwner,
    forward_log: LogRecorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("web.cluster.peer._PROBES_S", 0.02)
    monkeypatch.setattr("web.cluster.peer._LOOKS_S", 0.02)
    owner.refuses_signatures = True

    async def reason() -> str | None:
        async with client.get("/readyz") as reply:
            told: str | None = (await reply.json())["reason"]
            return told

    await until(lambda: forward_log.named("node_secret_differs"))
    assert await reason() == "the owner, node-2, has another CLUSTER_SECRET than this node"
    asked = owner.probes
    await until(lambda: owner.probes > asked + 1)
    assert len(forward_log.named("node_secret_differs")) == 1, "told once"
    owner.refuses_signatures = False
    asked = owner.probes
    await until(lambda: owner.probes > asked + 1)
    assert await reason() is None
