"""Under which names the service may be called, and what headers may not do to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.web.fake_node import ORDER
from web.app import Options
from web.hosts import LOOPBACK, Hosts, host_of

if TYPE_CHECKING:
    from tests.unit.web.conftest import Client, LogRecorder
    from tests.unit.web.fake_node import FakeNode

PAUSE = "/api/workorder/queue/pause"
UPDATE = "/api/workorder/update-quantity"
EVIL = "rebound.example"
NASTY = ("", "[", "http://[", "http://[::1", "http://a:b:c", "é\udcff", ";,=;q=,", "9" * 400, "\t")


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True),
        ("LocalHost:3001", True),
        ("127.0.0.1:3001", True),
        ("127.8.8.8", True),
        ("[::1]:3001", True),
        ("plan.example:8443", True),
        ("10.0.0.7:3001", True),
        ("10.0.0.7:3002", False),
        ("10.0.0.com:3001", False),
        ("127.0.0.evil", False),
        ("evil.plan.example", False),
        ("localhost.evil", False),
        ("localhost:80:80", False),
        ("localhost@evil", False),
        ("local\nhost", False),
        ("[", False),
    ],
)
def test_a_host_is_one_of_the_list_whole(host: str, *, allowed: bool) -> None:
    hosts = Hosts((*LOOPBACK, "plan.example", "10.0.0.*:3001"))
    assert hosts.allow(host) is allowed


def test_without_a_list_no_host_is_allowed() -> None:
    assert not Hosts(()).allow("localhost")


def test_an_origin_is_read_or_is_none() -> None:
    read = {"null": "", "https://A.example:1": "a.example:1", "http://[::1]:3": "[::1]:3"}
    assert {each: host_of(each) for each in read} == read
    assert [host_of(each) for each in ("http://[", "", "a", "http://a b", "http://a/")] == [
        None
    ] * 5


async def test_a_page_under_a_name_that_leads_here_reads_and_writes_nothing(
    client: Client, node: FakeNode
) -> None:
    """A browser takes such a page for one of ours: its own name leads to our address now."""
    page = {
        "Host": f"{EVIL}:{client.port}",
        "Origin": f"http://{EVIL}:{client.port}",
        "Sec-Fetch-Site": "same-origin",
        "Accept-Language": "en",
    }
    update = {"workOrderId": ORDER, "type": "input"}
    for method, path, body in (
        ("get", f"/api/workorder/detail/{ORDER}", None),
        ("get", "/livez", None),
        ("post", UPDATE, update),
        ("post", PAUSE, None),
    ):
        async with client.request(method, path, json=body, headers=page) as reply:
            told = await reply.json()
        assert (reply.status, told["code"]) == (421, "HOST_NOT_ALLOWED")
        assert "ALLOWED_HOSTS" in told["message"]
        assert EVIL not in str(told)
    assert node.region.calls == []


async def test_a_header_that_no_one_can_read_is_the_callers_fault(
    client: Client, logged: LogRecorder
) -> None:
    async with client.request("post", PAUSE, headers={"Origin": "http://["}) as reply:
        told = await reply.json()
    assert (reply.status, told["code"], told["data"]) == (
        400,
        "INVALID_HEADER",
        {"field": "Origin"},
    )
    for name in (
        "Host",
        "Origin",
        "Sec-Fetch-Site",
        "Authorization",
        "Accept-Language",
        "Content-Type",
        "Idempotency-Key",
        "Prefer",
        "Last-Event-ID",
        "X-Request-Id",
        "X-Deadline-Ms",
        "X-Node-Report",
        "X-Node-Signature",
        "X-Forwarded-To-Node",
        "traceparent",
        "tracestate",
    ):
        for value in NASTY:
            raw = value.encode("utf-8", "surrogateescape").decode("latin-1")
            for method, path in (("get", "/health"), ("post", UPDATE)):
                async with client.request(method, path, headers={name: raw}, data=b"{}") as reply:
                    assert reply.status < 500, (name, value)
    assert logged.named("request_failed") == []


class TestBehindABalancer:
    @pytest.fixture
    def options(self) -> Options:
        return Options(hosts=(*LOOPBACK, "10.0.0.*"))

    @pytest.mark.parametrize("host", ["10.0.0.5:3001", ""])
    async def test_its_probes_by_address_or_without_a_host_are_answered(
        self, client: Client, host: str
    ) -> None:
        async with client.request("get", "/readyz", headers={"Host": host}) as reply:
            assert reply.status == 200


async def test_the_access_line_names_the_address_and_what_was_acted_on(
    client: Client, logged: LogRecorder
) -> None:
    update = {"workOrderId": ORDER, "type": "input"}
    job = "00000000000000000000000a"
    for method, path, body in (
        ("get", f"/api/workorder/detail/{ORDER}", None),
        ("post", UPDATE, update),
        ("post", "/api/workorder/batch-update-quantity", {"updates": [update, {}, update]}),
        ("get", f"/api/workorder/queue/jobs/{job}", None),
        ("get", "/api/workorder/queue/jobs/no-id", None),
    ):
        async with client.request(method, path, json=body) as reply:
            await reply.read()
    lines = logged.named("http_request")
    assert [each["remote"] for each in lines] == ["127.0.0.1"] * 5
    names = ("work_order_id", "work_order_ids", "job_id", "updates")
    assert [{name: line[name] for name in names if name in line} for line in lines] == [
        {"work_order_id": ORDER},
        {"work_order_id": ORDER},
        {"work_order_ids": [ORDER], "updates": 3},
        {"job_id": job},
        {},
    ]
