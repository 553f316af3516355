"""What the log adds up to, over HTTP, on a store in memory."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiohttp import ClientError

from actors.domain.model import Change, ChangeType, LogContext, LogEntry, OrderFacts, new_job_id
from actors.errors import StoreUnavailable
from actors.store.quantities import QuantityQuery, QuantityRow, Sums
from tests.fakes import MemoryStore
from tests.unit.actors.owner import ORDER, OTHER
from tests.workbooks import sheet
from web.routes import statistics
from web.wire.queries import MAX_PAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from actors.domain.model import WorkOrderId
    from actors.store import Store
    from tests.unit.web.conftest import Client
    from tests.unit.web.fake_node import FakeNode

_PATH = "/api/statistics/quantities"
# Eight in the evening in Shanghai, where the late shift begins.
_EVENING = datetime(2026, 11, 23, 12, tzinfo=UTC)
_DAYS = "startDate=2026-11-20&endDate=2026-11-26"


def _entry(
    order_id: WorkOrderId, kind: str, applied: float, minutes: float, operator: str = "7"
) -> LogEntry:
    context = LogContext(operator_id=operator, operator_name="=1+1" if operator == "7" else "李")
    return LogEntry(
        work_order_id=order_id,
        seq=1,
        epoch=1,
        change=Change(new_job_id(), ChangeType(kind), applied, context),
        facts=OrderFacts(work_order_no=f"WO-{order_id[-1]}"),
        applied_quantity=applied,
        before_quantity=0,
        after_quantity=applied,
        before_status="IN_PROGRESS",
        after_status="IN_PROGRESS",
        before_progress=0,
        after_progress=0,
        operate_time=_EVENING + timedelta(minutes=minutes),
    )


@pytest.fixture
def log(node: FakeNode) -> MemoryStore:
    """Give the node a store with a log of two orders, over the change of shifts."""
    store = MemoryStore()
    store.put(ORDER, plan_production_quantity=10, output_quantity=4)
    store.put(OTHER, plan_production_quantity=0)
    for entry in (
        _entry(ORDER, "input", 5, -60),
        _entry(ORDER, "output", 2, -10),
        _entry(ORDER, "output", 3, 20),
        _entry(ORDER, "output", -1, 30, "12"),
        _entry(OTHER, "input", 7, 40, "12"),
    ):
        store.log[entry.work_order_id][entry.change.job_id] = entry
    node.store = cast("Any", store)
    return store


async def _data(client: Client, path: str) -> Any:  # noqa: ANN401
    async with client.get(path) as reply:
        body = await reply.json()
        assert reply.status == 200, body
        return body["data"]


@pytest.mark.usefixtures("log")
async def test_rows_have_their_keys_names_and_sums_and_the_total_is_of_all(client: Client) -> None:
    data = await _data(client, f"{_PATH}?{_DAYS}&group=order")
    assert (data["group"], data["truncated"], data["timeZone"]) == (
        ["order"],
        False,
        "Asia/Shanghai",
    )
    assert data["startDate"] == "2026-11-19T16:00:00.000Z"
    first, _ = data["rows"]
    assert first == {
        "keys": {"order": ORDER},
        "names": {"order": f"WO-{ORDER[-1]}"},
        "input": {"added": 5, "taken": 0, "net": 5, "increases": 1, "decreases": 0},
        "output": {"added": 5, "taken": 1, "net": 4, "increases": 2, "decreases": 1},
        "firstOutputAt": "2026-11-23T11:50:00.000Z",
        "lastOutputAt": "2026-11-23T12:20:00.000Z",
        "outputPerHour": 8,
        "cycleS": 1800,
    }
    assert data["total"]["input"]["net"] == 12
    few = await _data(client, f"{_PATH}?{_DAYS}&group=order&limit=1")
    assert (few["rows"], few["truncated"], few["total"]) == ([first], True, data["total"])


@pytest.mark.usefixtures("log")
async def test_times_are_those_of_the_zone_and_shifts_those_of_the_settings(client: Client) -> None:
    data = await _data(client, f"{_PATH}?{_DAYS}&group=shift,day,hour")
    keys = [list(row["keys"].values()) for row in data["rows"]]
    assert keys == [
        ["2026-11-23T08:00", "2026-11-23", "2026-11-23T19:00"],
        ["2026-11-23T20:00", "2026-11-23", "2026-11-23T20:00"],
    ]
    assert data["shifts"] == ["08:00", "20:00"]


@pytest.mark.usefixtures("log")
async def test_filters_choose_entries(client: Client) -> None:
    for chosen, output, input_ in (
        ("operatorId=12", -1, 7),
        (f"workOrderId={ORDER.upper()}", 4, 5),
        ("changeType=input", 0, 12),
        ("isAutomatic=true", 4, 12),
        ("isAutomatic=false", 0, 0),
        ("barcodeOperation=OTHER", 4, 12),
        ("productionLineId=none", 0, 0),
    ):
        total = (await _data(client, f"{_PATH}?{_DAYS}&{chosen}"))["total"]
        assert (total["output"]["net"], total["input"]["net"]) == (output, input_), chosen


async def test_without_dates_it_is_the_last_month_and_without_entries_nothing(
    client: Client, log: MemoryStore
) -> None:
    log.log.clear()
    data = await _data(client, _PATH)
    since, until = (datetime.fromisoformat(data[name]) for name in ("startDate", "endDate"))
    assert until - since == timedelta(days=31)
    assert (data["rows"], data["total"]["output"]["net"]) == ([], 0)
    assert data["total"]["cycleS"] is None


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("group=colour", "INVALID_STATISTICS_QUERY"),
        ("group=order,line,material,operator,day", "INVALID_STATISTICS_QUERY"),
        ("isAutomatic=perhaps", "INVALID_STATISTICS_QUERY"),
        ("materialId=steel", "INVALID_STATISTICS_QUERY"),
        ("changeType=scrap", "INVALID_TYPE"),
        ("startDate=yesterday", "INVALID_DATE"),
    ],
)
@pytest.mark.parametrize("path", ["quantities", "quantities.csv", "quantities.xlsx", "plans"])
async def test_what_can_not_be_read_is_refused(
    client: Client, path: str, asked: str, code: str
) -> None:
    async with client.get(f"/api/statistics/{path}?{asked}") as reply:
        assert (reply.status, (await reply.json())["code"]) == (400, code)


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize(
    "asked",
    [
        "startDate=0001-01-01",
        "endDate=9999-12-31",
        "startDate=2026-11-26&endDate=2026-11-20",
        "group=",
    ],
)
async def test_whatever_the_dates_it_is_answered(client: Client, asked: str) -> None:
    for path in ("quantities", "plans"):
        await _data(client, f"/api/statistics/{path}?{asked}")


@pytest.mark.usefixtures("log")
async def test_the_export_has_the_same_rows_and_no_formulas(client: Client) -> None:
    path = f"{_PATH}.csv?{_DAYS}&group=operator,automatic"
    async with client.get(path) as reply:
        assert reply.headers["Content-Type"] == "text/csv; charset=utf-8"
        text = (await reply.read()).decode("utf-8-sig")
    heading, *rows = csv.DictReader(io.StringIO(text)), *csv.DictReader(io.StringIO(text))
    assert heading.fieldnames is not None
    assert [row["operator"] for row in rows] == ["12", "7"]
    assert [row["operatorName"] for row in rows] == ["李", "'=1+1"]
    assert {row["automatic"] for row in rows} == {"true"}
    assert [row["output.net"] for row in rows] == ["-1", "5"]
    async with client.head(path) as reply:
        assert (reply.status, await reply.read()) == (200, b"")


@pytest.mark.usefixtures("log")
async def test_the_workbook_has_the_same_rows_on_the_clocks_of_the_place(client: Client) -> None:
    path = f"{_PATH}.xlsx?{_DAYS}&group=operator,shift,day"
    async with client.get(path) as reply:
        assert reply.headers["Content-Disposition"] == 'attachment; filename="quantities.xlsx"'
        heading, *rows = sheet(await reply.read())
    found = [dict(zip(heading, row, strict=True)) for row in rows]
    evening = found[-1]
    assert [row["operatorName"] for row in found] == ["李", "'=1+1", "'=1+1"]
    assert evening["shift"] == datetime(2026, 11, 23, 20)  # noqa: DTZ001 -- as a cell has it
    assert evening["day"] == datetime(2026, 11, 23)  # noqa: DTZ001 -- the same
    assert evening["firstOutputAt"] == datetime(2026, 11, 23, 20, 20)  # noqa: DTZ001 -- the same
    assert evening["output.net"] == 3
    assert evening["outputPerHour"] is None
    async with client.head(path) as reply:
        assert (reply.status, await reply.read()) == (200, b"")


class _Failing:
    """Statistics of a store that goes away after its first rows."""

    async def quantities(self, query: QuantityQuery) -> AsyncIterator[Sequence[QuantityRow]]:
        yield [QuantityRow((f"{n:024x}",), (None,), Sums(), Sums(), None, None) for n in range(3)]
        raise StoreUnavailable(f"gone before {query.until}")


async def test_an_export_that_can_not_be_finished_is_no_whole_one(
    client: Client, node: FakeNode
) -> None:
    node.store = cast("Any", type("Broken", (), {"statistics": _Failing()})())
    for form in ("csv", "xlsx"):
        with pytest.raises(ClientError):
            async with client.get(f"{_PATH}.{form}?group=order") as reply:
                await reply.read()
    async with client.get(f"{_PATH}?group=order") as reply:
        assert reply.status == 503


class _Wordy:
    """Statistics of operators with the longest names that there may be."""

    async def quantities(self, query: QuantityQuery) -> AsyncIterator[Sequence[QuantityRow]]:
        name = "😀" * 2_000
        keys = [(f"{n}",) for n in range(query.limit or 1)] if query.group else [()]
        yield [QuantityRow(each, (name,) * len(each), Sums(), Sums(), None, None) for each in keys]


async def test_rows_that_are_too_large_together_are_cut_off_as_a_page_is(
    client: Client, node: FakeNode
) -> None:
    node.store = cast("Any", type("Wordy", (), {"statistics": _Wordy()})())
    data = await _data(client, f"{_PATH}?group=operator&limit=600")
    assert 100 < len(data["rows"]) <= MAX_PAGE_BYTES // 8_000
    assert data["truncated"]


async def test_large_rows_are_made_one_by_one_so_that_others_run_between(
    client: Client, node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.store = cast("Any", type("Wordy", (), {"statistics": _Wordy()})())
    most = 0

    async def noted(make: Any, given: Any) -> list[Any]:  # noqa: ANN401
        nonlocal most
        made = [make(each) for each in given]
        most = max(most, *(len(each) for each in made if isinstance(each, bytes)), 0)
        return made

    monkeypatch.setattr(statistics, "in_slices", noted)
    async with client.get(f"{_PATH}.csv?group=operator") as reply:
        await reply.read()
    assert 8_000 < most < 9_000


async def test_a_plan_is_as_far_as_its_output_and_ends_at_its_present_rate(
    client: Client, log: Store
) -> None:
    assert isinstance(log, MemoryStore)
    until = "2026-11-23T12:50:00Z"
    data = await _data(client, f"/api/statistics/plans?endDate={until}")
    plans = {row["workOrderId"]: row for row in data["rows"]}
    assert plans[ORDER] | {"productionLineName": None} == {
        "workOrderId": ORDER,
        "workOrderNo": f"WO-{ORDER}",
        "productionLineName": None,
        "status": "IN_PROGRESS",
        "planProductionQuantity": 10,
        "outputQuantity": 4,
        "remaining": 6,
        "fulfilment": 40,
        "outputInPeriod": 4,
        "perHour": 4,
        "expectedEnd": "2026-11-23T14:20:00.000Z",
    }
    assert plans[OTHER]["fulfilment"] is None
    assert plans[OTHER]["expectedEnd"] is None
