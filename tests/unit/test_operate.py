"""What the operators' command line says, and how it ends, of a service with canned answers."""

from __future__ import annotations

import ast
import io
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from scripts.operate import overview, screen, words
from scripts.operate.__main__ import app
from scripts.operate.service import Answer, Failed, ServiceAt, Unreachable
from web import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

_ORDER = "0" * 23 + "1"
_ROW: dict[str, Any] = {
    "workOrderId": _ORDER,
    "workOrderNo": "WO-2026-11-000017",
    "state": "waiting",
    "depth": 12_345,
    "oldestWaitMs": 98_765.43,
    "ratePerSecond": 123.456,
    "tookMs": 12.34,
    "handled": 1_234_567,
    "failed": 0,
}
_JOB_ID = "6b081f3306c1f3fd3161cabc"
_FAILED: dict[str, Any] = {
    "jobId": _JOB_ID,
    "workOrderId": _ORDER,
    "workOrderNo": None,
    "state": "failed",
    "type": "output",
    "quantity": 9_007_199_254_740_000,
    "logContext": {"relatedBarcode": "SN-1"},
    "requestId": "line-4/17",
    "attempts": 3,
    "receivedAt": "2026-11-26T08:00:00Z",
    "finishedAt": None,
    "deadLetter": True,
    "error": {"code": "WORK_ORDER_NOT_FOUND", "message": "there is no such order " * 4},
    "result": None,
}
_TRIED = {"at": "2026-11-26T08:00:01Z", "code": "STORE_REJECTED", "message": "no room " * 20}
_PAGE = {"total": 1, "page": 1, "totalPages": 1}
_ALARM = {
    "severity": "warning",
    "code": "ORDERS_PAUSED",
    "sinceS": 61.2,
    "message": "工单 WO-17 is paused",
    "advice": "Resume it. " * 12,
    "workOrderId": _ORDER,
}
_NODE = {"node": "north", "role": "owner", "epoch": 3, "url": "http://10.0.0.11:3001"}


def _shards(count: int, planned: int | None = None) -> dict[str, Any]:
    counts = {"waiting": 3, "active": 1, "unlogged": 17, "ratePerSecond": 123.4}
    row = {"node": "north", "epoch": 7, "serving": True, "leaseLeftMs": 4000, "counts": counts}
    gone = {"node": None, "epoch": 0, "serving": False, "leaseLeftMs": None, "counts": None}
    rows = [{"shard": index, **row} for index in range(count)]
    if planned is not None:
        rows[-1] |= gone
    return {"count": count, "version": 2, "planned": planned, "shards": rows}


