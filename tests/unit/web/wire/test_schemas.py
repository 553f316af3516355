"""From bodies and query strings to typed messages: what is taken, what is refused, and why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from actors.domain.model import MAX_QUANTITY, ChangeType, LogContext, RequestId, Trace, WorkOrderId
from actors.store import LogQuery
from web.wire.problems import RequestError
from web.wire.queries import (
    FOUND,
    MAX_FOUND,
    MAX_LOCKS,
    MAX_MINUTES,
    MAX_PAGE,
    MAX_PAGE_BYTES,
    MAX_PAGE_SIZE,
    parse_actor_query,
    parse_count,
    parse_job_query,
    parse_limit,
    parse_log_query,
    parse_minutes,
    parse_search,
)
from web.wire.schemas import (
    check_request_id,
    merge_request_ids,
    parse_grace,
    parse_update,
    parse_work_order_id,
)

if TYPE_CHECKING:
    from actors.domain.messages import UpdateQuantity

_ID = "00000000000000000000000A"
_TRACE = Trace("request-1", "")


def _parse(**body: object) -> UpdateQuantity:
    return parse_update({"workOrderId": _ID, "type": "input", **body}, None, 99.5, _TRACE)


def _refused(**body: object) -> tuple[str, Any]:
    with pytest.raises(RequestError) as caught:
        _parse(**body)
    problem = caught.value.problem
    assert problem.status == 400
    return problem.code, (problem.data or {})["field"]


def test_a_bare_update_gets_the_defaults_of_the_shared_schema() -> None:
    message = _parse()
    assert message.work_order_id == _ID.lower()
    assert (message.deadline, message.trace) == (99.5, _TRACE)
    change = message.change
    assert (change.type, change.quantity) == (ChangeType.INPUT, 1)
    assert change.context == LogContext()
    assert (change.request_id, change.fingerprint) == (None, "")


def test_every_update_is_a_job_of_its_own() -> None:
    assert len({_parse().change.job_id for _ in range(100)}) == 100


@pytest.mark.parametrize("quantity", [1, -1, 0, 0.25, -3.5, MAX_QUANTITY, -MAX_QUANTITY])
def test_quantities_in_range_are_taken(quantity: float) -> None:
    assert _parse(quantity=quantity).change.quantity == quantity


def test_a_whole_float_is_the_same_quantity_as_the_int() -> None:
    quantity = _parse(quantity=5.0).change.quantity
    assert isinstance(quantity, int)


@pytest.mark.parametrize(
    "quantity",
    ["1", "", None, True, False, [1], {}, MAX_QUANTITY + 1, -MAX_QUANTITY - 1, 1e300, float("nan")],
)
def test_what_is_no_quantity_is_refused(quantity: object) -> None:
    assert _refused(quantity=quantity) == ("INVALID_QUANTITY", "quantity")


@pytest.mark.parametrize("missing", [None, ""])
def test_a_missing_work_order_id_is_told_from_a_wrong_one(missing: object) -> None:
    assert _refused(workOrderId=missing) == ("MISSING_WORK_ORDER_ID", "workOrderId")


@pytest.mark.parametrize(
    "wrong", ["1", "g" * 24, "a" * 25, f"{_ID}\n", f" {_ID[1:]}", 1, 0, True, ["a"], {"$ne": 1}]
)
def test_what_is_no_work_order_id_is_refused(wrong: object) -> None:
    assert _refused(workOrderId=wrong) == ("INVALID_WORK_ORDER_ID", "workOrderId")


@pytest.mark.parametrize("wrong", [None, "", "INPUT", "both", 1, ["input"], {"a": 1}])
def test_what_is_no_type_is_refused(wrong: object) -> None:
    assert _refused(type=wrong) == ("INVALID_TYPE", "type")


def test_the_first_wrong_field_is_named_in_the_order_of_the_contract() -> None:
    everything_wrong = {"workOrderId": "", "type": "x", "quantity": "1", "requestId": 1}
    order = ["MISSING_WORK_ORDER_ID", "INVALID_TYPE", "INVALID_QUANTITY", "INVALID_REQUEST_ID"]
    right = {"workOrderId": _ID, "type": "input", "quantity": 1, "requestId": "k"}
    body: dict[str, object] = dict(everything_wrong)
    for code, name in zip(order, right, strict=True):
        assert _refused(**body)[0] == code
        body[name] = right[name]


# -- request ids ---------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["k", "k" * 200, "订单-1 a", "'quoted\"", "k#0"])
def test_a_printable_request_id_is_taken(key: str) -> None:
    assert _parse(requestId=key).change.request_id == key


@pytest.mark.parametrize("key", ["", "k" * 201, "a\nb", "a\x00", "\u2028", "\x7f", 1, True, [], {}])
def test_another_request_id_is_refused(key: object) -> None:
    assert _refused(requestId=key) == ("INVALID_REQUEST_ID", "requestId")


def test_a_header_of_undecodable_bytes_is_refused() -> None:
    with pytest.raises(RequestError):
        check_request_id("a\udcff", "Idempotency-Key")


def test_header_and_body_must_agree_on_the_request_id() -> None:
    header = RequestId("a")
    assert merge_request_ids(header, None) == "a"
    assert merge_request_ids(header, "a") == "a"
    assert merge_request_ids(None, "b") == "b"
    assert merge_request_ids(None, None) is None
    with pytest.raises(RequestError) as caught:
        merge_request_ids(header, "b")
    assert caught.value.problem.code == "INVALID_REQUEST_ID"


def _fingerprint(**body: object) -> str:
    return _parse(requestId="k", **body).change.fingerprint


def test_the_fingerprint_is_the_same_for_what_means_the_same() -> None:
    first = _fingerprint(quantity=1, logContext={"reason": "r", "operatorId": 5})
    again = _fingerprint(
        quantity=1.0, logContext={"operatorId": "5", "reason": "r", "remark": "", "new": 1}
    )
    assert first == again
    assert len(first) == 32


def test_the_fingerprint_of_a_request_stays_as_it_is_across_releases() -> None:
    # Stored with the log: another digest would refuse retries that began before an upgrade.
    context = {"relatedBarcode": "SN1", "isAutomatic": False}
    assert _fingerprint(quantity=2, logContext=context) == "5a9cd97f68b25179029917e00596b963"


@pytest.mark.parametrize(
    "other",
    [
        {"quantity": 2},
        {"type": "output"},
        {"logContext": {"relatedBarcode": "SN2"}},
        {"logContext": {"processName": "SN1"}},
        {},
    ],
)
def test_the_fingerprint_differs_where_the_payload_does(other: dict[str, object]) -> None:
    base = {"quantity": 1, "logContext": {"relatedBarcode": "SN1"}}
    changed = {**base, **other} if other else {"quantity": 1}
    assert _fingerprint(**base) != _fingerprint(**changed)


# -- paths, query strings and the clean body -------------------------------------------------


def test_an_id_in_a_path_is_read_in_one_spelling() -> None:
    assert parse_work_order_id(_ID) == _ID.lower()
    with pytest.raises(RequestError) as caught:
        parse_work_order_id("1")
    assert caught.value.problem.code == "INVALID_WORK_ORDER_ID"


@pytest.mark.parametrize(("grace", "seconds"), [(0, 0.0), (1500, 1.5), (0.5, 0.0005)])
def test_grace_is_in_milliseconds(grace: float, seconds: float) -> None:
    assert parse_grace({"grace": grace}) == seconds


def test_grace_is_five_seconds_unless_said() -> None:
    assert parse_grace({}) == 5.0


@pytest.mark.parametrize("grace", [-1, "5000", None, True, float("inf"), float("nan"), [1]])
def test_what_is_no_grace_is_refused(grace: object) -> None:
    with pytest.raises(RequestError) as caught:
        parse_grace({"grace": grace})
    assert caught.value.problem.code == "INVALID_GRACE"


_ORDER = WorkOrderId(_ID.lower())


@pytest.mark.parametrize("query", [{}, dict.fromkeys(("page", "pageSize", "startDate"), "")])
def test_a_log_query_has_the_defaults_of_the_contract(query: dict[str, str]) -> None:
    assert parse_log_query(_ORDER, query, UTC) == LogQuery(_ORDER, 1, 20, max_bytes=MAX_PAGE_BYTES)


def test_a_full_log_query_is_read() -> None:
    query = {
        "page": "3",
        "pageSize": "1000",
        "changeType": "output",
        "startDate": "2026-11-01",
        "endDate": "2026-11-23",
    }
    assert parse_log_query(_ORDER, query, UTC) == LogQuery(
        _ORDER,
        3,
        1000,
        "output",
        datetime(2026, 11, 1, tzinfo=UTC),
        datetime(2026, 11, 23, 23, 59, 59, 999999, tzinfo=UTC),
        max_bytes=MAX_PAGE_BYTES,
    )


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("changeType", "both", "INVALID_TYPE"),
        ("changeType", "INPUT", "INVALID_TYPE"),
        ("startDate", "soon", "INVALID_DATE"),
        ("endDate", "2026-11-31", "INVALID_DATE"),
    ],
)
def test_a_wrong_filter_is_named(name: str, value: str, code: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_log_query(_ORDER, {name: value}, UTC)
    assert caught.value.problem.code == code
    assert (caught.value.problem.data or {})["field"] == name


_TOO_MANY = ["99999999", "9" * 30, "9" * 5000, "0" * 20 + "10000001"]
_NO_COUNT = ["0", "-1", "1.5", "two", "2x", "abc", "0x10", "1e3", "", " ", "٣", "NaN", "undefined"]


@pytest.mark.parametrize(
    ("texts", "page", "size"), [(_NO_COUNT, 1, 20), (_TOO_MANY, MAX_PAGE, MAX_PAGE_SIZE)]
)
def test_a_page_that_can_not_be_is_the_default_or_the_bound(
    texts: list[str], page: int, size: int
) -> None:
    for text in texts:
        query = {"page": text, "pageSize": text}
        for read in (parse_log_query(_ORDER, query, UTC), parse_job_query(query)):
            assert (read.page, read.page_size) == (page, size), text
        actors = parse_actor_query(query)
        assert (actors.page, actors.page_size) == (page, size), text


def test_other_numbers_of_rows_fall_back_likewise() -> None:
    ways = ((parse_limit, "limit"), (parse_count, "n"), (parse_minutes, "minutes"))
    assert [read({name: "2x"}) for read, name in ways] == [1000, 10, MAX_MINUTES]
    assert [read({name: "9" * 9}) for read, name in ways] == [MAX_LOCKS, MAX_PAGE_SIZE, MAX_MINUTES]
    assert [read({name: " 007 "}) for read, name in ways] == [7, 7, 7]
    assert [parse_search({"limit": each}).limit for each in ("x", "9" * 9)] == [FOUND, MAX_FOUND]
