from dataclasses import replace
from datetime import date

from dispatch_model.access_list import AccessList
from dispatch_model.access_row import AccessRow
from dispatch_model.catalogue import Catalogue, CatalogueRow
from dispatch_model.city import City
from dispatch_model.directory import Region, Unit
from dispatch_model.finding import Finding
from dispatch_model.labels import LabelMaps
from dispatch_model.lint_coverage import Coverage
from dispatch_model.rules import RuleKind

DAY = date(2026, 5, 1)
REGIONS = (
    Region("C", "椰城市", "市", None),
    Region("D1", "东区", "区", "C"),
    Region("S1", "河街道", "镇街", "D1"),
    Region("V1", "桥社区", "村居", "S1"),
    Region("D2", "西区", "区", "C"),
    Region("F2", "红农场", "镇街", "D2"),
)
UNITS = (
    Unit("c1", "市住建局", "住建", "市", "C"),
    Unit("d1", "东区政府", "属地政府", "区", "D1"),
    Unit("d2", "东区城管局", "城管", "区", "D1"),
    Unit("d3", "东区分局", "公安", "区", "D1"),
    Unit("s1", "河街道办", "属地政府", "镇街", "S1"),
    Unit("e1", "西区政府", "属地政府", "区", "D2"),
    Unit("e2", "西区城管局", "城管", "区", "D2"),
    Unit("f1", "红农场场部", "属地政府", "镇街", "F2"),
)


def listed(id: str = "L-1", **given: object) -> AccessRow:
    plain = AccessRow(id, "事项", "0307", "镇街", "基本", "城管", (), "职责", "", "依据", None, None, "1", 2)
    return replace(plain, **given)  # type: ignore[arg-type]


def entry(id: str = "M-1", **given: object) -> CatalogueRow:
    return replace(CatalogueRow(id, "0307", "城管", "区", (), {"投诉": 5}, "依据", "prior", 2), **given)  # type: ignore[arg-type]


def found(maps: LabelMaps, kind: RuleKind, listed_rows: list[AccessRow], entries: list[CatalogueRow]) -> list[Finding]:
    functions = tuple(maps.functions)
    city = City("椰城市", "tiny", {one.code: one for one in REGIONS}, {one.code: one for one in UNITS}, functions)
    access_list = AccessList(listed_rows, maps.leaves, functions)
    return list(Coverage(kind, access_list, Catalogue(entries, maps.leaves, functions), maps, city, DAY).check())


def test_tables_that_fit_the_directory_have_no_findings(maps: LabelMaps) -> None:
    assert found(maps, RuleKind.ACCESS_LIST, [listed()], [entry()]) == []
    assert found(maps, RuleKind.CATALOGUE, [listed()], [entry(level="镇街"), entry("M-2", category="01")]) == []


def test_city_wide_rows_share_one_finding_about_a_place_without_communities(maps: LabelMaps) -> None:
    rows = [
        listed(f"L-{number}", category=code, level="村居", list="履职") for number, code in enumerate(("0305", "0306"))
    ]
    (one,) = found(maps, RuleKind.ACCESS_LIST, rows, [])
    assert (one.row, one.text[:30]) == (None, "红农场没有村居单位，村居主办的 2 条（如 L-0、L-1）"[:30])


def test_a_row_for_such_a_place_is_told_with_its_number(maps: LabelMaps) -> None:
    (one,) = found(maps, RuleKind.ACCESS_LIST, [listed(level="村居", list="履职", region="F2")], [])
    assert (one.row, one.id, one.column) == (2, "L-1", "region")
    assert one.text.startswith("“城管”在村居没有承办单位：红农场")


def test_what_goes_up_needs_somebody_above(maps: LabelMaps) -> None:
    rows = [
        listed(list="收回", lead_function="税务"),
        listed("L-2", list="收回", lead_function="其他", category="0306"),
    ]
    (one,) = found(maps, RuleKind.ACCESS_LIST, rows, [])
    assert (one.id, one.column) == ("L-1", "lead_function")
    assert "“税务”在区没有承办单位：东区、西区" in one.text


def test_the_lead_of_the_catalogue_needs_a_unit_at_its_level(maps: LabelMaps) -> None:
    rows = [entry(lead_function="公安"), entry("M-2", lead_function="城管", level="市", category="0306")]
    rows.append(entry("M-3", lead_function="其他", category="9901"))
    one, other = found(maps, RuleKind.CATALOGUE, [], rows)
    assert (one.id, "“公安”在区没有承办单位：西区" in one.text) == ("M-1", True)
    assert (other.id, "“城管”在市没有承办单位：椰城市" in other.text) == ("M-2", True)


def test_a_category_bound_to_whom_a_district_lacks_is_told_with_the_district(maps: LabelMaps) -> None:
    bound = entry(lead_function="公安", mode="binding", level="市")
    rows = [one for one in found(maps, RuleKind.CATALOGUE, [], [bound]) if "没有可派的单位" in one.text]
    (one,) = rows
    assert (one.row, one.id) == (2, "M-1")
    assert one.text.startswith("类别 030701、")
    assert "在西区没有可派的单位：派单目录 M-1 只许公安主办" in one.text
    (same,) = found(maps, RuleKind.ACCESS_LIST, [], [bound])
    assert (same.row, same.id) == (None, "M-1")


def test_a_street_that_may_lead_saves_the_category(maps: LabelMaps) -> None:
    bound = [entry(lead_function="公安", mode="binding")]
    told = found(maps, RuleKind.ACCESS_LIST, [listed(lead_function="公安")], bound)
    assert [one for one in told if "没有可派的单位" in one.text] == []


def test_a_row_the_catalogue_binds_away_never_decides(maps: LabelMaps) -> None:
    bound = [entry(lead_function="住建", mode="binding")]
    (one,) = found(maps, RuleKind.ACCESS_LIST, [listed()], bound)
    assert (one.row, one.id) == (2, "L-1")
    assert "派单目录 M-1（binding）不许城管主办" in one.text
    (same,) = found(maps, RuleKind.CATALOGUE, [listed()], [*bound])
    assert (same.row, same.id, same.text[:5]) == (None, "L-1", "准入清单：")
    assert found(maps, RuleKind.ACCESS_LIST, [listed(valid_to=date(2026, 4, 30))], bound) == []


def test_a_lead_the_list_never_admits_at_its_level_is_told(maps: LabelMaps) -> None:
    rows = [listed(list="收回"), listed("L-2", lead_function="住建", category="030701")]
    (one,) = found(maps, RuleKind.CATALOGUE, rows, [entry(level="镇街")])
    assert (one.id, one.column) == ("M-1", "level")
    assert "写明 0307 由城管在镇街主办，准入清单没有一条许可" in one.text
    admitted = [listed("L-3", category="030701")]
    assert found(maps, RuleKind.CATALOGUE, admitted, [entry(level="镇街")]) == []