class Canned:
    """What the service answers, by path; `said` is what it was asked."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.given: dict[str, object] = {}
        """In the body or the query of the last call."""
        self.alarms: list[dict[str, Any]] = []
        self.serving = True
        self.shards: dict[str, Any] = _shards(4)
        self.failure: Exception | None = None

    def answer(self, method: str, path: str) -> dict[str, Any]:
        self.said.append((method, path))
        if self.failure is not None:
            raise self.failure
        times = {"total": {"p50": 1.2, "p99": 3.4}}
        answers: dict[str, Any] = {
            "/health": {"serving": self.serving, "reason": "no owner", "paused": False},
            "/api/nodes": {
                "leaseHolder": "north",
                "leaseLeftMs": 4000,
                "nodes": [_NODE],
                "ownerChanges": [{**_NODE, "since": "2026-11-26T08:00:00Z"}],
            },
            "/api/alarms": {"alarms": self.alarms},
            "/api/workorder/queue/stats": {"waiting": 1, "active": 0, "delayed": 0},
            "/api/actors/stats": {
                "timesMs": times,
                "updates": {"perSecond": 1, "failed": 0},
                "mailboxes": {"oldestWaitMs": 1},
                "live": 1,
                "pausedOrders": 0,
            },
            "/api/actors/hot": {kind: [_ROW] * 30 for kind in overview.KINDS},
            "/api/workorder/queue/pause": {"paused": True},
            "/api/shards": self.shards,
            "/api/workorder/queue/jobs": {
                **_PAGE,
                "jobs": [_FAILED],
            },
            f"/api/workorder/queue/jobs/{_JOB_ID}": {**_FAILED, "failures": [_TRIED]},
            "/api/workorder/queue/job-counts": {"failed": 8, "retryable": 7},
            "/api/workorder/queue/retry-failed": {"retried": 7},
            "/api/workorder/queue/discard-failed": {"discarded": 8},
        }
        found: dict[str, Any] = answers[path]
        return found


@pytest.fixture
def canned(monkeypatch: pytest.MonkeyPatch) -> Iterator[Canned]:
    service = Canned()

    def call(_self: ServiceAt, method: str, path: str, *given: Any) -> Answer:  # noqa: ANN401
        service.given = {name: value for each in given for name, value in (each or {}).items()}
        return Answer(200, {"data": service.answer(method, path)})

    def health(_self: ServiceAt, method: str, path: str, *rest: object) -> Answer:
        if path == "/health":
            return Answer(200, service.answer(method, path))
        return call(_self, method, path, *rest)

    monkeypatch.setattr(ServiceAt, "call", health)
    monkeypatch.setenv("LANG", "C")
    for name in ("PLAN_LANG", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    yield service
    words.choose(None)


def run(*arguments: str, answer: str | None = None) -> Any:  # noqa: ANN401 -- typer's own
    return CliRunner().invoke(app, arguments, input=answer)


# -- how it ends ---------------------------------------------------------------------------


def test_all_orders_are_paused_only_when_that_is_said(canned: Canned) -> None:
    refused = run("pause")
    assert refused.exit_code == 2
    assert "--all" in refused.output
    assert run("pause", _ORDER, "--all").exit_code == 2
    assert canned.said == []
    assert "all orders: paused" in run("pause", "--all").output
    assert canned.said == [("POST", "/api/workorder/queue/pause")]


@pytest.mark.parametrize(("answer", "calls"), [("n\n", 0), ("y\n", 1)])
def test_at_a_terminal_it_asks_before_it_pauses_all(
    canned: Canned, monkeypatch: pytest.MonkeyPatch, answer: str, calls: int
) -> None:
    monkeypatch.setattr("scripts.operate.acting.is_at_a_terminal", lambda: True)
    assert "Pause ALL orders?" in run("pause", answer=answer).output
    assert len(canned.said) == calls


@pytest.mark.parametrize(
    ("alarms", "serving", "failure", "code", "word"),
    [
        ([], True, None, 0, "OK"),
        ([_ALARM], True, None, 1, "WARNING"),
        ([{**_ALARM, "severity": "critical"}], True, None, 2, "CRITICAL"),
        ([], False, None, 2, "CRITICAL - NOT SERVED: no owner"),
        ([], True, Unreachable("nobody there"), 2, "CRITICAL - nobody there"),
        ([], True, Failed(401, "UNAUTHORIZED", "no token"), 3, "UNKNOWN - UNAUTHORIZED"),
    ],
)
def test_a_monitor_is_told_in_one_line_and_by_the_exit_code(
    canned: Canned,
    alarms: list[dict[str, Any]],
    serving: bool,  # noqa: FBT001
    failure: Exception | None,
    code: int,
    word: str,
) -> None:
    canned.alarms, canned.serving, canned.failure = alarms, serving, failure
    result = run("status", "--check")
    assert result.exit_code == code
    assert result.output.startswith(word)
    assert result.output.count("\n") == 1


def test_another_number_of_shards_is_waited_for(
    canned: Canned, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[dict[str, Any] | Exception]
    looks = [_shards(4, planned=2), Unreachable("between two maps"), _shards(2, planned=None)]

    def next_look(_seconds: float) -> None:
        look = looks.pop(0)
        canned.failure = look if isinstance(look, Exception) else None
        canned.shards = canned.shards if isinstance(look, Exception) else look

    # Of that module alone: threads of other tests' drivers sleep as well.
    clock = SimpleNamespace(sleep=next_look, monotonic=time.monotonic)
    monkeypatch.setattr("scripts.operate.sharding.time", clock)
    done = run("reshard", "2")
    assert done.exit_code == 0, done.output
    assert "shards: 2, version 2" in done.output
    assert canned.said[0] == ("POST", "/api/shards")
    assert len(canned.said) == 4


def test_shards_that_are_not_served_in_time_are_an_error(canned: Canned) -> None:
    canned.shards = _shards(2, planned=4)
    late = run("reshard", "4", "--wait", "0")
    assert (late.exit_code, "not all shards are served" in late.output) == (1, True)
    assert run("reshard", "65").exit_code == 2


def test_the_release_is_told(canned: Canned) -> None:
    assert run("--version").output == f"work-order-service {VERSION}\n"
    assert canned.said == []


@pytest.mark.parametrize(
    ("command", "line", "asked"),
    [
        (
            "retry --failed --code C --dry-run",
            "7 failed jobs would wait again",
            ("GET", "/api/workorder/queue/job-counts"),
        ),
        (
            "retry --failed --code C",
            "7 jobs wait again",
            ("POST", "/api/workorder/queue/retry-failed"),
        ),
        (
            "remove --failed --code C --dry-run",
            "8 failed jobs would be forgotten",
            ("GET", "/api/workorder/queue/job-counts"),
        ),
        (
            "remove --failed --code C",
            "8 failed jobs are forgotten",
            ("POST", "/api/workorder/queue/discard-failed"),
        ),
    ],
)
def test_many_failed_jobs_are_chosen_by_a_filter_and_counted_before(
    canned: Canned, command: str, line: str, asked: tuple[str, str]
) -> None:
    assert line in run(*command.split()).output
    assert canned.said == [asked]
    assert {name: value for name, value in canned.given.items() if value} == {"code": "C"}


@pytest.mark.parametrize("command", ["retry", "remove"])
def test_many_failed_jobs_are_never_chosen_by_leaving_something_out(
    canned: Canned, command: str
) -> None:
    for wrong in ([], ["a", "--failed"], ["a", "--code", "C"], ["--dry-run"]):
        assert run(command, *wrong).exit_code == 2
    assert canned.said == []


# -- how it looks --------------------------------------------------------------------------


@pytest.mark.parametrize("lang", words.LANGUAGES)
@pytest.mark.parametrize(
    "command", ["status", "hot", "nodes", "shards", "jobs", f"job {_JOB_ID}", "watch --looks 1"]
)
def test_all_lines_fit_80_columns_and_what_is_left_out_is_named(
    canned: Canned, monkeypatch: pytest.MonkeyPatch, command: str, lang: str
) -> None:
    canned.alarms = [_ALARM]
    monkeypatch.setattr(screen.console, "width", 80)
    output = run("--lang", lang, *command.split()).output
    assert max(cell_len(line) for line in output.splitlines()) <= 80
    if command == "hot":
        assert _ORDER in output
        assert "WO-2026-11-000017" in output
        assert "12,345" in output
        assert ("宽度不足" if lang == "zh" else "not shown for want of room") in output
    if command == "jobs":
        assert _JOB_ID in output
        assert "WORK_ORDER_NOT_FOUND" in output
    if command.startswith("job "):
        assert "STORE_REJECTED" in output
        assert "line-4/17" in output


@pytest.mark.parametrize("height", [24, 40, 60])
def test_what_is_watched_fits_the_window(canned: Canned, height: int) -> None:
    canned.alarms = [_ALARM] * 9
    service = ServiceAt("http://x")
    found = {"status": overview.ask_status(service), "hot": overview.ask_hot(service, 50)}
    with screen.console.capture() as captured:
        screen.console.print(overview.watch_view(found, height))
    lines = captured.get().splitlines()
    assert len(lines) <= height
    assert sum(_ORDER in line for line in lines) >= 1


def test_chinese_is_spoken_by_the_locale_and_by_the_option(
    canned: Canned, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "served" in run("status").output
    assert "正常处理" in run("--lang", "zh", "status").output
    words.choose(None)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert "正常处理" in run("status").output
    assert "正常" in run("status", "--check").output
    assert "清理较早完成的任务" in run("--help").output
    assert "停止处理" in run("pause", "--help").output
    assert "served" in run("--lang", "en", "status").output
    assert canned.said


def test_whatever_a_locale_lacks_is_written_as_an_escape(
    canned: Canned, monkeypatch: pytest.MonkeyPatch
) -> None:
    canned.alarms = [_ALARM]
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "ascii"))
    screen.speak_any_locale()
    screen.as_json({"name": "工单 😀"})
    screen.console.print(overview.alarms_view([_ALARM]))
    sys.stdout.flush()
    first, rest = raw.getvalue().decode("ascii").split("}\n", 1)
    assert json.loads(first + "}") == {"name": "工单 😀"}
    assert "\\u5de5" in rest


def test_everything_that_is_said_has_its_chinese() -> None:
    folder = Path(words.__file__).parent
    trees = [ast.parse(each.read_text(encoding="utf-8")) for each in folder.glob("*.py")]
    said = {
        call.args[0].value
        for tree in trees
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and getattr(call.func, "id", "") in {"say", "listing", "facts"}
        and isinstance(call.args[0], ast.Constant)
    }
    tables = [
        node.value
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.value, ast.Dict)
        and getattr(node.target, "id", "") not in {"_STYLES", "_FILES"}
    ]
    values = (value for table in tables for value in table.values)
    said |= {value.value for value in values if isinstance(value, ast.Constant)}
    english = {each for each in map(str, said) if each.isascii()} - {"p50 ms", "p99 ms"}
    assert len(english) > 50
    assert sorted(each for each in english if not words.has_chinese(each)) == []
    known = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    assert {each.replace("_", "-") for each in known} <= words.COMMANDS.keys()
