"""Around the endpoints: limits of bodies, unknown paths, ids, headers, hang-ups and the log."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from actors.domain.messages import Queued
from actors.errors import PoisonMessage
from actors.runtime.slices import in_slices
from tests.unit.web.conftest import until
from tests.unit.web.fake_node import ORDER
from web.app import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.unit.web.conftest import Client, LogRecorder
    from tests.unit.web.fake_node import FakeNode

UPDATE = "/api/workorder/update-quantity"
ENGLISH = {"Accept-Language": "en"}
GOOD = {"workOrderId": ORDER, "type": "input"}


async def _raw(client: Client, *parts: bytes, within_s: float = 100) -> bytes:
    """Send bytes as they are, and read until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        async with asyncio.timeout(within_s):
            return await reader.read()
    finally:
        writer.close()


def _post_head(*headers: str) -> bytes:
    lines = [f"POST {UPDATE} HTTP/1.1", "Host: localhost", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def _answer(raw: bytes) -> tuple[int, dict[str, Any]]:
    head, _, body = raw.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), json.loads(body)


@pytest.mark.parametrize("options", [Options(body_timeout_s=0.3)])
async def test_a_body_that_drips_is_answered_408_and_its_connection_closed(
    client: Client, node: FakeNode
) -> None:
    raw = await _raw(client, _post_head("Content-Length: 100"), b'{"workOrderId"')
    status, body = _answer(raw)
    assert (status, body["code"]) == (408, "BODY_TIMEOUT")
    assert "0.3" in body["message"]
    assert b"Connection: close" in raw
    assert node.region.asked == []


async def test_a_body_in_pieces_within_its_time_is_read(client: Client) -> None:
    body = json.dumps(GOOD).encode()
    headers = (f"Content-Length: {len(body)}", "Connection: close", "Expect: 100-continue")
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(_post_head(*headers))
    async with asyncio.timeout(100):
        assert b" 100 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(body[:9])
        await asyncio.sleep(0)
        writer.write(body[9:])
        assert _answer(await reader.read())[0] == 200
    writer.close()


async def test_a_body_announced_too_large_is_refused_before_it_is_sent(client: Client) -> None:
    status, body = _answer(await _raw(client, _post_head("Content-Length: 4097")))
    assert (status, body["code"], body["data"]) == (413, "BODY_TOO_LARGE", {"limit": 4096})


