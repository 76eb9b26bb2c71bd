"""What may be chosen in the coded columns of a workbook: the hidden sheet 代码 and the drop-downs that read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from openpyxl.utils import get_column_letter
from openpyxl.workbook import Workbook
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from dispatch_model.access_row import LISTS
from dispatch_model.catalogue import BINDING, MOST_DAYS, PRIOR
from dispatch_model.city import City
from dispatch_model.grid import MOST_ROWS
from dispatch_model.labels import KINDS, LEVELS, LabelMaps
from dispatch_model.rules import RuleKind
from dispatch_model.triggers import DISPOSITIONS

SHEET = "代码"
TEXT = "@"
_FUNCTIONS, _CATEGORIES, _NAMES, _REGIONS = "职能", "诉求类别", "类别名称", "区域"
_FIRST_DAY, _LAST_DAY = "DATE(2000,1,1)", "DATE(2100,12,31)"


def place_name(code: str, city: City) -> str:
    """A region as an office writes it, 龙华区/金贸街道; '' for the city itself."""
    return city.region_path(code).partition("/")[2] if code in city.regions else code


@dataclass(frozen=True)
class Choices:
    """The formulas of the lists on the sheet 代码, by what they hold."""

    ranges: Mapping[str, str]

    @classmethod
    def write(cls, book: Workbook, maps: LabelMaps, city: City) -> "Choices":
        """Add the hidden sheet; the lists of a level get the level's name, so that INDIRECT finds them."""
        lists: dict[str, Sequence[str]] = {
            _FUNCTIONS: tuple(maps.functions),
            _CATEGORIES: tuple(maps.categories),
            _NAMES: [" › ".join(maps.path(code)) for code in maps.categories],
            _REGIONS: [name for code in city.regions if (name := place_name(code, city))],
            **LISTS,
        }
        sheet = book.create_sheet(SHEET)
        sheet.sheet_state = "hidden"
        ranges: dict[str, str] = {}
        for column, (title, words) in enumerate(lists.items(), start=1):
            for row, word in enumerate((title, *words), start=1):
                sheet.cell(row, column, word).number_format = TEXT
            letter = get_column_letter(column)
            ranges[title] = f"'{SHEET}'!${letter}$2:${letter}${len(words) + 1}"
        for level in LISTS:
            book.defined_names[level] = DefinedName(level, attr_text=ranges[level])
        return cls(ranges)

    def restrict(self, sheet: Worksheet, kind: RuleKind, columns: Sequence[str]) -> None:
        """Put a drop-down or a limit on every coded column of `sheet`, from row 2 to the last that can be loaded."""
        level = get_column_letter(columns.index("level") + 1) if "level" in columns else ""
        for number, column in enumerate(columns, start=1):
            rule = self._rule(column, kind, level)
            if rule:
                letter = get_column_letter(number)
                rule.add(f"{letter}2:{letter}{MOST_ROWS + 1}")
                sheet.add_data_validation(rule)

    def _rule(self, column: str, kind: RuleKind, level: str) -> DataValidation | None:
        if column in KINDS:
            return _limit("whole", "0", str(MOST_DAYS), f"请填 0 到 {MOST_DAYS} 的整数（工作日），没有期限则留空")
        if column in ("valid_from", "valid_to"):
            return _limit("date", _FIRST_DAY, _LAST_DAY, "请填日期，如 2026-05-01，不限则留空")
        formulas = {
            "category": self.ranges[_CATEGORIES],
            "level": _words(tuple(LISTS) if kind is RuleKind.ACCESS_LIST else LEVELS),
            "list": f"INDIRECT(${level}2)",
            "lead_function": self.ranges[_FUNCTIONS],
            "co_functions": self.ranges[_FUNCTIONS],
            "region": self.ranges[_REGIONS],
            "mode": _words((BINDING, PRIOR)),
            "disposition": _words(DISPOSITIONS),
        }
        return _drop_down(formulas[column], several=column == "co_functions") if column in formulas else None


def _words(words: Sequence[str]) -> str:
    return f'"{",".join(words)}"'


def _drop_down(formula: str, several: bool) -> DataValidation:
    """A list to choose from; a cell of several values only offers it, as no spreadsheet checks each of them."""
    rule = DataValidation("list", formula1=formula, allow_blank=True, showErrorMessage=not several)
    rule.errorTitle, rule.error = "不在可选范围", "请从下拉列表中选择；全部代码见隐藏的工作表“代码”。"
    if several:
        rule.showInputMessage = True
        rule.promptTitle, rule.prompt = "可填多个", "多个职能用 | 分隔，如 公安|城管"
    return rule


def _limit(what: Literal["whole", "date"], low: str, high: str, told: str) -> DataValidation:
    rule = DataValidation(what, formula1=low, formula2=high, allow_blank=True, showErrorMessage=True)
    rule.operator = "between"
    rule.errorTitle, rule.error = "超出范围", told
    return rule
