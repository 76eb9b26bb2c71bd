"""Whether one city's tables are whole: every error of every file, then what an office should look at again."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from dispatch_model import rules as rule_sets
from dispatch_model.calendar import FILE as HOLIDAY_FILE
from dispatch_model.calendar import PUBLIC, Calendar
from dispatch_model.city import NO_COMMON_UNIT, City
from dispatch_model.city_draft import CONFIRM_FILE, UNNAMED, read_to_confirm
from dispatch_model.city_names import Found, check_names
from dispatch_model.directory import GOVERNMENT, REGION_FILE, UNIT_FILE, read_regions, read_units
from dispatch_model.errors import DispatchError
from dispatch_model.finding import Finding, Severity, errors_of, listing, warning
from dispatch_model.gazetteer import LANDMARK_FILE, read_landmarks
from dispatch_model.labels import LEVELS, LabelMaps
from dispatch_model.lint import lint
from dispatch_model.offices import Offices
from dispatch_model.rules import RuleKind, RuleSet

_CITY, _DISTRICT, _STREET, _COMMUNITY = LEVELS
FORGOTTEN = 0.5  # where a smaller share of the districts lacks a bureau, it looks forgotten
_OF_THE_OTHER = ("准入清单：", "派单目录：")  # told of that table already

T = TypeVar("T")


@dataclass
class CityReport:
    """What was found.

    :param counts: rows by table, of those that could be read.
    :param covered: functions that find a unit in every district, at 市 or 区; all but 其他 should.
    :param found: file → findings, in the order the files are read.
    """

    slug: str
    name: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    covered: int = 0
    found: dict[str, list[Finding]] = field(default_factory=lambda: defaultdict(list))

    def of(self, severity: Severity) -> int:
        """How many findings there are of a severity."""
        return sum(one.severity is severity for findings in self.found.values() for one in findings)

    def read(self, file: str, load: Callable[[], T]) -> T | None:
        """What `load` gives; None when the file is refused, its errors noted."""
        try:
            return load()
        except DispatchError as error:
            self.found[file] += errors_of(error)
            return None

    def note(self, findings: Iterator[Found]) -> None:
        """Add findings that come with their file."""
        for file, finding in findings:
            self.found[file].append(finding)


def check_city(slug: str, maps: LabelMaps, *, root: Path | None = None, day: date) -> CityReport:
    """All errors and warnings of the city folder `slug`.

    :param root: holds `label_maps` and `configs`; None: those installed.
    :param day: from which on the rules are to serve.
    """
    labels = root / "label_maps" if root else None
    configs = (root / "configs" if root else Path(str(files("configs")))) / slug
    report = CityReport(slug)
    regions = report.read(REGION_FILE, partial(read_regions, slug, labels))
    if regions is None or report.read(UNIT_FILE, partial(read_units, slug, maps, regions, labels)) is None:
        return report
    city = City.load(slug, maps, labels)
    report.name = city.name
    report.counts = {REGION_FILE: len(city.regions), UNIT_FILE: len(city.units)}
    landmarks = report.read(LANDMARK_FILE, partial(read_landmarks, city, labels))
    report.note(_landmarks(landmarks))
    report.note(check_names(city))
    report.note(_places(city))
    report.note(_functions(city, report))
    _rules(report, city, maps, configs, day)
    report.note(_unconfirmed(slug, labels))
    return report


def _landmarks(landmarks: dict[str, str] | None) -> Iterator[Found]:
    if landmarks is not None and not landmarks:
        told = "没有道路、小区、地标，只能凭区划名称认地点；请建表（name,region）"
        yield LANDMARK_FILE, warning(None, "", "", told)


def _places(city: City) -> Iterator[Found]:
    """Places that are not divided further while their neighbours are."""
    parents = {region.parent for region in city.regions.values()}
    own = {unit.region for unit in city.units.values() if unit.level == _DISTRICT}
    for level, below in ((_DISTRICT, _STREET), (_STREET, _COMMUNITY)):
        same = [region for region in city.regions.values() if region.level == level]
        bare = [region.name for region in same if region.code not in parents]
        if bare and len(bare) < len(same):
            told = f"{listing(bare)} 没有{below}，{below}主办的工单由其自身承办；若应有，请补上"
            yield REGION_FILE, warning(None, "", "parent", told)
    empty = [region.name for region in city.regions.values() if region.level == _DISTRICT and region.code not in own]
    if empty:
        yield UNIT_FILE, warning(None, "", "region", f"{listing(empty)} 没有任何区级单位；请补上")


def _functions(city: City, report: CityReport) -> Iterator[Found]:
    """Functions that find nobody, and bureaus that most districts have and some do not."""
    offices = Offices(city)
    held = {(unit.function, unit.region) for unit in city.units.values() if unit.level == _DISTRICT}
    # a zone's committee does what bureaus do elsewhere
    bureaus = {region for function, region in held if function != GOVERNMENT}
    divided = [one for one in offices.districts if one.code in bureaus]
    for function in city.functions:
        if function == NO_COMMON_UNIT:
            continue
        missing = offices.missing(function, _DISTRICT, "") or offices.missing(function, _CITY, "")
        report.covered += not missing
        lacking = [one.name for one in divided if (function, one.code) not in held]
        if missing:
            told = f"职能“{function}”没有承办单位：{listing(missing)}；请在 {UNIT_FILE} 中补上市级或区级单位"
            yield UNIT_FILE, warning(None, "", "function", told)
        elif lacking and len(lacking) < FORGOTTEN * len(divided):
            told = f"{listing(lacking)} 没有“{function}”区级单位，别的区有；现由市级承办，请核对是否漏填"
            yield UNIT_FILE, warning(None, "", "function", told)
    unnamed = [unit.name for unit in city.units.values() if unit.name.endswith(UNNAMED)]
    if unnamed:
        yield UNIT_FILE, warning(None, "", "name", f"{listing(unnamed)} 尚无全称；请填写")


def _rules(report: CityReport, city: City, maps: LabelMaps, configs: Path, day: date) -> None:
    """Loads the rule sets, then lints each beside the others."""
    loaded: dict[RuleKind, RuleSet] = {}
    for kind in RuleKind:
        name = f"{kind.value}.csv"
        found = report.read(name, partial(rule_sets.load, kind, configs / name, maps, city))
        if found is not None:
            loaded[kind] = found
            report.counts[name] = len(found.rows)
    calendar = report.read(HOLIDAY_FILE, partial(Calendar.of, configs))
    for kind, rules in loaded.items():
        findings = lint(kind, rules, maps, city, other=loaded, day=day, calendar=calendar or PUBLIC)
        report.found[f"{kind.value}.csv"] += [one for one in findings if not one.text.startswith(_OF_THE_OTHER)]


def _unconfirmed(slug: str, labels: Path | None) -> Iterator[Found]:
    rows = read_to_confirm(slug, labels)
    if rows:
        named = listing((f"{file}·{place}" for file, place, _ in rows), 3)
        yield CONFIRM_FILE, warning(None, "", "", f"还有 {len(rows)} 项未经核实（{named}）；核实一项删去一行")
