from datetime import date
from pathlib import Path

from dispatch_model.city_check import CityReport, check_city
from dispatch_model.finding import Severity
from dispatch_model.labels import LabelMaps
from tests.new_city import drafted

MAPS = LabelMaps.load()
DAY = date(2026, 11, 23)


def checked(root: Path) -> CityReport:
    return check_city("yunmeng", MAPS, root=root, day=DAY)


def texts(report: CityReport, file: str) -> str:
    return "\n".join(one.text for one in report.found.get(file, ()))


def without(path: Path, words: str) -> None:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if words not in line), encoding="utf-8")


def test_the_shipped_city_has_no_errors() -> None:
    report = check_city("haikou", MAPS, day=DAY)
    assert report.of(Severity.ERROR) == 0
    assert report.covered == len(MAPS.functions) - 1
    assert report.counts.keys() == {"regions.csv", "units.csv", "access_list.csv", "catalogue.csv", "triggers.csv"}


def test_a_draft_has_no_errors_and_says_what_is_open(tmp_path: Path) -> None:
    draft = drafted(tmp_path)
    report = checked(tmp_path)
    assert report.of(Severity.ERROR) == 0
    assert report.covered == len(MAPS.functions) - 1
    assert f"还有 {len(draft.to_confirm)} 项未经核实" in texts(report, "to_confirm.csv")
    assert "尚无全称" in texts(report, "units.csv")
    assert "没有道路、小区、地标" in texts(report, "landmarks.csv")
    assert "同名" in texts(report, "regions.csv")


def test_a_function_without_a_unit_is_a_gap(tmp_path: Path) -> None:
    drafted(tmp_path)
    without(tmp_path / "label_maps" / "yunmeng" / "units.csv", ",供电,")
    report = checked(tmp_path)
    assert report.covered == len(MAPS.functions) - 2
    assert "职能“供电”没有承办单位：江东新区、安澜区" in texts(report, "units.csv")


def test_a_bureau_that_one_district_lacks_is_told(tmp_path: Path) -> None:
    drafted(tmp_path)
    regions, units = (tmp_path / "label_maps" / "yunmeng" / name for name in ("regions.csv", "units.csv"))
    regions.write_text(regions.read_text(encoding="utf-8") + "420903,平湖区,区,420900,\n", encoding="utf-8")
    more = "x1,平湖区政府,属地政府,区,420903,,\nx2,平湖区住建局,住建,区,420903,,\n"
    units.write_text(units.read_text(encoding="utf-8") + more, encoding="utf-8")
    told = texts(checked(tmp_path), "units.csv")
    assert "平湖区 没有“教育”区级单位，别的区有" in told
    assert "“住建”" not in told


def test_every_wrong_file_is_told_at_once(tmp_path: Path) -> None:
    drafted(tmp_path)
    configs = tmp_path / "configs" / "yunmeng"
    (configs / "catalogue.csv").write_text("id\n1\n", encoding="utf-8")
    (configs / "triggers.csv").unlink()
    (tmp_path / "label_maps" / "yunmeng" / "landmarks.csv").write_text("name,region\n长亭路,999999\n", encoding="utf-8")
    report = checked(tmp_path)
    wrong = {file for file, findings in report.found.items() for one in findings if one.severity is Severity.ERROR}
    assert wrong == {"catalogue.csv", "triggers.csv", "landmarks.csv"}
    assert "access_list.csv" in report.counts


def test_a_directory_that_cannot_be_read_ends_the_check_with_all_its_errors(tmp_path: Path) -> None:
    drafted(tmp_path)
    units = tmp_path / "label_maps" / "yunmeng" / "units.csv"
    units.write_text(units.read_text(encoding="utf-8").replace(",教育,", ",教欲,"), encoding="utf-8")
    report = checked(tmp_path)
    assert report.of(Severity.ERROR) == 3
    assert "是否想写：教育" in texts(report, "units.csv")
    assert not report.counts


def test_an_unknown_city_is_told_with_the_known_ones(tmp_path: Path) -> None:
    drafted(tmp_path)
    report = check_city("yunmen", MAPS, root=tmp_path, day=DAY)
    assert "没有城市目录“yunmen”，现有：yunmeng" in texts(report, "regions.csv")
