"""The cases of the alert rules: promtool runs them; without it, they fit the rules at least."""

from __future__ import annotations

import re
from typing import Any

from tests.unit.deploy.files import DEPLOY, passes, yaml_of

_FOLDER = DEPLOY / "prometheus"


def _rules() -> dict[str, dict[str, Any]]:
    (group,) = yaml_of("prometheus/alerts.yml")["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def test_the_cases_speak_of_rules_that_exist_and_of_what_they_read() -> None:
    rules = _rules()
    for case in yaml_of("prometheus/alerts.test.yml")["tests"]:
        given = {re.split(r"\W", each["series"])[0] for each in case["input_series"]}
        for test in case["alert_rule_test"]:
            rule = rules[test["alertname"]]
            assert given & set(re.findall(r"\b(?:workorder_\w+|up)\b", rule["expr"])), case["name"]
            for alert in test["exp_alerts"]:
                docs_url = case.get("external_labels", {}).get("docs_url", "")
                annotations = {
                    name: text.replace("{{ $externalLabels.docs_url }}", docs_url)
                    for name, text in rule["annotations"].items()
                }
                assert alert["exp_annotations"] == annotations, case["name"]
                assert alert["exp_labels"]["severity"] == rule["labels"]["severity"]


def test_what_is_paused_on_purpose_is_not_taken_for_what_is_stuck() -> None:
    # The metric leaves it out by itself, of one order as of all.
    assert "workorder_paused" not in _rules()["WorkOrderUpdatesWait"]["expr"]


def test_prometheus_itself_runs_the_cases() -> None:
    passes("promtool", "test", "rules", _FOLDER / "alerts.test.yml")
