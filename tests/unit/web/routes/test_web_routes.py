"""Every other endpoint: paths, fields and errors as the callers' contract has them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from actors.domain.messages import OrderLock
from actors.domain.model import WorkOrderId
from actors.errors import LeaseSpoilt, LeaseUnavailable, NotOwner, StoreUnavailable
from actors.node.status import Dependency, Role
from actors.store import LogPage, LogQuery
from tests.unit.web.fake_node import ORDER
from web.app import Options
from web.routes.table import ROUTES
from web.wire.turns import READ_TURNS

if TYPE_CHECKING:
    from tests.unit.web.conftest import Client
    from tests.unit.web.fake_node import FakeNode

API = "/api/workorder"
ENGLISH = {"Accept-Language": "en"}


async def _get(client: Client, path: str, headers: dict[str, str] | None = None) -> Any:  # noqa: ANN401
    async with client.get(path, headers=headers) as reply:
        return reply.status, await reply.json()


async def _post(client: Client, path: str, body: object = None) -> Any:  # noqa: ANN401
    async with client.post(path, json=body) as reply:
        return reply.status, await reply.json()


# -- the service itself --------------------------------------------------------------------


async def test_the_root_describes_the_service_and_its_endpoints(client: Client) -> None:
    status, body = await _get(client, "/")
    assert status == 200
    assert body["service"] == "work-order-service"
    assert body["endpoints"]["updateQuantity"] == f"POST {API}/update-quantity"
    assert len(body["endpoints"]) == len(ROUTES)
    assert {"version", "status", "description", "timestamp"} < set(body)


async def test_health_of_an_owner_is_ok_and_names_each_dependency(client: Client) -> None:
    status, body = await _get(client, "/health", ENGLISH)
    timestamp = datetime.fromisoformat(body.pop("timestamp"))
    assert abs(datetime.now(UTC) - timestamp) < timedelta(seconds=60)
    assert status == 200
    assert body == {
        "status": "ok",
        "message": "The work order service can take updates",
        "service": "work-order-service",
        "version": "0.1.0",
        "role": "owner",
        "node": "node-1",
        "epoch": 3,
        "serving": True,
        "owner": {"node": "node-1", "epoch": 3},
        "reason": None,
        "paused": False,
        "dependencies": {
            "store": {"name": "mongodb", "ok": True, "detail": "ok", "since_s": 60.2},
            "lease": {"name": "redis", "ok": True, "detail": "ok", "since_s": 61.0},
        },
        "leaseNote": None,
        "stuckCommits": [],
    }


@pytest.mark.parametrize("path", ["/health", "/readyz"])
async def test_a_node_that_cannot_serve_updates_says_why_with_503(
    client: Client, node: FakeNode, path: str
) -> None:
    node.become(
        role=Role.STANDBY,
        serving=False,
        reason="the store does not answer",
        store=Dependency("mongodb", ok=False, detail="no answer", since_s=3),
    )
    status, body = await _get(client, path)
    assert (status, body["status"], body["role"]) == (503, "unavailable", "standby")
    assert body["reason"] == "the store does not answer"


async def test_a_live_process_says_so_whoever_owns_the_orders(
    client: Client, node: FakeNode
) -> None:
    node.become(role=Role.STANDBY, serving=False)
    assert await _get(client, "/livez") == (200, {"status": "ok"})
    node.become(role=Role.OWNER, serving=True)
    assert (await _get(client, "/readyz"))[0] == 200


async def test_probes_may_ask_for_the_head_alone(client: Client) -> None:
    async with client.head("/health") as reply:
        assert (reply.status, await reply.read()) == (200, b"")


# -- orders --------------------------------------------------------------------------------


async def test_detail_shows_the_stored_order(client: Client, node: FakeNode) -> None:
    at = datetime(2026, 11, 23, 1, 2, 3, 456789, tzinfo=UTC)
    node.store.orders[ORDER] = {"id": ORDER, "status": "PAUSED", "updateAt": at, "progress": None}
    status, body = await _get(client, f"{API}/detail/{ORDER.upper()}")
    assert status == 200
    assert body["success"] is True
    assert body["data"] == {
        "id": ORDER,
        "status": "PAUSED",
        "updateAt": "2026-11-23T01:02:03.456Z",
        "progress": None,
    }


async def test_detail_of_an_unknown_order_is_404_and_of_a_wrong_id_400(client: Client) -> None:
    status, body = await _get(client, f"{API}/detail/{ORDER}", ENGLISH)
    assert (status, body["code"], body["data"]) == (
        404,
        "WORK_ORDER_NOT_FOUND",
        {"workOrderId": ORDER},
    )
    status, body = await _get(client, f"{API}/detail/1", ENGLISH)
    assert (status, body["code"], body["data"]) == (400, "INVALID_WORK_ORDER_ID", {"field": "id"})


async def test_logs_are_paged_as_asked(client: Client, node: FakeNode) -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    node.store.page = LogPage(41, ({"_id": "1", "operateTime": at, "changeQuantity": 2.5},))
    path = f"{API}/quantity-logs/{ORDER}?page=3&pageSize=20&changeType=input&startDate=2026/11/23"
    status, body = await _get(client, path)
    assert status == 200
    assert body["data"] == {
        "success": True,
        "total": 41,
        "page": 3,
        "pageSize": 20,
        "totalPages": 3,
        "truncated": False,
        "logs": [{"_id": "1", "operateTime": "2026-11-23T00:00:00.000Z", "changeQuantity": 2.5}],
    }
    since = at - timedelta(hours=8)
    asked = LogQuery(WorkOrderId(ORDER), 3, 20, "input", since, None, max_bytes=4 * 2**20)
    assert node.store.queries == [asked]


async def test_a_page_that_ends_early_says_so(client: Client, node: FakeNode) -> None:
    node.store.page = LogPage(41, ({"_id": "1"}, {"_id": "2"}))
    pages = ((3, 1, True), (2, 1, False), (1000, 1, True), (39, 2, False))
    for page_size, page, truncated in pages:
        query = f"page={page}&pageSize={page_size}"
        data = (await _get(client, f"{API}/quantity-logs/{ORDER}?{query}"))[1]["data"]
        assert data["truncated"] is truncated
        assert (data["total"], data["pageSize"]) == (41, page_size)


async def test_a_plus_sign_lost_in_the_query_string_is_understood(
    client: Client, node: FakeNode
) -> None:
    await _get(client, f"{API}/quantity-logs/{ORDER}?endDate=2026-11-23T08:00:00+08:00")
    assert node.store.queries[0].until == datetime(2026, 11, 23, tzinfo=UTC)


async def test_no_logs_are_zero_pages(client: Client) -> None:
    data = (await _get(client, f"{API}/quantity-logs/{ORDER}"))[1]["data"]
    assert (data["total"], data["totalPages"], data["logs"]) == (0, 0, [])


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("changeType=both", "INVALID_TYPE", "changeType"),
        ("startDate=x", "INVALID_DATE", "startDate"),
        ("endDate=2026-02-30", "INVALID_DATE", "endDate"),
    ],
)
async def test_a_wrong_log_query_names_its_field(
    client: Client, query: str, code: str, field: str
) -> None:
    for headers in ({}, ENGLISH):
        status, body = await _get(client, f"{API}/quantity-logs/{ORDER}?{query}", headers)
        assert (status, body["code"], body["data"]) == (400, code, {"field": field})
        assert field in body["message"]


@pytest.mark.parametrize("path", [f"{API}/detail/{ORDER}", f"{API}/quantity-logs/{ORDER}"])
async def test_reads_are_503_while_the_store_is_down(
    client: Client, node: FakeNode, path: str
) -> None:
    node.store.failure = StoreUnavailable("mongodb://user:secret@db down")
    async with client.get(path) as reply:
        text = await reply.text()
    assert reply.status == 503
    assert reply.headers["Retry-After"] == "1"
    assert '"SERVICE_UNAVAILABLE"' in text
    assert "secret" not in text


class TestWithLittleTime:
    """The same endpoints where the time for a request is short."""

    @pytest.fixture
    def options(self) -> Options:
        return Options(request_timeout_s=0.05)

    async def test_a_read_that_takes_too_long_is_503(self, client: Client, node: FakeNode) -> None:
        node.store.gate = asyncio.Event()
        status, body = await _get(client, f"{API}/detail/{ORDER}", ENGLISH)
        assert (status, body["code"]) == (503, "SERVICE_UNAVAILABLE")

    async def test_a_read_whose_turn_does_not_come_is_503_and_waits_for_it_no_longer(
        self, client: Client, node: FakeNode
    ) -> None:
        page = f"{API}/quantity-logs/{ORDER}?pageSize=1000"
        turns = client.app[READ_TURNS]
        async with turns.take("somebody", 1_000):
            status, body = await _get(client, page, ENGLISH)
            assert (status, body["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert node.store.queries == []
        async with asyncio.timeout(100), turns.take("somebody else", 1_000):
            pass  # which nobody waits for before

    async def test_a_pause_that_takes_too_long_is_504(self, client: Client, node: FakeNode) -> None:
        node.region.gate = asyncio.Event()
        status, body = await _post(client, f"{API}/queue/pause")
        assert (status, body["code"]) == (504, "TIMEOUT")


# -- operators -----------------------------------------------------------------------------


async def test_stats_add_up(client: Client) -> None:
    status, body = await _get(client, f"{API}/queue/stats")
    assert (status, body["success"]) == (200, True)
    assert body["data"] == {
        "waiting": 4,
        "active": 2,
        "completed": 30,
        "failed": 5,
        "delayed": 1,
        "total": 7,
        "paused": False,
        "pausedOrders": [],
    }


async def test_locks_are_the_orders_of_live_actors(client: Client, node: FakeNode) -> None:
    since = datetime.now(UTC) - timedelta(seconds=5)
    other = "00000000000000000000000b"
    node.region.held_orders = [
        OrderLock(WorkOrderId(ORDER), since),
        OrderLock(WorkOrderId(other), datetime.now(UTC) + timedelta(seconds=50)),
    ]
    data = (await _get(client, f"{API}/queue/locks"))[1]["data"]
    assert data["total"] == 2
    first, second = data["locks"]
    assert 5000 <= first.pop("age") < 60_000
    assert first == {
        "workOrderId": ORDER,
        "workOrderNo": None,
        "workerId": "node-1",
        "timestamp": int(since.timestamp() * 1000),
        "ttl": 4200,
    }
    assert second["age"] == 0, "a clock that was set back gives no negative age"
    data = (await _get(client, f"{API}/queue/locks?limit=1"))[1]["data"]
    assert (data["total"], len(data["locks"])) == (2, 1)


async def test_a_lock_under_a_lease_that_never_expires_has_no_ttl(
    client: Client, node: FakeNode
) -> None:
    node.become(lease_ttl_s=None)
    node.region.held_orders = [OrderLock(WorkOrderId(ORDER), datetime.now(UTC))]
    data = (await _get(client, f"{API}/queue/locks"))[1]["data"]
    assert data["locks"][0]["ttl"] is None


@pytest.mark.parametrize(
    ("sent", "grace_s"),
    [({"grace": 1500}, 1.5), ({}, 5.0), ({"grace": 2**53 - 1}, (2**53 - 1) / 1000)],
)
async def test_clean_forgets_what_is_older_than_grace(
    client: Client, node: FakeNode, sent: object, grace_s: float
) -> None:
    status, body = await _post(client, f"{API}/queue/clean", sent)
    assert (status, body["success"]) == (200, True)
    assert node.region.calls == [grace_s]


async def test_clean_needs_no_body(client: Client, node: FakeNode) -> None:
    async with client.post(f"{API}/queue/clean") as reply:
        assert reply.status == 200
    assert node.region.calls == [5.0]


@pytest.mark.parametrize("grace", [-1, "5", None, 2**53, 1.3e308])
async def test_a_wrong_grace_is_refused(client: Client, node: FakeNode, grace: object) -> None:
    status, body = await _post(client, f"{API}/queue/clean", {"grace": grace})
    assert (status, body["code"], body["data"]) == (400, "INVALID_GRACE", {"field": "grace"})
    assert node.region.calls == []


@pytest.mark.parametrize("what", ["pause", "resume"])
async def test_pause_and_resume_reach_the_region(client: Client, node: FakeNode, what: str) -> None:
    status, body = await _post(client, f"{API}/queue/{what}")
    assert (status, body["success"]) == (200, True)
    assert body["data"] == {"paused": what == "pause"}
    assert node.region.calls == [what]
    node.region.failure = NotOwner("standby")
    status, body = await _post(client, f"{API}/queue/{what}")
    assert (status, body["code"], body["success"]) == (503, "SERVICE_UNAVAILABLE", False)


async def test_clean_locks_counts_what_it_cleared(client: Client, node: FakeNode) -> None:
    node.stuck_leases = 1
    status, body = await _post(client, f"{API}/queue/clean-locks")
    assert (status, body["success"]) == (200, True)
    assert (body["cleaned"], body["data"]) == (1, {"cleaned": 1})
    assert "1" in body["message"]


async def test_a_lease_that_does_not_end_is_told_by_health_and_clean_locks(
    client: Client, node: FakeNode
) -> None:
    note = "the lease of node-2 does not expire by Redis' clock"
    node.become(lease_note=note)
    assert (await _get(client, "/health"))[1]["leaseNote"] == note
    _, body = await _post(client, f"{API}/queue/clean-locks")
    assert (body["cleaned"], note in body["message"], body["code"]) == (0, True, "OK")
    node.stuck_leases = 1
    _, body = await _post(client, f"{API}/queue/clean-locks")
    assert note not in body["message"], "it is cleared"


async def test_clean_locks_names_what_is_no_lease(client: Client, node: FakeNode) -> None:
    node.stuck_leases = LeaseSpoilt("the Redis key plan_server:lease holds something else")
    status, body = await _post(client, f"{API}/queue/clean-locks")
    assert (status, body["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert "plan_server:lease holds something else" in body["message"]


async def test_clean_locks_is_503_while_the_lease_cannot_be_read(
    client: Client, node: FakeNode
) -> None:
    node.stuck_leases = LeaseUnavailable("down")
    async with client.post(f"{API}/queue/clean-locks") as reply:
        assert (reply.status, reply.headers["Retry-After"]) == (503, "1")


async def test_every_path_is_served_with_a_closing_slash_too(client: Client) -> None:
    assert (await _get(client, f"{API}/queue/stats/"))[0] == 200
    assert (await _get(client, f"{API}/detail/{ORDER}/"))[1]["code"] == "WORK_ORDER_NOT_FOUND"
