"""A standby hands calls to the owner: what goes there, what comes back, what stays here."""

from __future__ import annotations

import asyncio
import gzip
import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from yarl import URL

from actors.node.status import Role
from tests.unit.web.conftest import until
from tests.unit.web.fake_node import ORDER
from tests.unit.web.fake_owner import FakeOwner, make_standby
from web.app import Options
from web.cluster.seal import Seal
from web.routes.table import ROUTES

if TYPE_CHECKING:
    from tests.unit.web.conftest import Client, LogRecorder
    from tests.unit.web.fake_node import FakeNode

API = "/api/workorder"
UPDATE = f"{API}/update-quantity"
STATS = f"{API}/queue/stats"
BODY = json.dumps({"workOrderId": ORDER, "type": "input"}).encode()
SHARED = "the-nodes-own-secret"
FORWARDED = {"X-Forwarded-By-Node": "node-9"}


async def _is_refused(client: Client, path: str, method: str = "post", **options: Any) -> None:  # noqa: ANN401
    async with getattr(client, method)(path, **options) as reply:
        assert (reply.status, (await reply.json())["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert reply.headers["Retry-After"] == "1"
        assert reply.headers["X-Served-By"] == "node-1"


# -- what goes there -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "route", [each for each in ROUTES if each.needs not in ("nothing", "nodes")]
)
async def test_every_call_that_needs_the_owner_is_sent_to_it_as_it_came(
    client: Client,
    standby: FakeNode,
    owner: FakeOwner,
    route: Any,  # noqa: ANN401
) -> None:
    assert standby.owner is not None
    call = getattr(client, route.method.lower())
    data = None if route.method == "GET" else b'{"a": "\xe5\xb7\xa5" }'
    path = f"{route.path.replace('{id}', ORDER)}?limit=2&x=%2F+y"
    async with call(URL(path, encoded=True), data=data) as reply:
        assert reply.status == 200
    (seen,) = owner.seen
    assert (seen.method, seen.path) == (route.method, path)
    assert seen.body == (data or b"")
    assert seen.headers["X-Forwarded-By-Node"] == "node-1"
    assert seen.headers["X-Forwarded-To-Node"] == "node-2"


@pytest.mark.usefixtures("standby")
async def test_what_the_caller_says_about_its_call_goes_along_and_nothing_else(
    client: Client, owner: FakeOwner
) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    given = {
        "Content-Type": "application/json",
        "Idempotency-Key": "scan-17 工",
        "Accept-Language": "en;q=0.5",
        "Authorization": "Bearer abc",
        "Prefer": "respond-async",
        "X-Request-Id": "r-77",
        "traceparent": trace,
    }
    private = {"Cookie": "a=b", "X-Forwarded-For": "10.0.0.1", "X-Deadline-Ms": "1"}
    async with client.post(UPDATE, data=BODY, headers={**given, **private}) as reply:
        assert reply.headers["X-Request-Id"] == "r-77"
    headers = owner.seen[0].headers
    passed_on = {name: headers[name] for name in given}
    version, trace_id, span, flags = passed_on.pop("traceparent").split("-")
    assert f"{version}-{trace_id}-00f067aa0ba902b7-{flags}" == given["traceparent"]
    assert span != "00f067aa0ba902b7", "the hop is a span of its own"
    assert passed_on == {name: given[name] for name in passed_on}
    names = ("by-node", "to-node", "remote")
    hop = {*(f"x-forwarded-{name}" for name in names), "x-deadline-ms", "x-node-signature"}
    others = {name.lower() for name in headers} - {name.lower() for name in given}
    assert others == {*hop, "host", "content-length", "accept"}
    assert 15_000 <= int(headers["X-Deadline-Ms"]) < 20_000


@pytest.mark.usefixtures("standby")
async def test_a_request_without_id_gets_the_one_that_this_node_logs(
    client: Client, owner: FakeOwner, logged: LogRecorder
) -> None:
    async with client.post(UPDATE, data=BODY):
        pass
    assert owner.seen[0].headers["X-Request-Id"] == logged.events[-1]["request_id"]


@pytest.mark.usefixtures("standby")
async def test_a_key_sent_twice_arrives_twice_to_be_refused_there(
    client: Client, owner: FakeOwner
) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    async with client.post(UPDATE, data=BODY, headers=headers):
        pass
    assert owner.seen[0].headers.getall("Idempotency-Key") == ["a", "b"]


@pytest.mark.usefixtures("standby")
async def test_a_key_that_no_header_can_carry_on_is_refused_here(
    client: Client, owner: FakeOwner
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    head = f"POST {UPDATE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
    writer.write(head.encode() + b"Connection: close\r\nIdempotency-Key: \xff\r\n\r\n")
    raw = await asyncio.wait_for(reader.read(), 100)
    writer.close()
    assert raw.startswith(b"HTTP/1.1 400 ")
    assert b"INVALID_REQUEST_ID" in raw
    assert owner.seen == []


@pytest.mark.usefixtures("standby")
async def test_a_whole_url_in_the_request_line_does_not_choose_the_host(
    client: Client, owner: FakeOwner
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(f"GET http://192.0.2.1:9{STATS} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
    raw = await asyncio.wait_for(reader.read(), 100)
    writer.close()
    assert b" 200 " in raw
    assert owner.seen[0].path == STATS


@pytest.mark.usefixtures("standby")
async def test_a_packed_body_is_sent_on_unpacked(client: Client, owner: FakeOwner) -> None:
    headers = {"Content-Encoding": "gzip"}
    async with client.post(UPDATE, data=gzip.compress(BODY), headers=headers) as reply:
        assert reply.status == 200
    assert owner.seen[0].body == BODY
    assert "Content-Encoding" not in owner.seen[0].headers


@pytest.mark.usefixtures("standby")
async def test_a_call_without_a_body_stays_without_one(client: Client, owner: FakeOwner) -> None:
    async with client.post(f"{API}/queue/pause") as reply:
        assert reply.status == 200
    assert owner.seen[0].headers["Content-Length"] == "0"


@pytest.mark.usefixtures("standby")
async def test_a_body_too_large_is_refused_here(client: Client, owner: FakeOwner) -> None:
    async with client.post(UPDATE, data=b" " * 4097) as reply:
        assert (reply.status, (await reply.json())["code"]) == (413, "BODY_TOO_LARGE")
    assert owner.seen == []


@pytest.mark.usefixtures("standby")
@pytest.mark.parametrize("options", [Options(body_timeout_s=0.3)])
async def test_a_body_that_drips_is_refused_here(client: Client, owner: FakeOwner) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    head = f"POST {UPDATE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
    writer.write(head.encode() + b"{")
    assert b" 408 " in await asyncio.wait_for(reader.read(), 100)
    writer.close()
    assert owner.seen == []


# -- what comes back -----------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 404, 409, 422, 429, 500, 503, 504])
@pytest.mark.usefixtures("standby")
async def test_the_owners_answer_comes_back_unchanged(
    client: Client, owner: FakeOwner, status: int
) -> None:
    owner.status, owner.body = status, '{ "code" : "工" }'.encode()
    owner.headers["Retry-After"] = "7"
    async with client.post(UPDATE, data=BODY) as reply:
        assert (reply.status, await reply.read()) == (status, owner.body)
        assert reply.headers["X-Served-By"] == "node-2"
        assert reply.headers["X-Forwarded-By-Node"] == "node-1"
        assert reply.headers["Retry-After"] == "7"
        assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
        assert reply.headers["Cache-Control"] == "no-store"


@pytest.mark.usefixtures("standby")
async def test_a_head_request_is_sent_on_too(client: Client, owner: FakeOwner) -> None:
    async with client.head(STATS) as reply:
        assert (reply.status, await reply.read()) == (200, b"")
    assert owner.seen[0].method == "HEAD"


@pytest.mark.usefixtures("standby")
async def test_an_answer_that_takes_its_time_is_waited_for(
    client: Client, owner: FakeOwner
) -> None:
    owner.gate = asyncio.Event()
    call = asyncio.ensure_future(client.post(UPDATE, data=BODY))
    await until(lambda: owner.seen)
    assert not call.done()
    owner.gate.set()
    async with await call as reply:
        assert reply.status == 200


class TestWithLargeBodies:
    """Bodies over a mebibyte are sent in pieces."""

    @pytest.fixture
    def options(self) -> Options:
        return Options(max_body_bytes=2**22)

    @pytest.mark.usefixtures("standby")
    async def test_a_large_body_arrives_whole(self, client: Client, owner: FakeOwner) -> None:
        body = b" " * (3 * 2**20) + BODY
        async with client.post(UPDATE, data=BytesIO(body)) as reply:
            assert reply.status == 200
        assert owner.seen[0].body == body
        assert owner.seen[0].headers["Content-Length"] == str(len(body))


# -- what stays here -----------------------------------------------------------------------


@pytest.mark.usefixtures("standby")
async def test_what_the_store_or_this_node_knows_is_answered_here(
    client: Client, node: FakeNode, owner: FakeOwner
) -> None:
    node.store.orders[ORDER] = {"id": ORDER}
    node.stuck_leases = 1
    for path in ("/", "/livez", f"{API}/detail/{ORDER}", f"{API}/quantity-logs/{ORDER}"):
        async with client.get(path) as reply:
            assert (reply.status, reply.headers["X-Served-By"]) == (200, "node-1")
            assert "X-Forwarded-By-Node" not in reply.headers
    async with client.post(f"{API}/queue/clean-locks") as reply:
        assert (await reply.json())["cleaned"] == 1
    assert owner.seen == []


async def test_an_owner_answers_itself(client: Client, node: FakeNode) -> None:
    async with client.post(UPDATE, data=BODY) as reply:
        assert (reply.status, reply.headers["X-Served-By"]) == (200, "node-1")
        assert "X-Forwarded-By-Node" not in reply.headers
    assert len(node.region.asked) == 1


@pytest.mark.parametrize("role", [Role.STANDBY, Role.TAKING_OVER, Role.DRAINING, Role.STOPPED])
async def test_without_a_known_owner_operators_are_asked_to_come_again(
    client: Client, node: FakeNode, role: Role
) -> None:
    node.become(role=role, serving=False)
    await _is_refused(client, STATS, "get")
    await _is_refused(client, f"{API}/queue/locks", "get")
    for what in ("clean", "pause", "resume"):
        await _is_refused(client, f"{API}/queue/{what}")
    assert node.region.calls == []


# -- one hop -------------------------------------------------------------------------------


@pytest.mark.usefixtures("standby")
async def test_what_was_forwarded_once_is_never_forwarded_again(
    client: Client, owner: FakeOwner
) -> None:
    await _is_refused(client, UPDATE, data=BODY, headers=FORWARDED)
    await _is_refused(client, STATS, "get", headers=FORWARDED)
    assert owner.seen == []


async def test_two_standbys_that_take_each_other_for_the_owner_do_not_go_round(
    client: Client, node: FakeNode
) -> None:
    make_standby(node, f"http://127.0.0.1:{client.port}")
    async with client.post(UPDATE, data=BODY) as reply:
        assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
        assert reply.headers["X-Forwarded-By-Node"] == "node-1"


async def test_a_call_meant_for_a_node_that_is_gone_from_here_is_refused(
    client: Client, node: FakeNode
) -> None:
    misled = {**FORWARDED, "X-Forwarded-To-Node": "node-2"}
    await _is_refused(client, UPDATE, data=BODY, headers=misled)
    await _is_refused(client, STATS, "get", headers=misled)
    assert node.region.asked == []
    meant = {**FORWARDED, "X-Forwarded-To-Node": "node-1"}
    async with client.post(UPDATE, data=BODY, headers=meant) as reply:
        assert reply.status == 200


@pytest.mark.parametrize("options", [Options(request_timeout_s=20, cluster_secret=SHARED)])
@pytest.mark.parametrize(
    ("deadline", "forwarded", "expected_s"),
    [
        ("500", True, 0.5),
        ("0", True, 0),
        ("500", False, 20),
        ("999999", True, 20),
        ("9" * 400, True, 20),
        ("-1", True, 20),
        ("½", True, 20),
        ("", True, 20),
    ],
)
async def test_a_forwarding_node_may_shorten_the_time_and_no_one_may_lengthen_it(
    client: Client,
    node: FakeNode,
    deadline: str,
    forwarded: bool,  # noqa: FBT001 a case
    expected_s: float,
) -> None:
    headers = {"X-Deadline-Ms": deadline, **FORWARDED}
    if forwarded:
        Seal(SHARED).sign("POST", UPDATE, headers, BODY)
    now = asyncio.get_running_loop().time()
    async with client.post(UPDATE, data=BODY, headers=headers):
        pass
    given_s = node.region.asked[0].deadline - now
    assert expected_s - 0.1 <= given_s <= expected_s + 10
    assert given_s < 20 or expected_s == 20
