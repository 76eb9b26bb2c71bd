"""What a CSV or xlsx file holds before anyone knows what it means: rows of text with their numbers."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from dispatch_model import headers
from dispatch_model.archive import is_workbook
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.workbook_read import Workbook

MOST_ROWS = 100_000
_BOUND = MOST_ROWS + 2  # one for the header, one that tells there are too many

Record = tuple[int, list[str]]


@dataclass(frozen=True)
class Grid:
    """A header and data rows; columns that are blank from top to bottom are left out.

    :param header: the cells of the first row that is not blank; [] for an empty file.
    :param records: the rows below it that are not blank, each with the number a spreadsheet shows.
    :param sheet: the sheet of a workbook they stand in; '' for CSV.
    :param places: which column of the file each cell of the header stands in, from 0.
    """

    header: list[str]
    records: list[Record]
    sheet: str
    places: list[int]


def read(content: bytes, file: str, columns: Sequence[str], kind: ErrorKind) -> Grid:
    """The table in `content`: the one CSV, or of a workbook the sheet that holds `columns`.

    :param file: how messages name it.
    :raises DispatchError: it cannot be read, must not be opened, or has more than `MOST_ROWS` rows.
    """
    sheet = ""
    if is_workbook(content):
        sheet, records = Workbook(content, file, kind).table(columns, _BOUND)
    else:
        records = list(islice(_csv(content, file, kind), _BOUND))
    if len(records) == _BOUND:
        raise DispatchError(kind, f"{file}：超过 {MOST_ROWS} 行，请删去多余的行或分开载入", field=file)
    header = records[0][1] if records else []
    places = _places(records, header)
    rows = [(number, _fitted(cells, places, len(header), bool(sheet))) for number, cells in records[1:]]
    return Grid([header[place] for place in places], rows, sheet, places)


def header_rows(content: bytes, file: str, kind: ErrorKind) -> list[tuple[str, ...]]:
    """The columns that each sheet of a workbook, or the one CSV, names; in English where they are ours."""
    if is_workbook(content):
        found = list(Workbook(content, file, kind).headers().values())
    else:
        found = [cells for _, cells in islice(_csv(content, file, kind), 1)]
    return [tuple(map(headers.english, cells)) for cells in found]


def _csv(content: bytes, file: str, kind: ErrorKind) -> Iterator[Record]:
    """Non-blank records with their spreadsheet row number."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        told = f"{file} 第 {error.start + 1} 字节：不是 UTF-8 编码，请另存为“CSV UTF-8”后重试"
        raise DispatchError(kind, told, field=file) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for number, cells in enumerate(reader, start=1):
            if any(cell.strip() for cell in cells):
                yield number, cells
    except csv.Error as error:
        told = f"{file} 第 {reader.line_num} 行：不是合规的 CSV（{error}），请检查引号是否成对"
        raise DispatchError(kind, told, field=file) from error


def _places(records: Sequence[Record], header: Sequence[str]) -> list[int]:
    """The columns of the header that are not blank from top to bottom."""
    blank = {place for place, name in enumerate(header) if not name.strip()}
    if blank:
        blank -= {place for _, cells in records for place in blank if place < len(cells) and cells[place].strip()}
    return [place for place in range(len(header)) if place not in blank]


def _fitted(cells: list[str], places: Sequence[int], wide: int, fill: bool) -> list[str]:
    """The cells at `places`, and those that are not blank to the right of the header; `fill`: no row ends early."""
    filled = cells + [""] * (wide - len(cells)) if fill else cells
    return [filled[place] for place in places if place < len(filled)] + [cell for cell in filled[wide:] if cell.strip()]
