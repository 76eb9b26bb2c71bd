"""A table as an office keeps it, CSV or xlsx: rows with numbers, and every problem of a file told at once."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dispatch_model import grid, headers
from dispatch_model.errors import DispatchError, ErrorKind, near, shorten
from dispatch_model.worksheet import letters

MULTI_VALUE = "|"
MOST_BYTES = 20 * 2**20
LONGEST_CELL = 32767  # characters; a spreadsheet cuts the rest off without a word
_MOST_TOLD = 1000  # problems of one file; nobody mends more in one go
_MOST_HINTS = 100  # a hint takes milliseconds
_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # what no xlsx or UTF-8 can hold


class Source(Protocol):
    """A file of an office: on disk (`Path`), in the package (`Traversable`) or sent over the wire (`Upload`)."""

    @property
    def name(self) -> str:
        """Its name, as messages say it."""

    def read_bytes(self) -> bytes:
        """All it holds."""


@dataclass(frozen=True)
class Upload:
    """A file that was sent: its name and what it holds."""

    name: str
    content: bytes

    def read_bytes(self) -> bytes:
        """All it holds."""
        return self.content


@dataclass(frozen=True)
class Row:
    """One data row; `number` is the row a spreadsheet shows (the header is row 1).

    :param places: how messages call a column, where the file calls it otherwise.
    :param sheet: the sheet of a workbook it stands in.
    """

    number: int
    cells: Mapping[str, str]
    places: Mapping[str, str] = field(default_factory=dict)
    sheet: str = ""

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def many(self, column: str) -> tuple[str, ...]:
        """The values of a `|`-separated cell, blanks left out."""
        return tuple(part.strip() for part in self.cells[column].split(MULTI_VALUE) if part.strip())


@dataclass
class Problems:
    """What is wrong with one file, collected so that an office can mend it in one go."""

    file: str
    kind: ErrorKind = ErrorKind.INVALID_LABEL_MAP
    found: list[tuple[str, str]] = field(default_factory=list)
    untold: int = 0

    def add(self, row: Row | None, column: str, value: str, problem: str, allowed: Iterable[str] = ()) -> None:
        """Note one problem; words of `allowed` close to `value` are offered as a hint."""
        if len(self.found) >= _MOST_TOLD:
            self.untold += 1
            return
        cell = row.places.get(column, f"{column} 列") if row and column else column
        sheet = f"工作表“{row.sheet}”" if row and row.sheet else ""
        place = " ".join(part for part in (self.file, sheet, f"第 {row.number} 行" if row else "", cell) if part)
        told = f"“{shorten(value, 40)}”" if value else ""
        words = hint(value, allowed) if len(self.found) < _MOST_HINTS else ""
        self.found.append((value, f"{place}：{told}{problem}{words}"))

    def raise_any(self) -> None:
        """Raise one error over everything found; nothing found, nothing raised."""
        if not self.found:
            return
        value, first = self.found[0]
        total = len(self.found) + self.untold
        message = first if total == 1 else f"{self.file} 有 {total} 处错误，请逐条改正后重新载入"
        details = [] if total == 1 else [text for _, text in self.found]
        if self.untold:
            details.append(f"另有 {self.untold} 处未列出")
        raise DispatchError(self.kind, message, field=self.file, value=value or None, details=details)


def hint(value: str, allowed: Iterable[str]) -> str:
    """The end of a message: words of `allowed` close to `value` in brackets, or nothing."""
    words = near(value, allowed) if value else ""
    return f"（{words}？）" if words else ""


def read(source: Source, file: str, columns: Sequence[str], kind: ErrorKind) -> list[Row]:
    """All rows of a CSV (UTF-8, BOM allowed) or xlsx file which has exactly `columns`, in any order.

    Which of the two it is, its first bytes say. A column may be called by its Chinese name.

    :param file: how messages name the file.
    :raises DispatchError: the file is missing, unreadable or too large, or its header or shape is wrong.
    """
    problems = Problems(file, kind)
    found = grid.read(_content(source, file, kind), file, columns, kind)
    header = [headers.english(cell) for cell in found.header]
    _check_header(header, columns, problems)
    problems.raise_any()
    places = _places(found)
    rows = [_row(record, header, places, found.sheet, problems) for record in found.records]
    if not rows:
        problems.add(None, "内容", "", "只有表头，没有任何数据行")
    problems.raise_any()
    return rows


def header_rows(source: Source, kind: ErrorKind) -> list[tuple[str, ...]]:
    """The columns a file names, in English where they are ours: of each sheet, or of the one CSV.

    :raises DispatchError: the file is missing, unreadable or too large.
    """
    return grid.header_rows(_content(source, source.name, kind), source.name, kind)


def _content(source: Source, file: str, kind: ErrorKind) -> bytes:
    try:
        content = source.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise DispatchError(kind, f"{file} 文件：不存在或不是文件，请检查路径", field=file) from error
    if len(content) > MOST_BYTES:
        size, most = len(content) / 2**20, MOST_BYTES // 2**20
        told = f"{file} 文件：有 {size:.1f} MiB，最多 {most} MiB；请删去多余的行、表和图片"
        raise DispatchError(kind, told, field=file)
    return content


def _places(found: grid.Grid) -> dict[str, str]:
    """How messages call each column that this file does not call by its English name alone."""
    named = [(headers.english(cell), headers.tidy(cell)) for cell in found.header]
    if found.sheet:
        return {
            column: f"{letters(place)} 列（{cell}）" for place, (column, cell) in zip(found.places, named, strict=True)
        }
    return {column: f"{cell} 列" for column, cell in named if cell != column}


def _check_header(header: Sequence[str], columns: Sequence[str], problems: Problems) -> None:
    for column in columns:
        if header.count(column) > 1:
            problems.add(None, "表头", column, "出现了两次，请删去一列")
        elif column not in header:
            problems.add(None, "表头", _called(column), f"列缺失，需要的列：{'、'.join(map(_called, columns))}")
    allowed = (*columns, *map(headers.chinese, columns))
    for column in header:
        if not column:
            problems.add(None, "表头", "", "有一列没有名称，却有内容；请补上列名或删去这一列")
        elif column not in columns:
            told = f"不是认识的列，可用的列：{'、'.join(map(_called, columns))}"
            problems.add(None, "表头", column, told, allowed)


def _called(column: str) -> str:
    """Both names of a column: id（编号）."""
    chinese = headers.chinese(column)
    return column if chinese == column else f"{column}（{chinese}）"


def _row(record: grid.Record, header: Sequence[str], places: Mapping[str, str], sheet: str, problems: Problems) -> Row:
    number, cells = record
    row = Row(number, {column: _clean(cell) for column, cell in zip(header, cells, strict=False)}, places, sheet)
    if len(cells) != len(header):
        problems.add(row, "", "", f"有 {len(cells)} 格，表头有 {len(header)} 列，请补齐或删去多余的内容")
    for column, cell in row.cells.items():
        if len(cell) > LONGEST_CELL:
            problems.add(row, column, "", f"有 {len(cell)} 个字符，一格最多 {LONGEST_CELL} 个，请缩短")
        if not cell.isprintable() and (found := _UNREADABLE.search(cell)):
            problems.add(row, column, "", f"含有不可见的控制字符 U+{ord(found[0]):04X}，请删去")
    return row


def _clean(cell: str) -> str:
    """A cell without blanks around it; a line break is one character in every file."""
    return cell.replace("\r\n", "\n").replace("\r", "\n").strip()
