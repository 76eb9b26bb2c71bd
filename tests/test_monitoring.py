"""What operators load into Prometheus and Grafana speaks of series that exist, by labels they have."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from dispatch_model.bundle import Reference
from dispatch_model.cases import Case, Versions
from dispatch_model.errors import ErrorKind
from serving.cases_wire import Override
from serving.monitoring.metrics import Metrics
from serving.routing import Router
from serving.web.exchange import Answer, Exchange

CONFIGS = Path(__file__).parent.parent / "configs"
# Added by Prometheus itself, or by the library where the system has it.
FOREIGN = {"up": {"job", "instance"}, "process_resident_memory_bytes": {"job", "instance"}}
ADDED = {"job", "instance"}
ALERTS = yaml.safe_load((CONFIGS / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
DASHBOARD = json.loads((CONFIGS / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
DOCS = (CONFIGS.parent / "docs" / "monitoring.md").read_text(encoding="utf-8")
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = [target["expr"] for panel in PANELS for target in panel["targets"]]


@pytest.fixture
def known(router: Router) -> dict[str, set[str]]:
    """Series → labels, of a service that has seen everything once."""
    metrics, one = Metrics(), Exchange.of({"method": "POST", "headers": []}, "r-1")
    case = Case(case_id="1", transcript="路灯不亮")
    one.stages, one.answers = {"infer": 8.0}, [Answer(router, case, router.route([case])[0])]
    metrics(one)
    metrics.decided("城管", "override")
    metrics.stepped("城管", "undo_override")
    metrics.returned("城管", "职能不符")
    metrics.tell_versions(Versions(bundle="1", access_list="1", catalogue="1", label_maps="1"))
    text = metrics.render(Reference(labels={}, scores=[0.1] * 10)).decode()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return {name: labels | ADDED for name, labels in found.items()} | FOREIGN


def selected(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Series an expression reads, each with the labels it is selected by."""
    for name, matchers in re.findall(r"\b(dispatch_\w+|process_\w+|up)\b(?:\{([^}]*)\})?", expression):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))


def grouped(expression: str) -> set[str]:
    return {label.strip() for names in re.findall(r"\bby \(([^)]*)\)", expression) for label in names.split(",")}


def check(expression: str, known: dict[str, set[str]]) -> None:
    read = list(selected(expression))
    assert read, expression
    for name, labels in read:
        assert name in known, name
        assert labels <= known[name], (name, labels)
    assert grouped(expression) <= set().union(*(known[name] for name, _ in read)), expression
    assert all(expression.count(left) == expression.count(right) for left, right in ("()", "{}", "[]")), expression


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_reads_series_that_exist(rule: dict[str, Any], known: dict[str, set[str]]) -> None:
    check(rule["expr"], known)


@pytest.mark.parametrize("expression", TARGETS)
def test_a_panel_reads_series_that_exist(expression: str, known: dict[str, set[str]]) -> None:
    check(expression, known)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_in_chinese_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    said = rule["annotations"]
    assert re.search(r"[\u4e00-\u9fff]", said["summary"])
    assert len(said["description"]) > 20
    used = set(re.findall(r"\$labels\.(\w+)", said["description"]))
    assert used <= grouped(rule["expr"]) | ({"instance"} if "up{" in rule["expr"] else set())


def test_the_words_of_labels_exist() -> None:
    told = [values for rule in RULES for values in re.findall(r'kind=~?"([\w|]+)"', rule["expr"])]
    kinds = {kind for values in told for kind in values.split("|")}
    assert kinds == {ErrorKind.STORE_UNAVAILABLE, ErrorKind.OVERLOADED, ErrorKind.DEADLINE_EXCEEDED}
    actions = {value for one in TARGETS for value in re.findall(r'action="(\w+)"', one)}
    (override,) = get_args(Override.model_fields["action"].annotation)
    assert actions == {override, f"undo_{override}"}


def test_a_breach_of_the_access_list_is_alarmed_at_the_first_one() -> None:
    (rule,) = [rule for rule in RULES if "violations" in rule["expr"]]
    assert rule["expr"].endswith("> 0")
    assert "for" not in rule
    assert rule["labels"]["severity"] == "page"


def test_every_series_of_ours_is_shown_or_alarmed(known: dict[str, set[str]]) -> None:
    read = {name for expression in [*(rule["expr"] for rule in RULES), *TARGETS] for name, _ in selected(expression)}
    stems = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in read}
    ours = {re.sub(r"_(total|bucket|sum|count|created)$", "", name) for name in known if name.startswith("dispatch_")}
    assert ours - stems == set()


def test_every_series_is_documented_with_its_labels(known: dict[str, set[str]]) -> None:
    rows = {line.split("`")[1]: line.split("|")[2] for line in DOCS.splitlines() if line.startswith("| `dispatch_")}
    found: dict[str, set[str]] = {}
    for name, labels in known.items():
        stem = re.sub(r"_(bucket|sum|count|created)$", "", name)
        if stem.startswith("dispatch_") and not name.endswith("_created"):
            found.setdefault(stem, set()).update(labels - ADDED - {"le"})
    assert {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows.items()} == found


def test_every_alert_is_documented_with_its_severity() -> None:
    rows = {line.split("`")[1]: line.split("|")[2].strip() for line in DOCS.splitlines() if line.startswith("| `Disp")}
    assert rows == {rule["alert"]: rule["labels"]["severity"] for rule in RULES}


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
