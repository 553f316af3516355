"""What the benches work out; their figures are for people to judge."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import orjson
import pytest

from actors.domain.model import LogEntry
from actors.store.documents import entry_document
from scripts.bench.__main__ import main
from scripts.bench.calls import BATCH_PATH, CallSource, Shape, order_id, picker
from scripts.bench.chart import draw, groups, in_chinese
from scripts.bench.cores import apart, running_on
from scripts.bench.gaps import gap_rows
from scripts.bench.gaps import table as gap_table
from scripts.bench.indexes import table as index_table
from scripts.bench.indexes import variants
from scripts.bench.load import Load
from scripts.bench.measure import TARGETS, Measurement, as_arguments
from scripts.bench.orders import log_entry, order_document
from scripts.bench.processes import child, cpu_s_by_name
from scripts.bench.ray import tables
from scripts.bench.report import ratios, table, with_spread
from scripts.bench.scenarios import AXES, SCENARIOS, Scenario, capped, named, up_to
from scripts.bench.session import is_measured, schedule
from scripts.bench.soak import Sample, grown
from scripts.bench.tally import latency_ms, percentile
from scripts.bench.wire import Answer
from tests.chaos.figures import Hit
from tests.unit.strategies import decided, input_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_ORDERS = [order_id(index) for index in range(20)]
_SAMPLE = Sample(
    minute=1, per_second=1_000, p50_ms=5, p99_ms=20, memory_mb=80, files=25, threads=13
)


def _source(shape: Shape) -> CallSource:
    return CallSource("127.0.0.1:1", _ORDERS, shape, run="r")


def _body(payload: bytes) -> Any:  # noqa: ANN401 JSON
    head, _, body = payload.partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    assert length is not None
    assert int(length[1]) == len(body)
    return orjson.loads(body)


def _measured(target: str, round_: int, per_second: float) -> Measurement:
    load = {
        "per_second": per_second,
        "latency_ms": {"p50": 1.0},
        "cpu_s": 1.0,
        "measured_s": 2.0,
        "warmup_s": 0.0,
        "answers": {"200 UPDATED success=True": 9, "429 BUSY success=False": 1},
        "acknowledged_by_order": [[1, 0]],
    }
    return Measurement(
        scenario=Scenario(),
        target=target,
        ours=True,
        round=round_,
        load=load,
        cpu_us=200,
        mongod_cpu_us=100,
        memory_mb=80,
        mongod_memory_mb=900,
        check=None,
    )


def test_every_command_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert main(["no-such-command"]) == 2
    assert "unknown command 'no-such-command'" in capsys.readouterr().err


def test_names_are_taken_from_their_table_or_refused() -> None:
    assert named("one,cold", SCENARIOS) == ["one", "cold"]
    assert named("all", AXES) == list(AXES)
    for wrong in ("", "one,no-such"):
        with pytest.raises(SystemExit, match="known: orders"):
            named(wrong, SCENARIOS)


def test_a_smaller_run_is_named_as_what_it_is() -> None:
    assert str(SCENARIOS["cold"]) == "100,000 orders, each once"
    small = capped(SCENARIOS["cold"], orders=1, connections=8)
    assert str(small) == "1 order, each once, 8 connections"
    assert capped(SCENARIOS["one"], orders=50, connections=None) == SCENARIOS["one"]


def test_an_axis_ends_where_it_is_told_to() -> None:
    assert [point.log for point in up_to(AXES["log"], 100_000)] == [1_000, 10_000, 100_000]
    assert up_to(AXES["log"], 10_000_000)[-1].log == 5_000_000


def test_orders_are_picked_evenly_by_rank_or_once() -> None:
    source = random.Random(1)  # noqa: S311 spreads load, guards nothing
    once = picker("once", 5, source)
    assert {once() for _ in range(5)} == {0, 1, 2, 3, 4}
    assert once() is None
    for spread, share in (("even", 1 / 20), ("zipf", 1 / 3.6)):
        pick = picker(spread, 20, source)
        first = sum(pick() == 0 for _ in range(2_000)) / 2_000
        assert first == pytest.approx(share, rel=0.2)


def test_a_batch_is_one_call_of_different_updates() -> None:
    call = _source(Shape(batch=3, keyed=True)).next()
    assert call is not None
    assert call.payload.startswith(f"POST {BATCH_PATH} ".encode())
    updates = _body(call.payload)["updates"]
    assert [(each["workOrderId"], each["type"] == "output") for each in updates] == [
        (_ORDERS[order], is_output) for order, is_output in call.updates
    ]
    assert len({each["requestId"] for each in updates}) == 3


def test_only_what_was_acknowledged_is_repeated_and_counts_for_no_order() -> None:
    source = _source(Shape(keyed=True, repeated=0.5))
    calls = [source.next() for _ in range(20)]
    assert all(call is not None and call.updates for call in calls)
    assert calls[0] is not None
    source.acknowledged(calls[0])
    repeated = [call for call in (source.next() for _ in range(20)) if call and not call.updates]
    assert {call.payload for call in repeated} == {calls[0].payload}


def test_calls_of_each_order_once_come_to_an_end() -> None:
    source = _source(Shape("once"))
    calls = [source.next() for _ in range(len(_ORDERS) + 1)]
    assert calls[-1] is None
    asked = sorted(_body(call.payload)["workOrderId"] for call in calls if call is not None)
    assert asked == _ORDERS


async def test_of_a_batch_only_what_succeeded_is_acknowledged() -> None:
    source = _source(Shape(batch=2))
    load, call = Load(source, len(_ORDERS), warmup_s=0, seconds=1), source.next()
    assert call is not None
    results = [{"success": True}, {"success": False}]
    body = orjson.dumps(
        {"success": True, "code": "PARTIALLY_UPDATED", "data": {"results": results}}
    )
    assert load.answered(call, 0.0, Answer(200, body))
    order, is_output = call.updates[0]
    assert load.tally.acknowledged == sum(map(sum, load.tally.by_order)) == 1
    assert load.tally.by_order[order][is_output] == 1


def test_a_percentile_is_a_value_that_so_many_do_not_exceed() -> None:
    values = list(range(1, 1_001))
    assert [percentile(values, share) for share in (0.5, 0.99, 0.999, 1)] == [500, 990, 999, 1_000]
    assert percentile([7], 0.5) == 7
    assert latency_ms([]) == {}
    assert latency_ms([0.002, 0.001])["max"] == 2.0


def test_options_are_written_as_a_command_line_has_them() -> None:
    assert as_arguments({"batch": 1, "keyed": True, "scan": False}) == ["--batch", "1", "--keyed"]


def test_targets_take_turns_and_leave_out_what_they_cannot_do() -> None:
    targets = {name: TARGETS[name] for name in ("direct", "service")}
    scenarios = [SCENARIOS[name] for name in ("one", "scans")]
    steps = list(schedule([*scenarios, *scenarios], targets, 2, "mongo"))
    assert [(round_, name) for round_, _, name in steps] == [
        (0, "direct"),
        (0, "service"),
        (0, "service"),
        (1, "service"),
        (1, "direct"),
        (1, "service"),
    ]


@pytest.mark.parametrize(
    ("scenario", "names"),
    [
        ("one", ["empty", "service"]),
        ("reads", []),  # entries are put into MongoDB only
    ],
)
def test_on_sqlite_only_what_can_run_there_is_measured(scenario: str, names: Sequence[str]) -> None:
    able = [n for n in TARGETS if is_measured(SCENARIOS[scenario], TARGETS[n], "sqlite")]
    assert able == names


def test_a_ratio_compares_rounds_within_themselves() -> None:
    found = [_measured("service", n, rate) for n, rate in enumerate((200, 300, 900))]
    found += [_measured("plain", n, rate) for n, rate in enumerate((100, 100))]
    assert ratios(found, "service", "plain") == [2.0, 3.0]
    assert with_spread([2.0, 3.0]) == "2.50 (2.00–3.00)"
    assert with_spread([]) == "–"
    rows = table(found).splitlines()
    assert rows[2].startswith("| 1,000 orders | service | 300 |")
    assert rows[3].endswith("| 2.50 (2.00–3.00) |")
    assert "plain, 1,000 orders, round 1: not acknowledged: {'429 BUSY success=False': 1}" in rows


def test_figures_for_a_file_leave_out_the_counts_of_each_order() -> None:
    measurement = _measured("service", 0, 100)
    figures = orjson.loads(orjson.dumps(measurement.as_json()))
    assert figures["title"] == "1,000 orders"
    assert "acknowledged_by_order" not in figures["load"]
    assert "acknowledged_by_order" in measurement.load


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ({}, []),
        ({"memory_mb": 83.0}, []),
        ({"memory_mb": 90.0}, ["memory_mb grew from 80.0 to 90.0"]),
        ({"files": 40, "per_second": 800.0}, ["files", "per_second fell from 1000.0 to 800.0"]),
    ],
)
def test_a_soak_says_what_grew_in_its_last_third(last: dict[str, Any], said: list[str]) -> None:
    first = replace(_SAMPLE, memory_mb=40)  # what is filled once does not count
    samples = [first, first, _SAMPLE, _SAMPLE, *(replace(_SAMPLE, **last) for _ in range(2))]
    found = grown(samples)
    assert len(found) == len(said)
    assert all(line.startswith(words) for line, words in zip(found, said, strict=True))


def test_a_soak_of_a_few_slices_tells_nothing() -> None:
    with pytest.raises(ValueError, match="at least 6"):
        grown([_SAMPLE] * 5)


def test_the_entries_of_the_baselines_have_the_fields_of_ours() -> None:
    call = {"type": "input", "quantity": 1, "logContext": {}}
    entry = log_entry(order_document(1), call, (0, 1), datetime.now(UTC))
    (ours,) = decided(input_of()).outcomes
    assert isinstance(ours, LogEntry)
    assert {*entry, "planServer"} == set(entry_document(ours))


def test_a_chart_has_a_bar_for_each_target_or_else_for_each_scenario() -> None:
    found = [_measured(name, n, 100 + n).as_json() for name in ("service", "a<b") for n in (0, 1)]
    bars = groups(found)
    assert {bar.label: bar.middle for bar in bars["1,000 orders"]} == {
        "service": 100.5,
        "a<b": 100.5,
    }
    assert list(groups(found[:2])) == ["service"]
    picture = ET.fromstring(draw(bars, "per second"))  # noqa: S314  our own
    texts = [each.text for each in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["per second", "1,000 orders", "service", "100", "a<b", "100"]


def test_charts_are_in_chinese_as_well() -> None:
    scenarios = [*SCENARIOS.values(), *chain(*AXES.values())]
    said = " ".join(in_chinese(text) for text in (*map(str, scenarios), *TARGETS))
    assert set(re.findall("[A-Za-z]+", said)) == {"Zipf", "actor", "pymongo"}


def test_gaps_are_held_against_their_limits() -> None:
    hits = [
        Hit("killed", 5, 3.2, None, 0.3),
        Hit("killed", 5, 4.25, None, None),
        Hit("killed", 5, 3.4, None, 0.1),
        Hit("frozen", 5, 3.9, None, 1.4),
        Hit("rolled", 5, 0.5, None, None),
    ]
    rows = gap_rows(hits, limit_s=4.0)
    assert [(each["fault"], each["times"], each["within"]) for each in rows] == [
        ("killed", 3, False),
        ("frozen", 1, False),
        ("rolled", 1, True),
    ]
    found = rows[0]
    assert (found["median_s"], found["longest_s"], found["others_longest_s"]) == (3.4, 4.25, 0.3)
    assert rows[2]["others_longest_s"] is None
    shown = gap_table(rows).splitlines()
    assert [each.endswith("OVER") for each in shown] == [False, True, True, False]


def test_cpu_is_told_of_each_kind_of_process_below_the_one_that_was_started() -> None:
    below = [sys.executable, "-m", "asyncio"]
    pipe = subprocess.PIPE
    with subprocess.Popen(below, stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe) as child:
        assert child.stderr is not None
        assert child.stderr.readline()  # a process has no name yet as `Popen` returns
        assert cpu_s_by_name(os.getpid())["asyncio"] >= 0
        child.kill()
    assert cpu_s_by_name(0) == {}
    found = [
        replace(_measured("service", 0, 9.0), cpu_us_by={"web": 900.4}),
        replace(_measured("ray", 0, 9.0), cpu_us_by={"web": 400.0, "ShardProcess": 800.0}),
    ]
    *_, titles, _line, plain, on_ray = tables(found).splitlines()
    assert titles.endswith("| CPU µs: web | CPU µs: ShardProcess |")
    assert plain.endswith("| service | 900 | 0 |")
    assert on_ray.endswith("| ray | 400 | 800 |")


def test_each_index_of_ours_is_left_out_once_and_compared_with_all() -> None:
    chosen = variants()
    without = [name for name in chosen if name.startswith("without plan_server_")]
    assert [len(chosen["all"]) - len(chosen[name]) for name in without] == [1, 1, 1]
    assert len(chosen["the shared schema's"]) == len(chosen["all"]) - len(without)
    titles, _line, *rows = index_table(
        {"all": [100.0, 80.0, 90.0], "none": [50.0, 20.0, 45.0]}
    ).splitlines()
    assert titles == "| indexes | mongod's CPU µs an entry | of that with all |"
    assert rows == ["| all | 90 | 1.00 (1.00–1.00) |", "| none | 45 | 0.50 (0.25–0.50) |"]


def test_load_and_mongod_have_cores_of_their_own_where_there_are_four() -> None:
    def parts(*cores: int) -> list[list[int]]:
        found = apart(frozenset(cores))
        return [sorted(each) for each in (found.load, found.mongod, found.measured)]

    assert parts(0, 1, 2) == [[0, 1, 2]] * 3
    assert parts(9, 2, 5, 7) == [[2], [5], [7, 9]]
    assert parts(*range(8)) == [[0], [1, 2, 3], [4, 5, 6, 7]]


def test_what_is_started_meanwhile_runs_on_the_cores_that_are_named() -> None:
    before = os.sched_getaffinity(0)
    one = max(before)
    with running_on(frozenset({one})):
        told = subprocess.run(
            [sys.executable, "-c", "import os; print(os.sched_getaffinity(0))"],
            capture_output=True,
            text=True,
            check=True,
        )
    assert told.stdout.strip() == str({one})
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize("given", [{max(os.sched_getaffinity(0))}, None])
def test_a_child_runs_on_the_cores_that_it_is_given_else_where_its_parent_does(
    tmp_path: Path, given: set[int] | None
) -> None:
    cores = frozenset(given) if given else None
    told = tmp_path / "told"
    with child(["-c", "import os; print(os.sched_getaffinity(0))"], told, cores=cores) as process:
        process.wait(100)
    assert told.read_text().strip() == str(given or os.sched_getaffinity(0))
