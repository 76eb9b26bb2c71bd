"""A label that is likely wrong, as the audit lists it and the console shows it: one line of `suspects.csv`."""

import csv
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from dispatch_model.errors import DispatchError, ErrorKind

# The labels people can settle, with their words.
FIELDS = {
    "category": "诉求类别",
    "function": "应办职能",
    "level": "应办层级",
    "kind": "诉求类型",
    "handler_function": "承办职能",
    "handler_level": "承办层级",
}
WHYS = {"model": "与模型判断不符", "repeat": "同文标注矛盾", "model|repeat": "与模型判断不符，且同文标注矛盾"}
WORK_ID = re.compile(r"work-[dr]\d+-(?P<case>.+)")  # of a row from daily work, see `worked_row`
Key = tuple[str, str]


@dataclass(frozen=True)
class Suspect:
    """One label of one case.

    :param id: of the row of the training data.
    :param field: one of FIELDS.
    :param proposed: what is likelier; a category has four digits.
    :param suspicion: 0–1; the list is ordered by it.
    :param given_probability: of the label given, by a model that has not seen the row.
    :param why: one of WHYS.
    :param repeats: rows of the same text that bear another label, `id=label`, joined by "|".
    :param beside: the other labels of the row, `field=label`, joined by "|".
    :param text: masked; "" where the text is in the store only (rows from daily work), so that erasing reaches it.
    """

    id: str
    field: str
    given: str
    proposed: str
    suspicion: float
    given_probability: float
    proposed_probability: float
    why: str
    repeats: str
    beside: str
    text: str

    @property
    def key(self) -> Key:
        """Which label this is about."""
        return self.id, self.field

    @property
    def others(self) -> dict[str, str]:
        """The other labels of the row by field."""
        return _pairs(self.beside)

    @property
    def repeated(self) -> dict[str, str]:
        """Rows of the same text that say otherwise, with what they say."""
        return _pairs(self.repeats)


COLUMNS = tuple(one.name for one in fields(Suspect))
_NUMBERS = ("suspicion", "given_probability", "proposed_probability")


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.rsplit("=", 1) for pair in text.split("|") if "=" in pair)


def write_suspects(path: Path, suspects: Iterable[Suspect]) -> int:
    """Write the list, whole or not at all, readable by its owner only; returns how many lines.

    :raises DispatchError: INVALID_CONFIG when the file cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    rows = [{key: round(v, 4) if isinstance(v, float) else v for key, v in asdict(one).items()} for one in suspects]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch(mode=0o600)
        part.chmod(0o600)
        with part.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            table.writerows(rows)
        part.replace(path)
    except OSError as error:
        told = f"写不了 {path}（{error.strerror}）；请核对文件夹与权限，或以 --output 另指一处。"
        raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="output", value=str(path)) from None
    return len(rows)


def read_suspects(path: Path) -> list[Suspect]:
    """The list, in its order; empty when there is none.

    :raises DispatchError: INVALID_CONFIG naming the file and the line that is no suspect.
    """
    if not path.is_file():
        return []
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file)
        if tuple(table.fieldnames or ()) != COLUMNS:
            raise _unreadable(path, 1, "表头不符")
        return [_suspect(path, table.line_num, row) for row in table]


def _suspect(path: Path, line: int, row: dict[str, str]) -> Suspect:
    try:
        values: dict[str, str | float] = {key: float(row[key]) if key in _NUMBERS else row[key] for key in COLUMNS}
    except (TypeError, ValueError):
        raise _unreadable(path, line, "数值有误或缺列") from None
    if row["field"] not in FIELDS:
        raise _unreadable(path, line, f"没有标注项 {row['field']!r}，可为 {'、'.join(FIELDS)}")
    if row["why"] not in WHYS:
        raise _unreadable(path, line, f"没有缘由 {row['why']!r}，可为 {'、'.join(WHYS)}")
    return Suspect(**values)  # type: ignore[arg-type]  # texts and numbers as COLUMNS says


def _unreadable(path: Path, line: int, what: str) -> DispatchError:
    told = f"{path} 第 {line} 行不是存疑标注（{what}）；请重新运行 dispatch data audit。"
    return DispatchError(ErrorKind.INVALID_CONFIG, told, field=f"{path.name}:{line}")
