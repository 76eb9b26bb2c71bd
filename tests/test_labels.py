import csv
import shutil
from collections import Counter
from pathlib import Path

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import FLAGS, KINDS, LEVELS, LabelMaps

SHARED = Path(__file__).parents[2] / "shared" / "data"
CATEGORIES = "code,name,parent\n01,城建,\n0101,物业,01\n010101,电梯,0101\n010199,其他物业,0101\n0102,热线,01\n"
FUNCTIONS = "name,scope\n住建,管房子\n城管,管街面\n"


def write(folder: Path, categories: str = CATEGORIES, functions: str = FUNCTIONS) -> Path:
    (folder / "db44").mkdir(exist_ok=True)
    (folder / "db44" / "categories.csv").write_text(categories, encoding="utf-8")
    (folder / "functions.csv").write_text(functions, encoding="utf-8")
    return folder


def refused(folder: Path) -> str:
    with pytest.raises(DispatchError) as caught:
        LabelMaps.load(folder)
    assert caught.value.kind is ErrorKind.INVALID_LABEL_MAP
    return str(caught.value)


def test_leaves_are_all_classes_without_children(tmp_path: Path) -> None:
    maps = LabelMaps.load(write(tmp_path))
    assert maps.leaves == ("010101", "010199", "0102")
    assert maps.leaves_under("0101") == ("010101", "010199")
    assert maps.leaves_under("") == maps.leaves


def test_functions_keep_file_order(tmp_path: Path) -> None:
    assert list(LabelMaps.load(write(tmp_path)).functions) == ["住建", "城管"]


def test_path_names_every_level(tmp_path: Path) -> None:
    maps = LabelMaps.load(write(tmp_path))
    assert maps.path("010101") == ("城建", "物业", "电梯")
    assert maps.path("01") == ("城建",)


def test_path_of_an_unknown_code_offers_near_ones(tmp_path: Path) -> None:
    maps = LabelMaps.load(write(tmp_path))
    with pytest.raises(DispatchError, match=r"“010111”.*是否想写：010101"):
        maps.path("010111")


def test_fingerprint_follows_labels_not_prose(tmp_path: Path) -> None:
    first = LabelMaps.load(write(tmp_path)).fingerprint
    reworded = LabelMaps.load(write(tmp_path, functions=FUNCTIONS.replace("管街面", "管市容"))).fingerprint
    reordered = LabelMaps.load(write(tmp_path, functions="name,scope\n城管,管街面\n住建,管房子\n")).fingerprint
    renamed = LabelMaps.load(write(tmp_path, categories=CATEGORIES.replace("电梯", "扶梯"))).fingerprint
    assert first == reworded
    assert len({first, reordered, renamed}) == 3
    assert len(first) == 16


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("010101,电梯二,0101", "第 7 行 code 列：“010101”与第 4 行重复"),
        ("010102,电梯,0101", "第 7 行 name 列：“电梯”与第 4 行重复"),
        ("010102,,0101", "第 7 行 name 列：不能为空"),
        ("01010,短,0101", "第 7 行 code 列：“01010”应为 2、4 或 6 位数字"),
        ("01010a,字母,0101", "第 7 行 code 列：“01010a”应为 2、4 或 6 位数字"),
        ("010301,孤儿,0103", "第 7 行 parent 列：“0103”在本表中没有这一行"),
        ("010102,错位,0102", "与代码不符：“010102”的上级应为“0101”"),
        ("02,空类,", "第 7 行 code 列：“02”没有下级类别"),
    ],
)
def test_a_bad_category_row_is_named(tmp_path: Path, row: str, told: str) -> None:
    assert told in refused(write(tmp_path, categories=f"{CATEGORIES}{row}\n"))


def test_the_same_name_under_two_parents_is_fine(tmp_path: Path) -> None:
    assert LabelMaps.load(write(tmp_path, categories=f"{CATEGORIES}010201,电梯,0102\n")).path("010201")[-1] == "电梯"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("住建,又一次", "functions.csv 第 4 行 name 列：“住建”与第 2 行重复"),
        (",没有名字", "functions.csv 第 4 行 name 列：不能为空"),
        ("教育,", "functions.csv 第 4 行 scope 列：职责范围为空"),
    ],
)
def test_a_bad_function_row_is_named(tmp_path: Path, row: str, told: str) -> None:
    assert told in refused(write(tmp_path, functions=f"{FUNCTIONS}{row}\n"))


def test_all_problems_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    told = refused(write(tmp_path, categories=f"{CATEGORIES}010101,,0101\n7,七,\n"))
    assert "有 3 处错误" in told
    assert told.count("\n  - ") == 3


def test_shipped_categories_are_those_of_the_standard() -> None:
    maps = LabelMaps.load()
    assert Counter(len(code) for code in maps.categories) == {2: 14, 4: 99, 6: 515}
    assert len(maps.leaves) == 515
    assert maps.path("030607") == ("城乡建设", "物业管理", "物业费缴纳")


def test_an_undivided_class_is_named_once() -> None:
    assert LabelMaps.load().path("130200") == ("政风行风党风", "违法违纪")


def test_shipped_functions_levels_kinds_and_flags() -> None:
    maps = LabelMaps.load()
    assert len(maps.functions) == 37
    assert next(iter(maps.functions)) == "公安"
    assert list(maps.functions)[-1] == "其他"
    assert (maps.levels, maps.kinds, maps.flags) == (LEVELS, KINDS, FLAGS)


def test_a_copy_of_the_shipped_maps_has_their_fingerprint(tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parents[1] / "label_maps", tmp_path / "maps")
    assert LabelMaps.load(tmp_path / "maps").fingerprint == LabelMaps.load().fingerprint


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data folder is not here")
def test_every_label_of_the_shared_data_is_known() -> None:
    maps = LabelMaps.load()
    with (SHARED / "labels.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["function"] for row in rows} <= set(maps.functions)
    assert {row["category"] for row in rows} <= set(maps.categories)
    assert {row["level"] for row in rows} == set(maps.levels)
    assert {row["kind"] for row in rows} == set(maps.kinds)
    assert {flag for row in rows for flag in row["flags"].split(",") if flag} == set(maps.flags)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data folder is not here")
def test_shipped_names_are_those_of_the_shared_table() -> None:
    maps = LabelMaps.load()
    with (SHARED / "db44.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    # the standard prints 090499 twice; the second, of 0905, is a misprint of 090599
    printed = [row for row in rows if not row["source_anomaly"]]
    for row in printed:
        names = (row["level_1_name"], row["level_2_name"], row["level_3_name"])
        assert maps.path(row["level_3_code"]) == tuple(name for name in names if name)
    assert maps.path("090499")[1:] == ("生活服务", "其他生活服务")
    assert maps.path("090599")[1:] == ("民族宗教", "其他民族宗教")


def test_the_glossary_lists_the_functions_as_they_stand() -> None:
    glossary = (Path(__file__).parents[1] / "docs" / "glossary.md").read_text(encoding="utf-8")
    listed = "\n".join(f"| {function.name} | {function.scope} |" for function in LabelMaps.load().functions.values())
    assert listed in glossary
