"""A routing as a person reads it in a terminal."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from dispatch_model.cases import Reason, Routing, Suggestion
from serving.bulk.batch import Tally
from serving.bulk.sizing import Size
from serving.words import DISPOSITIONS, SOURCES


@contextmanager
def batch_progress(source: Path) -> Iterator[Callable[[Tally], None]]:
    """A progress bar on stderr over the bytes of `source`, a file or a folder; yields what advances it."""
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[lines]} 行"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        total = sum(path.stat().st_size for path in ([source] if source.is_file() else source.glob("*.jsonl")))
        task = bar.add_task("", total=total or None, lines=0)
        lines = 0

        def advance(part: Tally) -> None:
            nonlocal lines
            lines += part.lines
            bar.update(task, advance=part.read, lines=lines)

        yield advance


def show_size(size: Size) -> str:
    """What to provide, one figure a line."""
    return (
        f"最忙时每秒 {size.peak:.1f} 件，占用 {size.busy:.2f} 核\n"
        f"需要 {size.cores} 核；{size.replicas} 个副本（其中一个备用）\n"
        f"内存 {size.memory_gib:.1f} GiB；数据库每年 {size.database_gib:,.0f} GiB"
    )


def show_counts(counts: Mapping[str, int], console: Console) -> None:
    """Print how many rows each table holds."""
    table = Table("表", "行数")
    for name, count in counts.items():
        table.add_row(name, str(count))
    console.print(table)


def show(routing: Routing, console: Console) -> None:
    """Print disposition, ranked units and the reasons of the first one."""
    console.print(Group(*_parts(routing)))


def _parts(routing: Routing) -> Iterable[RenderableType]:
    yield Text(f"{DISPOSITIONS[routing.disposition]} · {routing.kind} · {routing.disposition_reason}", style="bold")
    if routing.missing:
        yield Text(f"还缺：{'、'.join(routing.missing)}", style="yellow")
    if routing.suggestions:
        yield _table(routing.suggestions)
        yield from map(_reason, routing.suggestions[0].reasons)
    yield from map(_reason, routing.reasons)


def _table(suggestions: Iterable[Suggestion]) -> Table:
    table = Table("", Column("主办单位", overflow="fold"), "职能", "层级", "类别", "概率", "协办", "时限")
    for suggestion in suggestions:
        table.add_row(
            str(suggestion.rank),
            suggestion.unit.name,
            suggestion.unit.function,
            suggestion.unit.level,
            f"{suggestion.category.code} {' / '.join(suggestion.category.path)}",
            f"{suggestion.probability:.2f}",
            "、".join(suggestion.co_handlers),
            f"{suggestion.due_at:%m-%d %H:%M}" if suggestion.due_at else "",
        )
    return table


def _reason(reason: Reason) -> Text:
    source = SOURCES[reason.source]
    told = reason.text if reason.text.startswith(source) else f"{source}：{reason.text}"
    return Text(f"· {told}", style="dim")
