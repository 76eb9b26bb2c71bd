"""A comparison of two rule sets as a page a manager can read, and as a few lines in a terminal.

The page is one file without scripts or outside resources.
"""

from collections.abc import Iterator
from datetime import datetime
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from dispatch_model.cases import CHINA_TIME
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.rules import RuleKind
from serving.rules.diff import Diff
from serving.rules.moves import EXAMPLES

TEMPLATE = "diff.html.j2"
_SHOWN = 10  # pairs in a terminal
_PAIRS = 500  # pairs on the page; beyond, only their number


def share(part: int, whole: int) -> str:
    """12 of 1,000 → 1.2%; — of nothing."""
    return f"{part / whole:.1%}" if whole else "—"


def number(count: int) -> str:
    """1234 → 1,234."""
    return f"{count:,}"


def sentences(diff: Diff) -> Iterator[str]:
    """What changes, in the order a manager asks."""
    yield (
        f"{number(diff.cases)} 件历史工单中，新{diff.title}会改变 {number(diff.unit)} 件"
        f"（{share(diff.unit, diff.cases)}）的首选单位。"
    )
    if diff.unit:
        same = diff.unit - diff.raised - diff.lowered
        yield (
            f"其中 {number(diff.raised)} 件层级上移（如镇街改由区级），{number(diff.lowered)} 件层级下移"
            f"（如区级改由镇街），{number(same)} 件层级不变；主办职能改变的 {number(diff.function)} 件。"
        )
    if diff.terms:
        yield f"另有 {number(diff.terms)} 件首选单位不变，但协办职能或办理时限不同（按模型首选类别）。"
    if diff.outside:
        yield f"另有 {number(diff.outside)} 件是外地工单，本市规则不适用，未计入。"
    rows = diff.rows
    yield f"规则本身：新增 {len(rows.added)} 行，删去 {len(rows.removed)} 行，改动 {len(rows.edited)} 行。"
    if not (diff.unit or diff.terms):
        yield "这些历史工单的派单不会因此改变。"


def render(diff: Diff, *, created: datetime) -> str:
    """The whole page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(number=number)
    template = environment.from_string(files("serving.rules").joinpath(TEMPLATE).read_text(encoding="utf-8"))
    return template.render(
        diff=diff,
        sentences=list(sentences(diff)),
        created=f"{created.astimezone(CHINA_TIME):%Y-%m-%d %H:%M}",
        share=share,
        most=max((line.changed for line in diff.categories), default=0),
        pairs=diff.units[:_PAIRS],
        hidden=diff.units[_PAIRS:],
        examples=EXAMPLES,
        by_list=diff.old.kind is RuleKind.ACCESS_LIST,
    )


def write(diff: Diff, path: Path, *, created: datetime) -> None:
    """Write the page.

    :raises DispatchError: INVALID_CONFIG, the file cannot be written.
    """
    try:
        path.write_text(render(diff, created=created), encoding="utf-8")
    except OSError as error:
        told = f"报告 {path} 不能写入（{error.strerror}）；请用 --report 指到已有而可写的文件夹中的文件。"
        raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="report", value=str(path)) from None


def show(diff: Diff, console: Console) -> None:
    """Print the sentences and where most changed cases go."""
    console.print(Group(*_parts(diff)))


def _parts(diff: Diff) -> Iterator[RenderableType]:
    yield Text(f"{diff.title}：{diff.old.name}（{diff.old.compared.version}）→", style="bold")
    yield Text(f"　　　　　{diff.new.name}（{diff.new.compared.version}）", style="bold")
    yield from (Text(f"· {sentence}") for sentence in sentences(diff))
    if diff.units:
        table = Table("原首选单位", "新首选单位", "件数")
        for pair in diff.units[:_SHOWN]:
            table.add_row(Text(pair.old), Text(pair.new), number(pair.count))
        yield table
    if len(diff.units) > _SHOWN:
        yield Text(f"还有 {len(diff.units) - _SHOWN} 种去向，见报告（--report）", style="dim")
