from datetime import date
from importlib.resources import files
from pathlib import Path

import pytest

from dispatch_model import city_draft
from dispatch_model.access_list import AccessList
from dispatch_model.calendar import Calendar
from dispatch_model.catalogue import Catalogue
from dispatch_model.city import City
from dispatch_model.city_draft import CONFIRM_FILE, read_to_confirm
from dispatch_model.city_rules_draft import LOCAL_BASIS, PROPOSED
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.gazetteer import Gazetteer
from dispatch_model.labels import LabelMaps
from dispatch_model.triggers import Triggers
from tests.new_city import division, drafted

MAPS = LabelMaps.load()


def opened(folder: Path) -> City:
    drafted(folder)
    return City.load("yunmeng", MAPS, folder / "label_maps")


def test_every_function_finds_a_unit_at_once(tmp_path: Path) -> None:
    city = opened(tmp_path)
    assert city.name == "云梦市"
    for function in set(MAPS.functions) - {"其他"}:
        for level in ("市", "区"):
            assert city.resolve(function, level, "420902").unit is not None, (function, level)
    assert city.resolve("教育", "区", "420902001").unit == city.units["420902-教育"]


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("420900-公安", {"云梦市公安局", "市公安局"}),
        ("420902-教育", {"云梦市安澜区教育局", "安澜区教育局"}),
        ("420901-公安", {"云梦市公安局江东分局", "市公安局江东分局"}),
        ("420901-税务", {"国家税务总局云梦市江东新区税务局", "江东新区税务局"}),
        ("420901100-属地政府", {"云梦市江东新区沙河镇人民政府", "江东新区沙河镇人民政府", "沙河镇人民政府"}),
        (
            "420901400-属地政府",
            {"云梦市江东新区红星农场管理委员会", "江东新区红星农场管理委员会", "红星农场管理委员会"},
        ),
    ],
)
def test_units_go_by_the_names_people_use(tmp_path: Path, code: str, names: set[str]) -> None:
    unit = opened(tmp_path).units[code]
    assert {unit.name, *unit.aliases} == names


def test_the_draft_reads_places_in_a_text(tmp_path: Path) -> None:
    gazetteer = Gazetteer(opened(tmp_path))
    assert gazetteer.find("安澜区鼓楼社区门口路灯不亮").region_code == "420902001001"
    assert gazetteer.find("江东新区沙河镇路面塌陷").region_code == "420901100"


def test_the_rules_load_and_let_no_street_lead(tmp_path: Path) -> None:
    city = opened(tmp_path)
    configs = tmp_path / "configs" / "yunmeng"
    access_list = AccessList.load(configs / "access_list.csv", MAPS, city)
    mask = access_list.mask(("420901001", "420901", "420900"), date(2026, 11, 23))
    assert mask[..., :2].all()
    assert not mask[..., 2:].any()
    assert Catalogue.load(configs / "catalogue.csv", MAPS).rows
    assert Triggers.load(configs / "triggers.csv").rows
    assert Calendar.of(configs).overrides
    proposed = AccessList.load(configs / PROPOSED, MAPS, city)
    assert {row.list for row in proposed.rows} == {"基本", "履职"}


def test_nothing_of_the_other_city_is_taken_over(tmp_path: Path) -> None:
    drafted(tmp_path)
    folder = tmp_path / "configs" / "yunmeng"
    for name in ("access_list.csv", PROPOSED, "catalogue.csv", "triggers.csv"):
        text = (folder / name).read_text(encoding="utf-8")
        assert not any(word in text for word in ("海口", "海南", "龙华区", "演丰镇")), name
    original = Path(str(files("configs"))) / "haikou" / "catalogue.csv"
    rows, before = Catalogue.load(folder / "catalogue.csv", MAPS).rows, Catalogue.load(original, MAPS).rows
    assert len(rows) == len(before)
    assert {row.id for row in rows if row.basis == LOCAL_BASIS} == {row.id for row in before if "海南" in row.basis}


def test_a_trigger_goes_with_the_definition_it_uses(tmp_path: Path) -> None:
    left_out = drafted(tmp_path).rules.left_out["triggers.csv"]
    assert {"其他市县", "外省", "同在海口", "BS-005", "BS-007"} <= set(left_out)


def test_what_is_to_be_confirmed_shrinks_as_lines_go(tmp_path: Path) -> None:
    draft = drafted(tmp_path)
    labels = tmp_path / "label_maps"
    assert read_to_confirm("yunmeng", labels) == list(draft.to_confirm)
    assert ("units.csv", "红星农场") in {(file, place) for file, place, _ in draft.to_confirm}
    (labels / "yunmeng" / CONFIRM_FILE).unlink()
    assert read_to_confirm("yunmeng", labels) == []


def test_a_city_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    draft = drafted(tmp_path)
    regions = tmp_path / "label_maps" / "yunmeng" / "regions.csv"
    regions.write_text("mended", encoding="utf-8")
    with pytest.raises(DispatchError, match="已存在，不会改动") as caught:
        city_draft.write(draft, tmp_path)
    assert caught.value.kind is ErrorKind.INVALID_CONFIG
    assert regions.read_text(encoding="utf-8") == "mended"


def test_a_folder_name_must_be_plain(tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match="请用 --slug 另取"):
        city_draft.draft("云梦", division(tmp_path), MAPS, slug="../x")


def test_a_city_without_districts_can_be_drafted(tmp_path: Path) -> None:
    draft = drafted(tmp_path, "星沙")
    city = City.load(draft.slug, MAPS, tmp_path / "label_maps")
    found = city.resolve("教育", "区", "430100001").unit
    assert city.units["430100001-属地政府"].name == "星沙市前湖街道办事处"
    assert found is not None
    assert found.name == "星沙市教育局"
