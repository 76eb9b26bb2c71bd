"""A gate's record as a table on the terminal and as one page without scripts; what was refused comes first."""

from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from rich.console import Console
from rich.table import Table

from dispatch_model.gate_record import Check, Finding, GateRecord

REPORT_FILE = "gate.html"
LEAST = 3  # functions that passed but lost most, told on the terminal beside those that did not
SETS = {"test": "测试集", "decisions": "近期决定", "bundle": "模型包"}
CHECKS = {
    Check.ANSWERS: "首选命中",
    Check.MACRO_F1: "宏平均 F1",
    Check.FUNCTION: "各职能",
    Check.CALIBRATION: "校准",
    Check.PARITY: "量化一致性",
    Check.VIOLATIONS: "准入清单",
    Check.MASKING: "脱敏",
}


def percent(value: float | None) -> str:
    """0.8123 → 81.2%."""
    return "" if value is None else f"{value:.1%}"


def change(finding: Finding) -> str:
    """The difference in percentage points with its interval."""
    if finding.change is None:
        return ""
    value, low, high = (100 * part for part in (finding.change.value, finding.change.low, finding.change.high))
    return f"{value:+.1f}（{low:+.1f} 至 {high:+.1f}）"


def flips(finding: Finding) -> str:
    """Cases only the challenger, and only the champion has right."""
    return "" if finding.won is None else f"+{finding.won} −{finding.lost}"


def chance(finding: Finding) -> str:
    """The p of McNemar's test."""
    return "" if finding.p is None else "<0.001" if finding.p < 0.001 else f"{finding.p:.3f}"


def ordered(record: GateRecord) -> list[Finding]:
    """What was refused first, then as found; of a function that matters most, most lost first."""
    return sorted(record.findings, key=lambda finding: finding.passed)


def shown(record: GateRecord) -> list[Finding]:
    """`ordered`, but of the functions that passed only those that lost most."""
    passed = [finding for finding in record.findings if finding.passed and finding.check is Check.FUNCTION]
    most = sorted(passed, key=lambda finding: finding.change.value if finding.change else 0.0)[:LEAST]
    return [finding for finding in ordered(record) if finding not in passed or finding in most]


def verdict(record: GateRecord) -> str:
    """The outcome in a sentence."""
    pair = f"挑战者 {record.challenger.version}（{record.challenger.sha256[:12]}）"
    pair += f"对现行 {record.champion.version}（{record.champion.sha256[:12]}）"
    if record.passed:
        return f"通过：{pair}，{len(record.findings)} 项均合要求。"
    reasons = dict.fromkeys(CHECKS[finding.check] for finding in record.refused)
    return f"拒绝：{pair}，{len(record.findings)} 项中 {len(record.refused)} 项不合（{'、'.join(reasons)}）。"


def by_chance(chance: float) -> str:
    """What the rule on functions does to a challenger that is just as good."""
    return f"“各职能”一项：一个同样好的挑战者，仅因偶然有 {chance:.0%} 的可能不合。"


def table(record: GateRecord) -> Table:
    """The table that says why."""
    built = Table(title=verdict(record))
    for name in ("", "数据", "项目", "n", "现行", "挑战者", "差（点，95% 区间）", "胜负", "p", "要求"):
        built.add_column(
            name, justify="right" if name in {"n", "现行", "挑战者", "差（点，95% 区间）", "p"} else "left"
        )
    for one in shown(record):
        figures = (str(one.n), percent(one.champion), percent(one.challenger), change(one), flips(one), chance(one))
        mark = "✓" if one.passed else "✗"
        built.add_row(mark, SETS[one.where], one.what, *figures, one.rule, style="" if one.passed else "bold red")
    return built


def show(record: GateRecord, console: Console) -> None:
    """Print the table."""
    console.print(table(record))
    if record.chance is not None:
        console.print(by_chance(record.chance))


def render(record: GateRecord) -> str:
    """The whole page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(percent=percent, change=change, flips=flips, chance=chance)
    template = environment.from_string(files("training").joinpath("gate.html.j2").read_text(encoding="utf-8"))
    return template.render(
        record=record,
        verdict=verdict(record),
        by_chance="" if record.chance is None else by_chance(record.chance),
        groups={CHECKS[check]: [f for f in ordered(record) if f.check is check] for check in Check},
        sets=SETS,
    )
