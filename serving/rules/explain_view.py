"""An explanation as a person reads it in a terminal."""

from collections.abc import Iterable, Iterator

from rich.console import Console, Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from serving.rules.explanation import Explanation, RowView, Standing
from serving.words import DISPOSITIONS

_TRANSCRIPT = 120


def show(explanation: Explanation, console: Console) -> None:
    """Print categories, the first units with their rows, and what the rules kept out."""
    console.print(Group(*_parts(explanation)))


def _parts(told: Explanation) -> Iterator[RenderableType]:
    yield Text(f"{told.transcript[:_TRANSCRIPT]}{'…' if len(told.transcript) > _TRANSCRIPT else ''}", style="dim")
    place = told.place or "没有认出本市地点"
    yield Text(f"按 {told.day} 有效的规则 · {place} · {DISPOSITIONS[told.disposition]}：{told.disposition_reason}")
    names = "；".join(f"{category.code} {category.path[-1]} {share:.2f}" for category, share in told.categories)
    yield Text(f"模型看类别：{names}")
    yield _table("为什么是它，为什么不是后面几个", told.standings)
    if told.forbidden:
        yield _table("模型本来更想给、规则不许的", told.forbidden)
    versions = told.versions
    yield Text(
        f"准入清单 {versions.access_list} · 派单目录 {versions.catalogue} · 模型包 {versions.bundle}", style="dim"
    )


def _table(title: str, standings: Iterable[Standing]) -> Table:
    table = Table(
        "",
        Column("单位", overflow="fold", ratio=2),
        Column("概率", no_wrap=True),
        Column("依据", overflow="fold", ratio=5),
        title=title,
        title_justify="left",
        expand=True,
    )
    for one in standings:
        unit = Text(f"{one.unit}\n{one.function}·{one.level}")
        odds = Text(f"{one.probability:.2f}\n不看规则 {one.alone:.2f}")
        table.add_row(str(one.rank or "✗"), unit, odds, Text("\n").join(_grounds(one)), end_section=True)
    return table


def _grounds(one: Standing) -> Iterator[Text]:
    yield Text(f"按 {one.category.code} {' / '.join(one.category.path)}（占 {one.share:.2f}）")
    if one.why:
        yield Text(one.why)
    yield Text(f"{'✓' if one.allowed else '✗'} {one.decided}", style="" if one.allowed else "red")
    yield from map(_row, one.rows)
    if one.catalogue:
        yield Text(one.catalogue, style="dim")


def _row(row: RowView) -> Text:
    """One consulted row; the one that decides is marked."""
    days = f"{row.valid_from or ''}–{row.valid_to or ''}" if row.valid_from or row.valid_to else "长期"
    where = row.region or "全市"
    lead = f" · 主办{row.lead_function}" if row.lead_function else ""
    mark, style = ("→ 决定", "bold") if row.decides else ("  查过", "dim")
    return Text(
        f"{mark} {row.id} {row.category} {row.level} {row.list}：{row.matter}{lead}（{where}，{days}）", style=style
    )
