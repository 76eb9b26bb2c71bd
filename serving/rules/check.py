"""`dispatch rules check`: everything an office should know about a rule file before it comes into force."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from dispatch_model import headers, rules
from dispatch_model.calendar import Calendar
from dispatch_model.city import City
from dispatch_model.errors import DispatchError
from dispatch_model.finding import Finding, Severity, errors_of
from dispatch_model.labels import LabelMaps
from dispatch_model.lint import lint
from dispatch_model.rule_kinds import kinds_in
from dispatch_model.rules import TITLES, RuleKind, RuleSet
from dispatch_model.table import Source

SHOWN = 200  # rows of the table; a file that is wrong throughout is not read to its end
_SEVERITIES = {Severity.ERROR: ("错误", "bold red"), Severity.WARNING: ("警告", "yellow")}


@dataclass(frozen=True)
class Report:
    """What was found in one rule set of a file.

    :param rows: 0 and `version` '' when it was refused.
    """

    file: str
    kind: RuleKind | None
    rows: int
    version: str
    findings: tuple[Finding, ...]

    def count(self, severity: Severity) -> int:
        """How many findings are of `severity`."""
        return sum(finding.severity is severity for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON."""
        counts = {"errors": self.count(Severity.ERROR), "warnings": self.count(Severity.WARNING)}
        return {**asdict(self), **counts, "findings": [asdict(finding) for finding in self.findings]}


def shipped_folder(slug: str) -> Path:
    """Where the rule files of a city are installed."""
    return Path(str(files("configs"))) / slug


def shipped_rules(slug: str, maps: LabelMaps, city: City) -> dict[RuleKind, RuleSet]:
    """The rule sets of `configs/<slug>/`."""
    return {kind: rules.load(kind, shipped_folder(slug) / f"{kind}.csv", maps, city) for kind in RuleKind}


def check_file(source: Source, slug: str, day: date, kind: RuleKind | None = None) -> tuple[Report, ...]:
    """One report per rule set in `source`, checked beside the others of the city.

    :param kind: what the file is; None tells it by the header.
    :param day: the day from which on it is to serve.
    """
    maps = LabelMaps.load()
    city = City.load(slug, maps)
    try:
        kinds = (kind,) if kind else kinds_in(source)
    except DispatchError as error:
        return (Report(source.name, None, 0, "", errors_of(error)),)
    loaded, refused = _load(kinds, source, maps, city)
    together = {**shipped_rules(slug, maps, city), **loaded}
    calendar = Calendar.of(shipped_folder(slug))
    found = {
        each: lint(each, one, maps, city, other=together, day=day, calendar=calendar) for each, one in loaded.items()
    }
    linted = [Report(source.name, each, len(one.rows), one.version, found[each]) for each, one in loaded.items()]
    return (*refused, *linted)


def _load(
    kinds: Iterable[RuleKind], source: Source, maps: LabelMaps, city: City
) -> tuple[dict[RuleKind, RuleSet], list[Report]]:
    """The rule sets of a file that load, and reports on those that are refused."""
    loaded: dict[RuleKind, RuleSet] = {}
    refused: list[Report] = []
    for kind in kinds:
        try:
            loaded[kind] = rules.load(kind, source, maps, city)
        except DispatchError as error:
            refused.append(Report(source.name, kind, 0, "", errors_of(error)))
    return loaded, refused


def show(reports: Iterable[Report], console: Console) -> None:
    """Print each report as a summary and a table of its findings."""
    for report in reports:
        title = TITLES[report.kind] if report.kind else "规则表"
        state = f"{report.rows} 条，版本 {report.version}" if report.version else "未通过，整份不予载入"
        errors, warnings = report.count(Severity.ERROR), report.count(Severity.WARNING)
        console.print(Text(f"{report.file}（{title}，{state}）：{errors} 处错误，{warnings} 处警告"))
        if report.findings:
            console.print(_table(report.findings[:SHOWN]))
        if len(report.findings) > SHOWN:
            console.print(Text(f"只列出前 {SHOWN} 处，其余 {len(report.findings) - SHOWN} 处请用 --json 查看。"))


def _table(findings: Iterable[Finding]) -> Table:
    table = Table(
        Column("", no_wrap=True),
        Column("行", justify="right"),
        Column("编号"),
        Column("列"),
        Column("说明", overflow="fold"),
    )
    for finding in findings:
        word, style = _SEVERITIES[finding.severity]
        row = "" if finding.row is None else str(finding.row)
        cells = (row, finding.id, headers.chinese(finding.column), finding.text)
        # Text, because what a file says in square brackets is no markup
        table.add_row(Text(word, style=style), *map(Text, cells))
    return table
