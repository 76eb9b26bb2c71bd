import re
from pathlib import Path

import pytest
import typer.main
from pydantic import BaseModel

from dispatch_model.cases import (
    Address,
    Case,
    CategoryRef,
    Disposition,
    ModelView,
    Reason,
    Routing,
    Span,
    Suggestion,
    Timing,
    Turn,
    UnitRef,
    Versions,
)
from dispatch_model.errors import ErrorKind
from serving import cli
from serving.app import create_app
from serving.bundles.api import Begin, Compare, GoBack, Load
from serving.bundles.wire import (
    Agreement,
    AvailableView,
    BundleRevision,
    Bundles,
    BundleView,
    FunctionAgreement,
    FunctionChange,
    ShadowReport,
    ShadowView,
    SwapReply,
)
from serving.cases_wire import (
    Accept,
    Ask,
    CaseView,
    Consult,
    Consulted,
    DecisionEntry,
    DispatchEntry,
    Merge,
    Override,
    Return,
    ReturnEntry,
    Review,
    ReviewEntry,
    StepEntry,
    Undo,
    Undone,
)
from serving.guard.guard import OPEN_PATHS, STATUSES
from serving.open311.api import Open311Error
from serving.open311.query import RequestQuery
from serving.open311.view import Service, ServiceRequest
from serving.routing import Router
from serving.rules.api import Download, OfKind, Rollback, Upload
from serving.rules.filter import Filter
from serving.rules.wire import (
    ChangeReply,
    FindingView,
    History,
    RevisionView,
    Rule,
    RuleCard,
    RulePage,
    RuleRevision,
    RuleSets,
    RuleSetView,
)
from serving.settings import Settings
from serving.web.problems import STATUS, Problem
from serving.web.wire import Batch, BatchReply, Failed, Failure, Version

DOCS = Path(__file__).parent.parent / "docs"
API = (DOCS / "api.md").read_text(encoding="utf-8")
COMMANDS = (DOCS / "cli.md").read_text(encoding="utf-8")
CONTRACT = (Address, Case, CategoryRef, ModelView, Reason, Routing, Span, Suggestion, Timing, Turn, UnitRef, Versions)
BODIES = (Batch, BatchReply, Failed, Failure, Problem, Version)
CASES = (
    *(Accept, CaseView, DecisionEntry, DispatchEntry, Override, Return, ReturnEntry, Review, ReviewEntry),
    *(Ask, Consult, Consulted, Merge, StepEntry, Undo, Undone),
)
RULES = (
    *(RuleSets, RuleSetView, RevisionView, RulePage, Rule, RuleCard, RuleRevision),
    *(ChangeReply, FindingView, History, Filter, Download, Upload, Rollback, OfKind),
)

OPEN311 = (Open311Error, RequestQuery, Service, ServiceRequest)
BUNDLES = (
    *(Bundles, BundleView, BundleRevision, AvailableView, SwapReply, Load, GoBack, Begin, Compare),
    *(ShadowView, ShadowReport, Agreement, FunctionAgreement, FunctionChange),
)


@pytest.mark.parametrize(
    "model", [*CONTRACT, *BODIES, *CASES, *RULES, *OPEN311, *BUNDLES], ids=lambda model: model.__name__
)
def test_every_field_on_the_wire_is_documented(model: type[BaseModel]) -> None:
    missing = [name for name in model.model_fields if not re.search(rf'[`."]{name}[`"\[]', API)]
    assert missing == []


@pytest.mark.parametrize("disposition", Disposition)
def test_every_disposition_is_documented(disposition: Disposition) -> None:
    assert f"`{disposition.value}`" in API


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_kind_of_error_is_documented_with_its_status(kind: ErrorKind) -> None:
    (row,) = [line for line in API.splitlines() if line.startswith("| `") and f"`{kind.value}`" in line]
    assert row.split("|")[2].strip() == str(STATUS[kind])


def test_every_endpoint_is_documented_with_its_answers(tmp_path: Path, router: Router) -> None:
    schema = create_app(Settings(data_dir=tmp_path), router).openapi()
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            (row,) = [line for line in API.splitlines() if line.startswith(f"| `{method.upper()} {path}`")]
            told = {status.strip() for status in row.split("|")[3].split("·")}
            # What any path that asks for a key may answer is told once, above the table.
            common = set() if path in OPEN_PATHS else set(map(str, STATUSES))
            assert told - common == set(operation["responses"]) - common


def test_every_command_and_option_is_documented() -> None:
    group = typer.main.get_command(cli.app)
    rows = {line.split("`")[1]: line for line in COMMANDS.splitlines() if line.startswith("| `dispatch ")}
    seen = {}
    for command in group.commands.values():  # type: ignore[attr-defined]
        for leaf in getattr(command, "commands", {"": command}).values():
            name = " ".join(dict.fromkeys(["dispatch", command.name, leaf.name]))
            seen[name] = {option for part in leaf.params for option in part.opts if option.startswith("--")}
    documented = {re.sub(r"( [A-Z]+)+$", "", name): row for name, row in rows.items()}
    assert documented.keys() == seen.keys()
    for name, options in seen.items():
        assert set(documented[name].split("|")[3].replace("`", " ").split()) == options
