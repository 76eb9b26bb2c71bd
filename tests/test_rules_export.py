from pathlib import Path

import pytest

from dispatch_model import rules
from dispatch_model.city import City
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from dispatch_model.rules import RuleKind
from serving.rules.check import shipped_rules
from serving.rules.export import export


def test_one_workbook_holds_every_kind_and_loads_again(tmp_path: Path, maps: LabelMaps) -> None:
    city = City.load("haikou", maps)
    target = tmp_path / "新" / "规则.xlsx"
    assert export("haikou", tuple(RuleKind), xlsx=target) == [target]
    for kind, expected in shipped_rules("haikou", maps, city).items():
        assert rules.load(kind, target, maps, city).version == expected.version
    assert [path.name for path in target.parent.iterdir()] == ["规则.xlsx"]


def test_csv_is_a_file_for_one_kind_and_a_folder_for_several(tmp_path: Path, maps: LabelMaps) -> None:
    city = City.load("haikou", maps)
    (one,) = export("haikou", [RuleKind.CATALOGUE], csv=tmp_path / "目录.csv")
    expected = shipped_rules("haikou", maps, city)[RuleKind.CATALOGUE].version
    assert rules.load(RuleKind.CATALOGUE, one, maps, city).version == expected
    several = export("haikou", tuple(RuleKind), csv=tmp_path / "全部")
    assert [path.name for path in several] == ["准入清单.csv", "派单目录.csv", "触发词.csv"]


def test_a_target_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for target in (tmp_path, tmp_path / "file" / "规则.csv"):
        with pytest.raises(DispatchError, match="写不了") as caught:
            export("haikou", [RuleKind.TRIGGERS], csv=target)
        assert caught.value.kind is ErrorKind.INVALID_CONFIG
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
