"""The label maps all cities share: categories of DB44/T 2479-2024, functions, levels, kinds and flags."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from dispatch_model import table
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.table import Problems, Row

LEVELS = ("市", "区", "镇街", "村居")  # high to low
KINDS = ("咨询", "求助", "投诉", "举报", "建议", "表扬")
FLAGS = ("urgent", "refuse", "vague", "multi", "status")
PREFIX_LENGTHS = (6, 4, 2)  # of category codes, the most specific first

CATEGORY_FILE = "db44/categories.csv"
FUNCTION_FILE = "functions.csv"
_UNDIVIDED = "00"  # the standard prints XXXX00 where a second-level class has no third level


@dataclass(frozen=True)
class Category:
    """诉求类别: a class of the standard; its depth is the length of its code (2, 4 or 6)."""

    code: str
    name: str
    parent: str | None


@dataclass(frozen=True)
class Function:
    """职能: a line of duty, the same in every city."""

    name: str
    scope: str


@dataclass(frozen=True, eq=False)
class LabelMaps:
    """Every label a model or a rule may use, in file order.

    :param leaves: codes a case can be given: all without children, sorted; the order of the model's category head.
    :param fingerprint: 16 hex digits over codes and names, which ties a bundle to its labels.
    """

    categories: Mapping[str, Category]
    functions: Mapping[str, Function]
    leaves: tuple[str, ...]
    fingerprint: str
    levels: tuple[str, ...] = LEVELS
    kinds: tuple[str, ...] = KINDS
    flags: tuple[str, ...] = FLAGS

    @classmethod
    def load(cls, folder: Path | None = None) -> "LabelMaps":
        """Read and check the label maps in `folder`, or those shipped with the program."""
        root = label_folder(folder)
        categories = _categories(root)
        functions = _functions(root)
        parents = {category.parent for category in categories.values()}
        leaves = tuple(sorted(code for code in categories if code not in parents))
        return cls(categories, functions, leaves, _fingerprint(categories, functions))

    def path(self, code: str) -> tuple[str, ...]:
        """Names from the first level down to `code`; an undivided class is named once.

        :raises DispatchError: no such category.
        """
        if code not in self.categories:
            message = f"类别代码“{code}”不在 DB44/T 2479-2024 中，请用 2、4 或 6 位代码"
            raise DispatchError(
                ErrorKind.INVALID_LABEL_MAP,
                message + table.hint(code, self.categories),
                field="category",
                value=code,
            )
        shown = code[:4] if code.endswith(_UNDIVIDED) else code
        return tuple(self.categories[shown[:length]].name for length in range(2, len(shown) + 1, 2))

    def leaves_under(self, prefix: str) -> tuple[str, ...]:
        """The leaves at or below the category `prefix`, in order; '' means all."""
        return tuple(leaf for leaf in self.leaves if leaf.startswith(prefix))


def label_folder(folder: Path | None = None) -> Traversable:
    """`folder`, or the label maps installed with the program."""
    return files("label_maps") if folder is None else folder


def _categories(root: Traversable) -> dict[str, Category]:
    rows = table.read(root / CATEGORY_FILE, CATEGORY_FILE, ("code", "name", "parent"), ErrorKind.INVALID_LABEL_MAP)
    problems = Problems(CATEGORY_FILE)
    check_unique(rows, "code", problems)
    check_unique(rows, "name", problems, within="parent")
    codes = {row["code"] for row in rows}
    for row in rows:
        _check_category(row, codes, problems)
    problems.raise_any()
    return {row["code"]: Category(row["code"], row["name"], row["parent"] or None) for row in rows}


def _check_category(row: Row, codes: set[str], problems: Problems) -> None:
    code, parent = row["code"], row["parent"]
    if not (code.isascii() and code.isdigit() and len(code) in (2, 4, 6)):
        problems.add(row, "code", code, "应为 2、4 或 6 位数字（表格软件会吃掉开头的 0，请把该列设为文本）")
        return
    expected = code[:-2]
    if parent != expected:
        problems.add(row, "parent", parent, f"与代码不符：“{code}”的上级应为“{expected or '空'}”")
    elif parent and parent not in codes:
        problems.add(row, "parent", parent, "在本表中没有这一行，请补上该上级类别", codes)
    if len(code) == 2 and not any(other != code and other.startswith(code) for other in codes):
        problems.add(row, "code", code, "没有下级类别，层次不足：一级类别至少要有一个二级类别")


def _functions(root: Traversable) -> dict[str, Function]:
    rows = table.read(root / FUNCTION_FILE, FUNCTION_FILE, ("name", "scope"), ErrorKind.INVALID_LABEL_MAP)
    problems = Problems(FUNCTION_FILE)
    check_unique(rows, "name", problems)
    for row in rows:
        if not row["scope"]:
            problems.add(row, "scope", "", f"职责范围为空，请用一句话写明“{row['name']}”管什么")
    problems.raise_any()
    return {row["name"]: Function(row["name"], row["scope"]) for row in rows}


def check_unique(rows: list[Row], column: str, problems: Problems, within: str = "") -> None:
    """Every value of `column` is there and occurs once, or once per value of the column `within`."""
    first: dict[tuple[str, str], int] = {}
    for row in rows:
        value = row[column]
        if not value:
            problems.add(row, column, "", "不能为空，请填写")
            continue
        seen = first.setdefault((row[within] if within else "", value), row.number)
        if seen != row.number:
            problems.add(row, column, value, f"与第 {seen} 行重复，请改名或删去一行")


def _fingerprint(categories: Mapping[str, Category], functions: Mapping[str, Function]) -> str:
    """A hash over what a model depends on; scopes are prose and may be reworded freely."""
    content = {
        "categories": sorted((category.code, category.name) for category in categories.values()),
        "functions": list(functions),
        "levels": LEVELS,
        "kinds": KINDS,
        "flags": FLAGS,
    }
    canonical = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()[:16]
