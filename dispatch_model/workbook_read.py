"""Which sheet of an xlsx holds the table, and its rows as text; no formula is ever evaluated."""

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from xml.parsers import expat

from dispatch_model import headers
from dispatch_model.archive import DEEPEST, Archive
from dispatch_model.errors import ErrorKind
from dispatch_model.worksheet import Worksheet, unescape

_STYLES, _STRINGS = "xl/styles.xml", "xl/sharedStrings.xml"
_BUILT_IN_DATES = frozenset(map(str, (*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59))))
_NOT_A_FORMAT = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|_.|\*.')
_SHOWN = 8
_OWN = ("说明", "代码")  # sheets our exports add, never the table


class Workbook:
    """An xlsx opened for reading.

    :raises DispatchError: it is damaged, or must not be opened.
    """

    def __init__(self, content: bytes, file: str, kind: ErrorKind) -> None:
        self._archive = Archive(content, file, kind)
        self._parts = self._sheets()
        self._dates = self._date_styles()
        self._strings = self._shared_strings()

    def headers(self) -> dict[str, list[str]]:
        """The first row of each sheet, by the name of the sheet; [] for an empty one."""
        return {name: next(self._open(name).rows(), (0, []))[1] for name in self._parts}

    def table(self, columns: Sequence[str], most: int) -> tuple[str, list[tuple[int, list[str]]]]:
        """Name and rows (at most `most`) of the sheet that holds `columns`.

        :raises DispatchError: no such sheet or several, merged cells, formulas or failed ones (all are named).
        """
        name = self._choose(columns)
        sheet = self._open(name)
        records = list(islice(sheet.rows(), most))
        self._refuse_cells(sheet, name)
        return name, records

    def _refuse_cells(self, sheet: Worksheet, name: str) -> None:
        found = (
            (sheet.merged, "有合并单元格", "请取消合并，并在每一格填上内容"),
            (sheet.formulas, "有公式", "公式不会被计算，请复制后“选择性粘贴—数值”"),
            (sheet.failed, "有错误值", "请改成正确的内容"),
            (sheet.beyond, "右侧很远处还有内容", "请删去表格以外的内容"),
        )
        told = [f"工作表“{name}”{problem}：{_listed(cells)}；{mend}" for cells, problem, mend in found if cells]
        if told:
            raise self._archive.error(*told)

    def _open(self, name: str) -> Worksheet:
        return Worksheet(self._archive, self._parts[name], self._strings, self._dates)

    def _choose(self, columns: Sequence[str]) -> str:
        """The sheet with the table's own name, else the only one whose header fits, else the only one there is."""
        title = headers.sheet_title(columns)
        if title in self._parts:
            return title
        tables = [name for name in self._parts if name not in _OWN]
        fitting = [name for name, header in self.headers().items() if headers.fits(header, columns)]
        if len(fitting) == 1 or (not fitting and len(tables) == 1):
            return (fitting or tables)[0]
        called = f"请把要载入的工作表命名为“{title}”" if title else "请只留一张"
        if fitting:
            raise self._archive.error(f"工作表{_quoted(fitting)}的表头都符合，无法确定用哪一张；{called}")
        wanted = "、".join(map(headers.chinese, columns))
        raise self._archive.error(f"工作表{_quoted(self._parts)}的表头都不符合，需要的列：{wanted}；{called}")

    def _sheets(self) -> dict[str, str]:
        """Part of each sheet by its name, in order; charts and the like are left out."""
        parts: dict[str, str] = {}
        links: dict[str, str] = {}

        def visit_link(_: str, tag: str, found: dict[str, str]) -> None:
            if tag == "Relationship" and found.get("Type", "").endswith("/worksheet"):
                links[found.get("Id", "")] = posixpath.normpath(posixpath.join("/xl", found.get("Target", "")))

        def visit_sheet(over: str, tag: str, found: dict[str, str]) -> None:
            if tag == "workbookPr" and found.get("date1904", "0") not in ("0", "false"):
                raise self._archive.error("使用 1904 日期系统，日期会差四年；请在 Excel 选项“高级”中取消后重新保存")
            link = next((value for name, value in found.items() if name.endswith(":id")), "")
            if over == "sheets" and tag == "sheet" and link in links:
                parts[found.get("name", "").strip()] = links[link].lstrip("/")

        self._visit("xl/_rels/workbook.xml.rels", visit_link)
        self._visit("xl/workbook.xml", visit_sheet)
        if not parts or any(part not in self._archive for part in parts.values()):
            raise self._archive.broken("xl/workbook.xml")
        return parts

    def _date_styles(self) -> frozenset[int]:
        """Numbers of the cell styles that show a number as a date."""
        formats: dict[str, str] = {}
        styles: list[str] = []

        def visit(over: str, tag: str, found: dict[str, str]) -> None:
            if (over, tag) == ("numFmts", "numFmt"):
                formats[found.get("numFmtId", "")] = found.get("formatCode", "")
            elif (over, tag) == ("cellXfs", "xf"):
                styles.append(found.get("numFmtId", "0"))

        if _STYLES in self._archive:
            self._visit(_STYLES, visit)
        return frozenset(number for number, style in enumerate(styles) if _shows_date(style, formats))

    def _shared_strings(self) -> list[str]:
        """The texts that cells share; how they are pronounced (`rPh`) is no part of them."""
        strings: list[str] = []
        said: list[str] = []
        over: list[str] = []

        def start(name: str, _: dict[str, str]) -> None:
            over.append(_local(name))
            if len(over) > DEEPEST:
                raise self._archive.broken(_STRINGS)

        def end(_: str) -> None:
            if over.pop() == "si":
                strings.append(unescape("".join(said)))
                said.clear()

        def hear(text: str) -> None:
            if over[-1] == "t" and over[-2] != "rPh":
                said.append(text)

        if _STRINGS in self._archive:
            parser = expat.ParserCreate()
            parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, hear
            self._archive.parse(_STRINGS, parser)
        return strings

    def _visit(self, part: str, visit: Callable[[str, str, dict[str, str]], None]) -> None:
        """Call `visit(parent tag, tag, attributes)` for each element of `part`."""
        over = [""]

        def start(name: str, attributes: dict[str, str]) -> None:
            visit(over[-1], _local(name), attributes)
            over.append(_local(name))
            if len(over) > DEEPEST:
                raise self._archive.broken(part)

        parser = expat.ParserCreate()
        parser.StartElementHandler = start
        parser.EndElementHandler = lambda _: over.pop()
        self._archive.parse(part, parser)


def _local(name: str) -> str:
    """A tag without its namespace prefix."""
    return name[name.find(":") + 1 :]


def _shows_date(style: str, formats: Mapping[str, str]) -> bool:
    """Whether a number format shows a date: a built-in one, or one with year, month, day or hour in it."""
    if style in formats:
        return bool(re.search("[ymdhs]", _NOT_A_FORMAT.sub("", formats[style]), re.IGNORECASE))
    return style in _BUILT_IN_DATES


def _quoted(names: Iterable[str]) -> str:
    return "、".join(f"“{name}”" for name in names)


def _listed(cells: Sequence[str]) -> str:
    more = f" 等 {len(cells)} 处" if len(cells) > _SHOWN else ""
    return "、".join(cells[:_SHOWN]) + more
