"""What callers and operators are told of guarded counts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from actors import errors
from actors.domain.guards import Guard
from tests.unit.web.fake_node import applied

if TYPE_CHECKING:
    from actors.domain.messages import Updated, UpdateQuantity
    from tests.unit.web.conftest import Client
    from tests.unit.web.fake_node import FakeNode

ORDER = "0123456789abcdef01234567"
UPDATE = "/api/workorder/update-quantity"
OUTPUT = {"workOrderId": ORDER, "type": "output", "logContext": {"relatedBarcode": "SN1"}}


async def test_input_beyond_the_plan_is_409_and_says_what_the_plan_is(
    client: Client, node: FakeNode
) -> None:
    node.region.decide = lambda _: errors.OverPlan(100)
    async with client.post(UPDATE, json=OUTPUT, headers={"Accept-Language": "en"}) as reply:
        body = await reply.json()
    assert (reply.status, body["code"]) == (409, "OVER_PLAN")
    assert body["data"] == {"planProductionQuantity": 100, "replayed": False}
    assert "100" in body["message"]


async def test_an_output_that_is_counted_already_is_a_success_with_nothing_counted(
    client: Client, node: FakeNode
) -> None:
    node.region.decide = lambda _: errors.DuplicateOperation("SN1", "", "a" * 24, output=True)
    async with client.post(UPDATE, json=OUTPUT) as reply:
        body = await reply.json()
    assert (reply.status, body["code"]) == (200, "DUPLICATE_OPERATION")
    data = body["data"]
    assert (data["jobId"], data["quantity"], data["duplicate"]) == ("a" * 24, 0, True)
    assert "产出" in body["message"]


async def test_an_unbind_of_nothing_says_so(client: Client, node: FakeNode) -> None:
    def cut(message: UpdateQuantity) -> Updated:
        return replace(applied(message), applied_quantity=0, duplicate=True)

    node.region.decide = cut
    async with client.post(UPDATE, json=OUTPUT) as reply:
        body = await reply.json()
    assert (reply.status, body["code"]) == (200, "UPDATED")
    assert (body["data"]["quantity"], body["data"]["duplicate"]) == (0, True)
    assert "SN1" in body["message"]


async def test_findings_are_listed_newest_first_with_their_counts(
    client: Client, node: FakeNode
) -> None:
    async with client.post(UPDATE, json=OUTPUT) as reply:
        assert "duplicate" not in (await reply.json())["data"]
    done = applied(node.region.asked[0])
    for number in range(3):
        found = replace(done, watched=Guard.OUTPUT_ONCE, applied_quantity=number)
        node.telemetry.guards.note(found)
    async with client.get("/api/guards?limit=2") as reply:
        data = (await reply.json())["data"]
    assert [each["quantity"] for each in data["findings"]] == [2, 1]
    assert data["findings"][0]["relatedBarcode"] == "SN1"
    assert data["guards"][0] == {"guard": "OUTPUT_ONCE", "mode": "watch", "found": 3}
