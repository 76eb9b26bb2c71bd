from pathlib import Path

import pytest

from dispatch_model.city import City
from dispatch_model.city_names import check_names, heard, one_apart
from dispatch_model.labels import LabelMaps

REGIONS = """code,name,level,parent,aliases
1,云梦市,市,,
11,江东区,区,1,
12,安澜区,区,1,
111,石桥街道,镇街,11,
112,沙河镇,镇街,11,
121,石桥街道,镇街,12,
122,沙荷镇,镇街,12,
1111,梨园社区,村居,111,
1211,梨园社区,村居,121,
"""
UNITS = """code,name,function,level,region,aliases,former
a,江东区政府,属地政府,区,11,,
b,安澜区政府,属地政府,区,12,,
c,江东区石桥街道办,属地政府,镇街,111,,
d,沙河镇政府,属地政府,镇街,112,,
e,安澜区石桥街道办,属地政府,镇街,121,,
f,沙荷镇政府,属地政府,镇街,122,,
g,江动区教育局,教育,区,11,,
h,江东区卫健委,卫健,区,12,,
i,云梦市安澜区城管一支队,城管,区,12,,
j,云梦市安澜区城管二支队,城管,区,12,,
k,云梦市安澜区水务局,水务,区,12,,
l,云梦市安澜区水物局,水务,区,12,,
m,云梦市公安局江东分局,公安,区,11,,
"""


def told(folder: Path) -> list[str]:
    (folder / "yunmeng").mkdir()
    (folder / "yunmeng" / "regions.csv").write_text(REGIONS, encoding="utf-8")
    (folder / "yunmeng" / "units.csv").write_text(UNITS, encoding="utf-8")
    return [f"{file} {one.text}" for file, one in check_names(City.load("yunmeng", LabelMaps.load(), folder))]


def test_each_slip_is_told_once_and_nothing_else(tmp_path: Path) -> None:
    findings = told(tmp_path)
    expected = [
        "regions.csv 云梦市/江东区/沙河镇、云梦市/安澜区/沙荷镇 读音相同或相近",
        "regions.csv 云梦市/江东区/石桥街道、云梦市/安澜区/石桥街道 同名",
        "regions.csv 有 1 个村居名各有两处以上（梨园社区）",
        "units.csv “江动区教育局”中的“江动区”与所在区域“江东区”差一个字",
        "units.csv “江东区卫健委”写明“江东区”，region 却是“安澜区”",
        "units.csv “云梦市安澜区水物局”与“云梦市安澜区水务局”只差一个字",
    ]
    assert len(findings) == len(expected)
    for finding, beginning in zip(findings, expected, strict=True):
        assert finding.startswith(beginning)


@pytest.mark.parametrize(
    ("first", "second", "apart"),
    [
        ("水务局", "水物局", True),
        ("一支队", "二支队", False),
        ("水务局", "水务局", False),
        ("水务", "水物", False),
        ("水务局", "水务所办", False),
    ],
)
def test_one_apart(first: str, second: str, apart: bool) -> None:
    assert one_apart(first, second) is apart


@pytest.mark.parametrize(("first", "second"), [("海甸", "海店"), ("白龙", "白农"), ("城西", "岑西"), ("金宇", "京宇")])
def test_what_sounds_alike_is_heard_alike(first: str, second: str) -> None:
    assert heard(first) == heard(second)
    assert heard(first) != heard("山海")
