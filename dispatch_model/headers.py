"""What the columns of a rule table are called: English in code, Chinese in an office's file.

Either name is read; the Chinese one is written to workbooks.
"""

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

CHINESE: Mapping[str, str] = MappingProxyType(
    {
        "id": "编号",
        "matter": "事项",
        "category": "诉求类别",
        "level": "层级",
        "list": "清单",
        "lead_function": "主办职能",
        "co_functions": "协办职能",
        "duty": "履职内容",
        "region": "适用区域",
        "basis": "依据",
        "valid_from": "生效日期",
        "valid_to": "失效日期",
        "version": "版本",
        "mode": "效力",
        "disposition": "处置方式",
        "pattern": "匹配式",
        "unless": "排除式",
        "channel": "转办渠道",
        "text": "说明",
    }
)
CODED = frozenset(
    (
        *("id", "category", "level", "list", "lead_function", "co_functions", "region", "valid_from", "valid_to"),
        *("version", "咨询", "求助", "投诉", "举报", "建议", "表扬", "mode", "disposition", "date", "working"),
    )
)  # cells that hold codes and words of a list; in the others every character is the office's own
_ENGLISH = MappingProxyType({chinese: english for english, chinese in CHINESE.items()})
_SHEETS = MappingProxyType({"matter": "准入清单", "mode": "派单目录", "pattern": "触发词"})
_UNSEEN = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))


def english(header: str) -> str:
    """The column a header cell names, in English where it is one of ours; else the cell, tidied."""
    name = tidy(header)
    return _ENGLISH.get(name, name)


def chinese(column: str) -> str:
    """What an office calls `column`; a column without a Chinese name keeps its own."""
    return CHINESE.get(column, column)


def sheet_title(columns: Collection[str]) -> str:
    """What the sheet with `columns` is called in a workbook; '' where there is no fixed name."""
    return next((title for column, title in _SHEETS.items() if column in columns), "")


def fits(header: Sequence[str], columns: Collection[str]) -> bool:
    """Whether a header row has every one of `columns`."""
    return set(columns) <= {english(cell) for cell in header}


def tidy(text: str) -> str:
    """A coded cell without what cannot be seen: full-width forms, odd spaces and zero-width characters."""
    return unicodedata.normalize("NFKC", text).translate(_UNSEEN).strip()
