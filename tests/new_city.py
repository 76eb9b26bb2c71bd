"""An invented city of the national division table, for the tests of `dispatch city`."""

from pathlib import Path

from dispatch_model import city_draft
from dispatch_model.city_draft import Draft
from dispatch_model.labels import LabelMaps

DIVISION = """city,district_code,district,street_code,street,community_code,community
云梦市,420901,江东新区,420901001,石桥街道,420901001001,梨园社区居委会
云梦市,420901,江东新区,420901001,石桥街道,420901001002,柳林居委会
云梦市,420901,江东新区,420901001,石桥街道,420901001003,柳林社区居民委员会
云梦市,420901,江东新区,420901100,沙河镇,420901100201,上湾村委会
云梦市,420901,江东新区,420901100,沙河镇,420901100498,沙河镇虚拟社区
云梦市,420901,江东新区,420901400,红星农场（场部）,420901400501,红星农场
云梦市,420902,安澜区,420902001,石桥街道,420902001001,鼓楼社区居委会
云梦市,420902,安澜区,420902002,沙和街道,420902002001,书院社区
星沙市,430100,,430100001,前湖街道,430100001001,前湖居委会
"""


def division(folder: Path, text: str = DIVISION) -> Path:
    path = folder / "division.csv"
    path.write_text(text, encoding="utf-8")
    return path


def drafted(folder: Path, name: str = "云梦") -> Draft:
    """The draft, written under `folder`."""
    draft = city_draft.draft(name, division(folder), LabelMaps.load())
    city_draft.write(draft, folder)
    return draft