async def test_a_body_that_grows_too_large_is_refused(client: Client) -> None:
    chunk = b"1000\r\n" + b" " * 4096 + b"\r\n"
    head = _post_head("Transfer-Encoding: chunked")
    status, body = _answer(await _raw(client, head, chunk, chunk))
    assert (status, body["code"]) == (413, "BODY_TOO_LARGE")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (["Transfer-Encoding: chunked"], b"zz\r\n{}\r\n"),
        (["Content-Encoding: gzip", "Content-Length: 4"], b"junk"),
    ],
)
async def test_a_body_that_is_garbled_on_its_way_is_400(
    client: Client, headers: list[str], body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    raw = await _raw(client, _post_head("Connection: close", *headers), body)
    assert raw.split(b" ")[1] == b"400"
    assert "Unhandled exception" not in caplog.text


async def test_a_body_that_is_not_json_is_400_in_both_languages(client: Client) -> None:
    for headers, words in (({}, "不是有效的 JSON"), (ENGLISH, "not valid JSON")):
        async with client.post(UPDATE, data=b"{oops", headers=headers) as reply:
            body = await reply.json()
        assert (reply.status, body["code"]) == (400, "INVALID_JSON")
        assert words in body["message"]


async def test_a_body_in_another_encoding_counts(client: Client, node: FakeNode) -> None:
    said = f'{{"workOrderId": "{ORDER}", "type": "input", "logContext": {{"remark": "返工"}}}}'
    async with client.post(UPDATE, data=said.encode("gbk")) as reply:
        body = await reply.json()
    assert (reply.status, body["code"]) == (200, "UPDATED")
    assert node.region.asked[0].change.context.remark == "\ufffd" * 4


async def test_an_unknown_path_is_404_in_the_envelope(client: Client, logged: LogRecorder) -> None:
    for headers, words in (({}, "接口不存在"), (ENGLISH, "no such path")):
        path = "/api/workorder/" + "x" * 300
        async with client.get(path, headers=headers) as reply:
            body = await reply.json()
        assert reply.status == 404
        assert (body["success"], body["code"], body["data"]) == (False, "NOT_FOUND", None)
        assert words in body["message"]
    assert len(logged.named("http_request")[0]["path"]) == 200


async def test_a_wrong_method_is_405_and_names_the_right_one(client: Client) -> None:
    async with client.get(UPDATE, headers=ENGLISH) as reply:
        body = await reply.json()
    assert (reply.status, body["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert reply.headers["Allow"] == "POST"
    assert "POST" in body["message"]


@pytest.mark.parametrize("path", ["/", "/health", "/nowhere", "/api/workorder/queue/stats"])
async def test_every_reply_says_who_served_it_and_is_not_cached(client: Client, path: str) -> None:
    async with client.get(path) as reply:
        assert reply.headers["X-Served-By"] == "node-1"
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
        assert "aiohttp" not in reply.headers["Server"]


@pytest.mark.parametrize("given", ["", "x" * 129, 'a"b', "a b", "编号"])
async def test_a_request_id_that_is_not_sane_is_replaced(client: Client, given: str) -> None:
    made = set()
    for _ in range(2):
        async with client.get("/", headers={"X-Request-Id": given}) as reply:
            made.add(reply.headers["X-Request-Id"])
    assert len(made) == 2
    assert all(re.fullmatch(r"[0-9a-f]{16}", each) for each in made)


_TRACE = "0af7651916cd43dd8448eb211c80319c"
_SPAN = "b7ad6b7169203331"


@pytest.mark.parametrize(
    "given",
    [
        "<script>",
        f"00-{_TRACE}-{_SPAN}",
        f"00-{_TRACE}-{_SPAN}-01-more",
        f"ff-{_TRACE}-{_SPAN}-01",
        f"00-{_TRACE.upper()}-{_SPAN}-01",
        f"00-{'0' * 32}-{_SPAN}-01",
        f"00-{_TRACE}-{'0' * 16}-01",
    ],
)
async def test_a_traceparent_that_is_not_one_is_dropped(
    client: Client, node: FakeNode, logged: LogRecorder, given: str
) -> None:
    async with client.post(UPDATE, json=GOOD, headers={"traceparent": given}):
        pass
    assert node.region.asked[0].trace.ids() == {}
    assert "trace_id" not in logged.named("http_request")[0]


@pytest.mark.parametrize("given", [f"00-{_TRACE}-{_SPAN}-01", f"01-{_TRACE}-{_SPAN}-01-more"])
async def test_a_call_is_a_span_of_the_callers_trace_in_the_log(
    client: Client, node: FakeNode, logged: LogRecorder, given: str
) -> None:
    async with client.post(UPDATE, json=GOOD, headers={"traceparent": given}):
        pass
    line = logged.named("http_request")[0]
    ids = node.region.asked[0].trace.ids()
    assert (line["trace_id"], line["parent_span_id"]) == (_TRACE, _SPAN)
    assert ids == {"trace_id": _TRACE, "span_id": line["span_id"]}
    assert re.fullmatch(r"[0-9a-f]{16}", line["span_id"])
    assert line["span_id"] != _SPAN


async def test_each_request_leaves_one_line_with_its_route(
    client: Client, logged: LogRecorder
) -> None:
    async with client.get(
        f"/api/workorder/detail/{ORDER}", headers={"X-Request-Id": "r-1"}
    ) as reply:
        size = len(await reply.read())
    line = logged.named("http_request")[0]
    assert line.pop("duration_ms") > 0
    assert line == {
        "level": "info",
        "event": "http_request",
        "method": "GET",
        "path": "/api/workorder/detail/{id}",
        "status": 404,
        "request_id": "r-1",
        "bytes": size,
        "remote": "127.0.0.1",
        "work_order_id": ORDER,
    }


class TestWithOneLineAnUpdate:
    """Where not every call has a line, as by default."""

    @pytest.fixture
    def options(self) -> Options:
        return Options()

    async def test_an_applied_update_has_its_own_which_says_who_called(
        self, client: Client, node: FakeNode, logged: LogRecorder
    ) -> None:
        async with client.post(UPDATE, json=GOOD, headers={"X-Request-Id": "r-1"}) as reply:
            assert reply.status == 200
        assert logged.named("http_request") == []
        origin = {"remote": "127.0.0.1"}
        assert node.region.asked[0].trace.origin() == origin
        assert node.region.asked[0].trace.http_request_id == "r-1"

    async def test_what_was_refused_or_kept_or_is_in_a_trace_has_a_line(
        self, client: Client, node: FakeNode, logged: LogRecorder
    ) -> None:
        async with client.post(UPDATE, json=GOOD | {"type": "none"}) as reply:
            assert reply.status == 400
        traced = {"traceparent": f"00-{_TRACE}-{_SPAN}-01"}
        async with client.post(UPDATE, json=GOOD, headers=traced) as reply:
            assert reply.status == 200
        node.region.decide = lambda message: Queued(message.change, message.work_order_id)
        async with client.post(UPDATE, json=GOOD) as reply:
            assert reply.status == 200
        assert [each["status"] for each in logged.named("http_request")] == [400, 200, 200]


async def test_probes_that_find_nothing_are_not_worth_a_line(
    client: Client, node: FakeNode, logged: LogRecorder
) -> None:
    async with client.get("/health"):
        node.become(serving=False, reason="standby")
    async with client.get("/health"):
        pass
    assert [each["level"] for each in logged.named("http_request")] == ["debug", "info"]


async def test_an_error_of_our_own_is_500_logged_and_keeps_its_text_to_itself(
    client: Client, node: FakeNode, logged: LogRecorder
) -> None:
    node.region.decide = lambda _message: ValueError("secret detail")
    async with client.post(UPDATE, json=GOOD, headers={"X-Request-Id": "r-2"}) as reply:
        text = await reply.text()
    assert reply.status == 500
    assert '"SYSTEM_ERROR"' in text
    assert "secret" not in text
    line = logged.named("request_failed")[0]
    assert (line["request_id"], line["path"]) == ("r-2", UPDATE)
    assert str(line["exc_info"]) == "secret detail"


async def test_a_time_out_of_our_own_making_is_no_answer_of_its_own(
    client: Client, node: FakeNode
) -> None:
    node.region.decide = lambda _message: TimeoutError("somewhere")
    async with client.post(UPDATE, json=GOOD) as reply:
        assert (reply.status, (await reply.json())["code"]) == (500, "SYSTEM_ERROR")


async def test_a_connection_error_of_our_own_is_not_taken_for_a_hang_up(
    client: Client, node: FakeNode
) -> None:
    node.region.decide = lambda _message: ConnectionResetError("database")
    async with client.post(UPDATE, json=GOOD) as reply:
        assert reply.status == 500


async def test_a_message_that_was_given_up_is_logged_with_its_request(
    client: Client, node: FakeNode, logged: LogRecorder
) -> None:
    node.region.decide = lambda _message: PoisonMessage(3)
    async with client.post(UPDATE, json=GOOD) as reply:
        assert reply.status == 500
    assert len(logged.named("request_failed")) == 1


async def test_a_caller_that_hangs_up_does_not_cancel_its_update(
    client: Client, node: FakeNode, logged: LogRecorder
) -> None:
    node.region.gate = asyncio.Event()
    body = json.dumps(GOOD).encode()
    _, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(_post_head(f"Content-Length: {len(body)}") + body)
    await until(lambda: node.region.asked)
    writer.close()
    await until(lambda: not client.connections)
    node.region.gate.set()
    await until(lambda: logged.named("http_request"))
    assert logged.named("http_request")[0]["status"] == 200


async def test_a_caller_that_hangs_up_in_its_body_is_no_error_of_ours(
    client: Client, logged: LogRecorder
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(_post_head("Content-Length: 100") + b"{")
    writer.close()
    await until(lambda: logged.named("http_request"))
    assert logged.named("http_request")[0]["status"] == 499
    assert logged.named("request_failed") == []


class TestWithAnotherBatchLimit:
    """The limit of a batch comes from the options."""

    @pytest.fixture
    def options(self) -> Options:
        return Options(max_batch=250)

    async def test_a_batch_of_the_greatest_size_is_applied(
        self, client: Client, node: FakeNode
    ) -> None:
        path = "/api/workorder/batch-update-quantity"
        async with client.post(path, json={"updates": [GOOD] * 250}) as reply:
            assert (await reply.json())["data"]["succeeded"] == 250
        assert len(node.region.asked) == 250

    async def test_others_may_go_on_between_its_items(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sliced: list[int] = []

        async def noted(make: Callable[[Any], Any], given: Iterable[Any]) -> list[Any]:
            made = await in_slices(make, given)
            sliced.append(len(made))
            return made

        monkeypatch.setattr("web.routes.updates.in_slices", noted)
        path = "/api/workorder/batch-update-quantity"
        async with client.post(path, json={"updates": [GOOD] * 250}) as reply:
            assert reply.status == 200
        assert sliced == [250, 250]  # read, and answered

    async def test_a_few_orders_of_its_operations_are_asked_for_at_once(
        self, client: Client, node: FakeNode
    ) -> None:
        node.region.gate = asyncio.Event()
        items = [{"workOrderId": f"{each:024x}", "operation": "start"} for each in range(250)]

        async def ask() -> dict[str, Any]:
            path = "/api/workorder/batch-operations"
            async with client.post(path, json={"operations": items}) as reply:
                body: dict[str, Any] = await reply.json()
                return body

        asking = asyncio.create_task(ask())
        await until(lambda: node.region.asked)
        await asyncio.sleep(0)
        at_once = len(node.region.asked)
        node.region.gate.set()
        assert (await asking)["data"]["succeeded"] == len(node.region.asked) == 250
        assert at_once <= 64
