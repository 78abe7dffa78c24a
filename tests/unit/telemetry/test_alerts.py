"""The alert rules speak of metrics, conditions and chapters that exist, and call once for a stalled market."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.telemetry.catalogue import FEEDER, METRICS, Kind
from feeder.conditions import Condition

ROOT = Path(__file__).parents[3]
PROMETHEUS = ROOT / "ops/prometheus"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
EXPOSED = {metric.exposed_name for metric in METRICS if metric.kind is not Kind.HISTOGRAM} | {
    f"{metric.exposed_name}{suffix}" for metric in METRICS if metric.kind is Kind.HISTOGRAM for suffix in ("_bucket", "_sum", "_count")
}


def anchors(document: Path) -> set[str]:
    """The places in a document that a link can lead to."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_prometheus_loads_the_rules() -> None:
    assert ["alerts.yml"] == yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["rule_files"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_asks_for_metrics_and_labels_that_exist(rule: dict[str, Any]) -> None:
    selectors = re.findall(r"(cloudtrader_\w+)(?:\{([^}]*)\})?", rule["expr"])

    assert selectors
    assert set() == {name for name, _ in selectors} - EXPOSED
    for name, matchers in selectors:
        known = {"job", "instance", *next(metric.labels for metric in METRICS if metric.exposed_name == name)}
        assert set() == set(re.findall(r"(\w+)=", matchers)) - known


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_says_what_is_wrong_and_where_to_read_what_to_do(rule: dict[str, Any]) -> None:
    document, _, anchor = rule["annotations"]["runbook"].partition("#")

    assert rule["annotations"]["summary"]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert anchor in anchors(ROOT / document)


def test_every_condition_in_a_rule_is_one_of_the_feeders() -> None:
    named = {name for rule in RULES for name in re.findall(r'condition="(\w+)"', rule["expr"])}

    assert named <= {condition.value for condition in Condition}
    assert "cloudtrader_market_condition" == FEEDER["market_condition"].exposed_name


def test_a_stalled_market_is_called_once() -> None:
    stalls = [rule for rule in RULES if rule["labels"].get("condition") == Condition.MARKET_STALLED]
    others = [rule for rule in RULES if rule not in stalls]

    assert 1 == len(stalls)
    assert [] == [rule["alert"] for rule in others if re.search(r"age|behind", rule["expr"]) and "unless on ()" not in rule["expr"]]
