import csv
import time
from datetime import date
from pathlib import Path
from types import MappingProxyType

import pytest

from dispatch_model.access_list import AccessList
from dispatch_model.access_row import COLUMNS, AccessRow
from dispatch_model.city import City
from dispatch_model.directory import Region
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import Category, Function, LabelMaps

LEAVES = ("010101", "010102", "010201", "020101", "9901")
CODES = ("01", "0101", "010101", "010102", "0102", "010201", "02", "0201", "020101", "99", "9901")
FUNCTIONS = ("城管", "住建", "民政", "属地政府")


def tiny_maps() -> LabelMaps:
    categories = {code: Category(code, f"类{code}", code[:-2] or None) for code in CODES}
    functions = {name: Function(name, "范围") for name in FUNCTIONS}
    return LabelMaps(MappingProxyType(categories), MappingProxyType(functions), LEAVES, "0" * 16)


def tiny_city() -> City:
    regions = (
        Region("C", "某市", "市", None),
        Region("D1", "东区", "区", "C"),
        Region("D1S1", "一街道", "镇街", "D1"),
        Region("D2", "西区", "区", "C"),
    )
    return City("某市", "tiny", {region.code: region for region in regions}, {}, FUNCTIONS)


def load(tmp_path: Path, *rows: dict[str, str], encoding: str = "utf-8") -> AccessList:
    path = tmp_path / "access_list.csv"
    plain = {"matter": "事项", "category": "0101", "level": "镇街", "list": "基本", "duty": "职责", "basis": "依据"}
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows({"id": f"R-{number}", **plain, **given} for number, given in enumerate(rows, start=1))
    return AccessList.load(path, tiny_maps(), tiny_city())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_file_is_read_with_or_without_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    given = {"co_functions": "住建|民政", "region": "东区/一街道", "valid_from": "2026/1/2", "version": "7"}
    access_list = load(tmp_path, given, encoding=encoding)
    told = ("R-1", "事项", "0101", "镇街", "基本", "", ("住建", "民政"), "职责", "D1S1", "依据")
    assert access_list.rows == (AccessRow(*told, date(2026, 1, 2), None, "7", row=2),)


@pytest.mark.parametrize(
    ("written", "code"), [("", ""), ("C", ""), ("某市", ""), ("D1", "D1"), ("东区", "D1"), ("某市/东区/一街道", "D1S1")]
)
def test_a_region_is_written_as_code_or_name(tmp_path: Path, written: str, code: str) -> None:
    assert load(tmp_path, {"region": written}).rows[0].region == code


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"category": "0109"},
            "category 列：“0109”不是诉求类别代码，应为 DB44/T 2479-2024 的 2、4 或 6 位代码（是否想写：01",
        ),
        ({"level": "区"}, "level 列：“区”不在允许的取值之内，应为：镇街、村居"),
        ({"list": "履职"}, "list 列：“履职”不在允许的取值之内，应为：基本、配合、收回"),
        ({"level": "村居", "list": "负责"}, "应为：履职、协助、负面（是否想写：负面？）"),
        (
            {"lead_function": "城官"},
            "lead_function 列：“城官”不在允许的取值之内，应为：（空）、城管、住建、民政、属地政府（是否想写：城管",
        ),
        (
            {"co_functions": "住建|民证"},
            "co_functions 列：“民证”不在允许的取值之内，应为：城管、住建、民政、属地政府；多个用 | 分隔",
        ),
        ({"region": "东区/二街道"}, "region 列：“东区/二街道”不是本市的区域"),
        ({"valid_from": "2026-02-30"}, "valid_from 列：“2026-02-30”不是日期，应写作 2026-05-01"),
        ({"valid_from": "2026-05-02", "valid_to": "2026-05-01"}, "valid_to 列：“2026-05-01”早于生效日期 2026-05-02"),
        ({"basis": " "}, "basis 列：为空，此列必填"),
        ({"matter": ""}, "matter 列：为空，此列必填"),
    ],
)
def test_a_bad_cell_is_refused_with_row_column_value_and_what_was_allowed(
    tmp_path: Path, given: dict[str, str], told: str
) -> None:
    with pytest.raises(DispatchError) as caught:
        load(tmp_path, {}, {"category": "02", **given})
    assert caught.value.kind is ErrorKind.INVALID_RULES
    assert caught.value.message.startswith("access_list.csv 第 3 行 ")
    assert told in caught.value.message


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match=r"access_list\.csv 有 3 处错误") as caught:
        load(tmp_path, {"level": "街道"}, {"category": "02", "basis": ""}, {"id": "R-1", "category": "9901"})
    assert [detail.split("：")[0] for detail in caught.value.details] == [
        "access_list.csv 第 4 行 id 列",
        "access_list.csv 第 2 行 level 列",
        "access_list.csv 第 3 行 basis 列",
    ]


def test_a_contradiction_names_both_rows(tmp_path: Path) -> None:
    with pytest.raises(DispatchError) as caught:
        load(tmp_path, {"valid_to": "2026-06-30"}, {"list": "收回", "valid_from": "2026-06-30"})
    assert "第 3 行 list 列：“收回”（R-2）与第 2 行（R-1）的“基本”矛盾" in caught.value.message


def test_every_row_that_contradicts_another_is_told(tmp_path: Path) -> None:
    with pytest.raises(DispatchError) as caught:
        load(
            tmp_path,
            {},
            {"list": "收回", "valid_from": "2026-01-01", "valid_to": "2026-01-31"},
            {"list": "收回", "valid_from": "2026-03-01", "valid_to": "2026-03-31"},
            {"list": "配合", "valid_from": "2026-03-31", "valid_to": "2026-04-30"},
        )
    named = [(detail.split(" 行")[0][-1], detail.split("与第 ")[1][0]) for detail in caught.value.details]
    assert named == [("3", "2"), ("4", "2"), ("5", "2"), ("5", "4")]


def test_a_sheet_of_contradictions_is_refused_in_bounded_time(tmp_path: Path) -> None:
    rows = [{"list": "收回" if number % 2 else "基本"} for number in range(3_000)]
    start = time.perf_counter()
    with pytest.raises(DispatchError, match=r"有 2999 处错误"):
        load(tmp_path, *rows)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    "given", [{"valid_from": "2026-07-01"}, {"region": "D1"}, {"category": "010101"}, {"level": "村居", "list": "负面"}]
)
def test_rows_that_never_meet_are_no_contradiction(tmp_path: Path, given: dict[str, str]) -> None:
    assert len(load(tmp_path, {"valid_to": "2026-06-30"}, {"list": "收回", **given}).rows) == 2


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "access_list.csv"
    path.write_text(",".join(column for column in COLUMNS if column != "basis"), encoding="utf-8")
    with pytest.raises(DispatchError, match="basis"):
        AccessList.load(path, tiny_maps(), tiny_city())
