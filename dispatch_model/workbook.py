"""A rule set as a workbook an office edits: Chinese headers, drop-downs, codes as text, help in a sheet of its own.

What is written loads to the same version. The sheets 说明 and 代码 are for people; loading leaves them out.
"""

import io
import re
from collections.abc import Mapping, Sequence
from datetime import date
from types import MappingProxyType

from openpyxl import Workbook
from openpyxl.cell.cell import Cell, MergedCell
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from dispatch_model.city import City
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.headers import chinese
from dispatch_model.labels import KINDS, LabelMaps
from dispatch_model.rules import TITLES, RuleKind, RuleRow, RuleSet, cells, columns
from dispatch_model.table import LONGEST_CELL
from dispatch_model.workbook_choices import TEXT, Choices, place_name

HELP_SHEET = "说明"
_HEADER, _FILL = Font(bold=True), PatternFill("solid", fgColor="DDE8F3")
_DAYS, _DATES = frozenset(KINDS), frozenset(("valid_from", "valid_to"))
_FIRST_DATE = date(1901, 1, 1)
_DATE_FORMAT = "yyyy-mm-dd"
_WIDTHS = {"matter": 36, "duty": 48, "basis": 40, "pattern": 60, "unless": 40, "text": 32, "region": 22, "channel": 22}
_WIDTH = 13
_LOOKS_ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
_HELP: Mapping[str, str] = MappingProxyType(
    {
        "id": "必填，不得重复",
        "matter": "必填，事项名称",
        "category": "必填，2、4 或 6 位代码（前缀）；最长的前缀起作用",
        "level": "必填；先选层级，清单一列才有可选项",
        "list": "必填；镇街：基本、配合、收回；村居：履职、协助、负面",
        "lead_function": "从下拉列表中选择；准入清单可留空，表示不限职能",
        "co_functions": "可留空；多个用 | 分隔",
        "duty": "必填，具体做什么",
        "region": "全市留空；否则写“龙华区/金贸街道”这样的名称或区域代码",
        "basis": "必填，法律、法规或文件",
        "valid_from": "可留空；当日起生效",
        "valid_to": "可留空；当日仍有效",
        "version": "清单的版本，如 2026.1",
        "mode": "binding：只能由所列职能主办；prior：仅供参考",
        "disposition": "emergency 紧急转办；decline 不予受理；ask 补充信息；define 供其他行引用的词语",
        "pattern": "必填，正则表达式；出现即触发",
        "unless": "正则表达式；附近出现则不触发",
        "channel": "必填，转办渠道；补充信息类写缺什么",
        "text": "必填，触发时怎样告知坐席",
    }
)


def write(kind: RuleKind, rules: RuleSet, maps: LabelMaps, city: City) -> bytes:
    """One rule set as xlsx.

    :raises DispatchError: a cell is longer than a spreadsheet can hold.
    """
    return write_all({kind: rules}, maps, city)


def write_all(sets: Mapping[RuleKind, RuleSet], maps: LabelMaps, city: City) -> bytes:
    """Several rule sets as one xlsx, a sheet each, named by its Chinese title."""
    book = Workbook()
    sheets = {kind: book.create_sheet(TITLES[kind]) for kind in sets}
    _write_help(book.create_sheet(HELP_SHEET), sets, city)
    choices = Choices.write(book, maps, city)
    del book["Sheet"]
    for kind, sheet in sheets.items():
        _write_header(sheet, columns(kind))
        rows: tuple[RuleRow, ...] = sets[kind].rows
        for number, row in enumerate(rows, start=2):
            _write_row(sheet, number, cells(row), city)
        sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns(kind)))}{sheet.max_row}"
        choices.restrict(sheet, kind, columns(kind))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _write_header(sheet: Worksheet, names: Sequence[str]) -> None:
    for number, name in enumerate(names, start=1):
        head = sheet.cell(1, number, chinese(name))
        head.font, head.fill = _HEADER, _FILL
        head.comment = Comment(f"{name}\n{_help(name)}", "dispatch", height=90, width=260)
        column = sheet.column_dimensions[get_column_letter(number)]
        column.width = _WIDTHS.get(name, _WIDTH)
        column.number_format = _format(name)
    sheet.freeze_panes = "B2"


def _write_row(sheet: Worksheet, number: int, row: Mapping[str, str], city: City) -> None:
    for column, (name, text) in enumerate(row.items(), start=1):
        if len(text) > LONGEST_CELL:
            told = (
                f"{sheet.title} 编号 {row['id']} {chinese(name)} 列：有 {len(text)} 个字符，一格最多 {LONGEST_CELL} 个"
            )
            raise DispatchError(ErrorKind.INVALID_RULES, f"{told}；请导出 CSV，或缩短这一格", field=name)
        if text:
            _fill_cell(sheet.cell(number, column), name, place_name(text, city) if name == "region" else text)


def _fill_cell(cell: Cell | MergedCell, name: str, text: str) -> None:
    """Put a text into a cell as what its column holds; a text is never taken for a formula or an error value."""
    cell.number_format = _format(name)
    if name in _DAYS:
        cell.value = int(text)
    elif name in _DATES and (day := date.fromisoformat(text)) >= _FIRST_DATE:
        cell.value = day
        cell.number_format = _DATE_FORMAT
    else:
        cell.value = _LOOKS_ESCAPED.sub("_x005F_", text)
        cell.data_type = "s"


def _format(name: str) -> str:
    if name in _DAYS:
        return "0"
    return _DATE_FORMAT if name in _DATES else TEXT


def _help(name: str) -> str:
    return "办理期限，工作日；没有期限则留空" if name in _DAYS else _HELP.get(name, "")


def _write_help(sheet: Worksheet, sets: Mapping[RuleKind, RuleSet], city: City) -> None:
    """What each column takes, for who fills it in."""
    sheet.append([f"{city.name} 规则表", "", "编辑后原样上传即可；请勿合并单元格、使用公式或宏"])
    for kind, rules in sets.items():
        sheet.append([])
        sheet.append([TITLES[kind], rules.version, f"{len(rules.rows)} 行"])
        sheet.append(["列", "英文列名", "怎样填写"])
        for name in columns(kind):
            sheet.append([chinese(name), name, _help(name)])
    for letter, width in zip("ABC", (16, 22, 90), strict=True):
        sheet.column_dimensions[letter].width = width
    for row in sheet.iter_rows(max_row=1):
        for cell in row:
            cell.font, cell.alignment = _HEADER, Alignment(vertical="center")
