"""A CSV table as an office keeps it: rows with numbers, and every problem of a file told at once."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dispatch_model.errors import DispatchError, ErrorKind, near, shorten

MULTI_VALUE = "|"


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
    """One data row; `number` is the row a spreadsheet shows (the header is row 1)."""

    number: int
    cells: Mapping[str, str]

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

    def add(self, row: Row | None, column: str, value: str, problem: str, allowed: Iterable[str] = ()) -> None:
        """Note one problem; words of `allowed` close to `value` are offered as a hint."""
        cell = f"{column} 列" if row and column else column
        place = " ".join(part for part in (self.file, f"第 {row.number} 行" if row else "", cell) if part)
        told = f"“{shorten(value, 40)}”" if value else ""
        self.found.append((value, f"{place}：{told}{problem}{hint(value, allowed)}"))

    def raise_any(self) -> None:
        """Raise one error over everything found; nothing found, nothing raised."""
        if not self.found:
            return
        value, first = self.found[0]
        total = len(self.found)
        message = first if total == 1 else f"{self.file} 有 {total} 处错误，请逐条改正后重新载入"
        details = [] if total == 1 else [text for _, text in self.found]
        raise DispatchError(self.kind, message, field=self.file, value=value or None, details=details)


def hint(value: str, allowed: Iterable[str]) -> str:
    """The end of a message: words of `allowed` close to `value` in brackets, or nothing."""
    words = near(value, allowed) if value else ""
    return f"（{words}？）" if words else ""


def read(source: Source, file: str, columns: Sequence[str], kind: ErrorKind) -> list[Row]:
    """All rows of a UTF-8 CSV file (BOM allowed) which has exactly `columns`, in any order.

    :param file: how messages name the file.
    :raises DispatchError: the file is missing, not UTF-8, or its header or shape is wrong.
    """
    problems = Problems(file, kind)
    records = list(_records(_text(source, problems), problems))
    problems.raise_any()
    header = [cell.strip() for cell in records[0][1]] if records else []
    _check_header(header, columns, problems)
    problems.raise_any()
    rows = [_row(number, header, cells, problems) for number, cells in records[1:]]
    if not rows:
        problems.add(None, "内容", "", "只有表头，没有任何数据行")
    problems.raise_any()
    return rows


def _text(source: Source, problems: Problems) -> str:
    try:
        return source.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        problems.add(None, "文件", "", "不存在或不是文件，请检查路径")
    except UnicodeDecodeError as error:
        problems.add(None, f"第 {error.start + 1} 字节", "", "不是 UTF-8 编码，请另存为“CSV UTF-8”后重试")
    return ""


def _records(text: str, problems: Problems) -> Iterator[tuple[int, list[str]]]:
    """Non-blank records with their spreadsheet row number."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for number, cells in enumerate(reader, start=1):
            if any(cell.strip() for cell in cells):
                yield number, cells
    except csv.Error as error:
        problems.add(None, f"第 {reader.line_num} 行", "", f"不是合规的 CSV（{error}），请检查引号是否成对")


def _check_header(header: Sequence[str], columns: Sequence[str], problems: Problems) -> None:
    for column in columns:
        if header.count(column) > 1:
            problems.add(None, "表头", column, "出现了两次，请删去一列")
        elif column not in header:
            problems.add(None, "表头", column, f"列缺失，需要的列：{'、'.join(columns)}")
    for column in header:
        if column not in columns:
            problems.add(None, "表头", column, f"不是认识的列，可用的列：{'、'.join(columns)}", columns)


def _row(number: int, header: Sequence[str], cells: Sequence[str], problems: Problems) -> Row:
    row = Row(number, {column: cell.strip() for column, cell in zip(header, cells, strict=False)})
    if len(cells) != len(header):
        problems.add(row, "", "", f"有 {len(cells)} 格，表头有 {len(header)} 列，请补齐或删去多余的逗号")
    return row
