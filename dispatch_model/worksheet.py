"""One sheet of an xlsx as rows of text, streamed: what each cell says, and what no cell may hold.

openpyxl writes our workbooks but does not read them: its streaming mode hides merged cells and the
difference between a formula and a text, and takes three times as long for 50,000 rows.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from xml.parsers import expat

from dispatch_model.archive import DEEPEST, Archive

_EPOCH = datetime(1899, 12, 30)  # day 0 of serial numbers from 1 March 1900 on; before that Excel miscounts
_FIRST_SERIAL, _END_SERIAL = 61, 2958466
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_REFERENCE = re.compile(r"([A-Z]{1,3})[0-9]{1,7}")
_INDEX = re.compile(r"[0-9]{1,9}")
_ROW = re.compile(r"[0-9]{1,7}")
_TEXT_IN = ("v", "t")
_MOST_COLUMNS = 64  # no table of ours is wider; a row of one far cell must not become a long list
_MOST_NAMED = 1000


def letters(column: int) -> str:
    """What a spreadsheet calls a column: 0 is A, 26 is AA."""
    name = ""
    while column >= 0:
        column, rest = divmod(column, 26)
        name = chr(ord("A") + rest) + name
        column -= 1
    return name


def column_number(name: str) -> int:
    """The column of its letters: A is 0, AA is 26."""
    number = 0
    for letter in name:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def serial_day(number: float) -> str:
    """A date as Excel stores it (days since 1900), as 2026-05-01, with the time where there is one."""
    told = _EPOCH + timedelta(seconds=round(number * 86400))
    return told.date().isoformat() if told.time() == datetime.min.time() else told.isoformat(" ")


def as_day(number: int) -> date | None:
    """The day of a whole serial number, or None where Excel has no such day."""
    return (_EPOCH + timedelta(days=number)).date() if _FIRST_SERIAL <= number < _END_SERIAL else None


@dataclass
class Worksheet:
    """A sheet being read.

    :param strings: the texts that cells of the workbook share.
    :param dates: numbers of the cell styles that show a number as a date.
    :param merged: merged ranges, and `formulas`, `failed` (error values) and `beyond` (too far right): cells
        that no table may have, full once `rows` has ended.
    """

    archive: Archive
    part: str
    strings: Sequence[str]
    dates: frozenset[int]
    merged: list[str] = field(default_factory=list)
    formulas: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    beyond: list[str] = field(default_factory=list)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Rows that are not blank, with their number."""
        reader = _Reader(self)
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = reader.start
        parser.EndElementHandler = reader.end
        parser.CharacterDataHandler = reader.characters
        for _ in self.archive.feed(self.part, parser):
            yield from reader.done
            reader.done.clear()


class _Reader:
    """Turns the elements of a sheet into rows; the place of a cell is its reference, else the next free one."""

    def __init__(self, sheet: Worksheet) -> None:
        self.done: list[tuple[int, list[str]]] = []
        self._sheet = sheet
        self._row = self._column = 0
        self._cells: dict[int, str] = {}
        self._kind = self._style = ""
        self._text: list[str] = []
        self._hears = self._phonetic = self._calculated = False
        self._depth = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._sheet.archive.broken(self._sheet.part)
        tag = name[name.find(":") + 1 :]
        if tag == "c":
            self._open_cell(attributes)
        elif tag in _TEXT_IN:
            self._hears = not self._phonetic
        elif tag == "row":
            number = attributes.get("r", "")
            self._row = int(number) if _ROW.fullmatch(number) else self._row + 1
            self._column, self._cells = -1, {}
        elif tag == "f":
            self._calculated = True
        elif tag == "rPh":
            self._phonetic = True
        elif tag == "mergeCell":
            _note(self._sheet.merged, attributes.get("ref", ""))

    def end(self, name: str) -> None:
        """An element ends; at the end of a row, the row is done."""
        self._depth -= 1
        tag = name[name.find(":") + 1 :]
        if tag in _TEXT_IN:
            self._hears = False
        elif tag == "c":
            self._close_cell()
        elif tag == "rPh":
            self._phonetic = False
        elif tag == "row" and any(cell.strip() for cell in self._cells.values()):
            cells = [""] * (max(self._cells) + 1)
            for column, text in self._cells.items():
                cells[column] = text
            self.done.append((self._row, cells))

    def characters(self, text: str) -> None:
        """Text, of which only that of a cell counts."""
        if self._hears:
            self._text.append(text)

    def _open_cell(self, attributes: dict[str, str]) -> None:
        place = _REFERENCE.fullmatch(attributes.get("r", ""))
        self._column = column_number(place[1]) if place else self._column + 1
        self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "0")
        self._text = []
        self._calculated = False

    def _close_cell(self) -> None:
        sheet = self._sheet
        if self._calculated:
            _note(sheet.formulas, self._reference())
        elif self._text and self._column < _MOST_COLUMNS:
            self._cells[self._column] = self._value("".join(self._text))
        elif self._text:
            _note(sheet.beyond, self._reference())

    def _reference(self) -> str:
        return f"{letters(self._column)}{self._row}"

    def _value(self, raw: str) -> str:
        if self._kind == "s":
            return self._shared(raw)
        if self._kind in ("str", "inlineStr"):
            return unescape(raw)
        if self._kind == "n":
            return self._number(raw)
        if self._kind == "e":
            _note(self._sheet.failed, f"{self._reference()}（{raw}）")
            return ""
        if self._kind == "b":
            return "TRUE" if raw == "1" else "FALSE"
        return raw  # "d": a date in ISO 8601

    def _shared(self, raw: str) -> str:
        strings = self._sheet.strings
        if not _INDEX.fullmatch(raw) or int(raw) >= len(strings):
            raise self._sheet.archive.broken(f"{self._sheet.part} {self._reference()}")
        return strings[int(raw)]

    def _number(self, raw: str) -> str:
        try:
            number = float(raw)
            dated = int(self._style) in self._sheet.dates
        except ValueError:
            return raw
        if dated and _FIRST_SERIAL <= number < _END_SERIAL:
            return serial_day(number)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else raw


def _note(found: list[str], cell: str) -> None:
    if len(found) < _MOST_NAMED:
        found.append(cell)


def unescape(text: str) -> str:
    """A text with the characters that XML cannot hold (`_x000D_`) put back."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text
