"""Metrics: what is exported, and that alarms, dashboard and runbook speak of nothing else."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from actors.domain.model import WorkOrderId
from actors.domain.slots import ShardMap
from actors.errors import WorkOrderNotFound
from scripts.reconcile.textfile import write_metrics
from tests.fakes import Fault
from tests.unit.actors.owner import ORDER, update
from tests.unit.web.served import touch
from web.observe.shard_metrics import shard_metrics

if TYPE_CHECKING:
    from tests.fakes import MemoryStore
    from tests.unit.web.served import Served

_CHECKOUT = Path(__file__).parents[4]
_DEPLOY = _CHECKOUT / "config" / "deploy"
_RULES = _DEPLOY / "prometheus" / "alerts.yml"
_DASHBOARD = _DEPLOY / "grafana" / "work-orders.json"
_RUNBOOKS = (_CHECKOUT / "docs" / "operating.md", _CHECKOUT / "docs" / "operating.zh-CN.md")
_ALERT_FIELDS = ("expr", "for", "severity", "summary", "summary_zh", "description", "runbook_url")


async def _text(here: Served) -> str:
    async with here.session.get("/metrics") as reply:
        assert reply.status == 200
        assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return await reply.text()


async def _samples(here: Served) -> dict[tuple[str, tuple[str, ...]], float]:
    """Read the samples by name and the values of their labels, as Prometheus does."""
    return {
        (sample.name, tuple(sorted(sample.labels.values()))): sample.value
        for family in text_string_to_metric_families(await _text(here))
        for sample in family.samples
    }


def _value(samples: dict[tuple[str, tuple[str, ...]], float], name: str, *labels: str) -> float:
    return samples[name, tuple(sorted(labels))]


async def test_updates_are_counted_by_what_became_of_them(first: Served) -> None:
    before = await _samples(first)
    assert _value(before, "workorder_updates_total", "applied", "UPDATED") == 0
    assert _value(before, "workorder_updates_total", "duplicate", "DUPLICATE_OPERATION") == 0
    await touch(first, 1, 1, 2)
    with pytest.raises(WorkOrderNotFound):
        await first.node.region.update(update(1, WorkOrderId("f" * 24)))
    found = await _samples(first)
    assert _value(found, "workorder_updates_total", "applied", "UPDATED") == 3
    assert _value(found, "workorder_updates_total", "refused", "WORK_ORDER_NOT_FOUND") == 1
    assert _value(found, "workorder_update_seconds_count") == 4
    assert _value(found, "workorder_update_seconds_bucket", "+Inf") == 4
    assert _value(found, "workorder_commits_total") == 3
    assert _value(found, "workorder_actors", "idle") == 2
    assert _value(found, "workorder_node_serving") == 1
    assert _value(found, "workorder_node_role", "owner") == 1
    assert _value(found, "workorder_epoch") == 1
    assert _value(found, "workorder_takeovers_total") == 1
    assert _value(found, "workorder_dependency_up", "store", "memory") == 1
    assert _value(found, "workorder_jobs_failed") == 0
    assert _value(found, "workorder_http_requests_total", "GET", "/metrics", "200") == 1
    assert _value(found, "process_resident_memory_bytes") > 0


async def test_buckets_rise_and_end_in_the_count(first: Served) -> None:
    await touch(first, 1, 2, 3)
    for family in text_string_to_metric_families(await _text(first)):
        if family.type == "histogram":
            sums = [each.value for each in family.samples if each.name.endswith("_bucket")]
            assert sums == sorted(sums)
            (count,) = [each.value for each in family.samples if each.name.endswith("_count")]
            assert sums[-1] == count


async def test_no_label_names_an_order_whatever_is_asked(first: Served) -> None:
    await touch(first, 1)
    for path in (f"/api/actors/{ORDER}", f"/{ORDER}", f"/api/workorder/detail/{ORDER}"):
        async with first.session.get(path):
            pass
    async with first.session.request("BREW", "/livez"):
        pass
    text = await _text(first)
    assert ORDER not in text
    assert "BREW" not in text
    assert 'route="none"' in text


async def test_a_standby_exports_itself_and_no_actors(first: Served, second: Served) -> None:
    assert first.node.status().serving
    found = await _samples(second)
    assert _value(found, "workorder_node_serving") == 0
    assert _value(found, "workorder_node_role", "standby") == 1
    assert ("workorder_actors", ("idle",)) not in found


@pytest.mark.parametrize("lease", [2.0], indirect=True)
async def test_metrics_are_there_while_the_store_is_away(first: Served, store: MemoryStore) -> None:
    store.choose = lambda _method: Fault.REFUSE
    async with asyncio.timeout(100):
        while _value(found := await _samples(first), "workorder_dependency_up", "store", "memory"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    store.choose = lambda _method: None
    assert _value(found, "workorder_dependency_failures_total", "store", "memory") >= 1
    assert ("workorder_jobs_failed", ()) not in found


# -- the files -----------------------------------------------------------------------------


def alert_rules() -> dict[str, dict[str, str]]:
    """Read the rules, of which each field is on a line of its own."""
    rules: dict[str, dict[str, str]] = {}
    name = ""
    for line in _RULES.read_text(encoding="utf-8").splitlines():
        key, _, value = line.strip().removeprefix("- ").partition(": ")
        if key == "alert":
            name = value
            assert name not in rules
            rules[name] = {}
        elif key in _ALERT_FIELDS:
            quoted = value.startswith("'")
            rules[name][key] = value[1:-1].replace("''", "'") if quoted else value
    return rules


def _named(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:workorder|process)_\w+", expression))


async def test_alarms_and_dashboard_ask_for_what_is_exported(
    first: Served, second: Served, tmp_path: Path
) -> None:
    await touch(first, 1)
    await _text(first)
    exported = {name for here in (first, second) for name, _ in await _samples(here)}
    write_metrics(tmp_path / "reconcile.prom", {"quantity": 1}, 0.0, 0.0)
    sharded: Any = SimpleNamespace(shards=ShardMap(2), parts=[])
    exported |= {family.name for family in shard_metrics("workorder", sharded)}
    exported |= _named((tmp_path / "reconcile.prom").read_text(encoding="utf-8"))
    asked = {name for rule in alert_rules().values() for name in _named(rule["expr"])}
    panels = json.loads(_DASHBOARD.read_text(encoding="utf-8"))["panels"]
    shown = {
        name for panel in panels for target in panel["targets"] for name in _named(target["expr"])
    }
    assert len(asked) > 10
    assert len(shown) > 20
    assert (asked | shown) - exported == set()


def test_every_alarm_is_whole() -> None:
    for name, rule in alert_rules().items():
        assert set(rule) == set(_ALERT_FIELDS), name
        assert rule["severity"] in {"critical", "warning"}
        assert re.fullmatch(r"\d+[smh]", rule["for"])
        assert rule["expr"].count("(") == rule["expr"].count(")")


@pytest.mark.parametrize("runbook", _RUNBOOKS)
def test_every_alarm_has_its_place_in_the_runbook_and_leads_there(runbook: Path) -> None:
    text = runbook.read_text(encoding="utf-8")
    sections = re.findall(r"^### (\w+)\n\n((?:.+\n)+)\n(.+)", text, re.MULTILINE)
    assert [name for name, _, _ in sections] == list(alert_rules())
    for name, _, remedy in sections:
        assert remedy.startswith(("**Do:**", "**处理：**")), name
        link = "{{ $externalLabels.docs_url }}docs/operating.md#" + name.lower()
        assert alert_rules()[name]["runbook_url"] == link


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    panels = json.loads(_DASHBOARD.read_text(encoding="utf-8"))["panels"]
    places = {(each["gridPos"]["x"], each["gridPos"]["y"]) for each in panels}
    assert len(places) == len(panels) == len({each["id"] for each in panels})
