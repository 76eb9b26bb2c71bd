from datetime import date

from rich.console import Console

from dispatch_model.cases import CategoryRef, Disposition, Versions
from serving.rules.explain_view import show
from serving.rules.explanation import Explanation, RowView, Standing

CATEGORY = CategoryRef(code="030701", path=("城乡建设", "市容环境", "占道经营"))
VERSIONS = Versions(bundle="b-1", access_list="l-1", catalogue="c-1", label_maps="m-1")


def row(id_: str, *, decides: bool, until: date | None = None, region: str = "") -> RowView:
    return RowView(
        id=id_,
        matter="占道经营",
        category="0307",
        level="镇街",
        list="基本",
        lead_function="城管",
        region=region,
        valid_from=None,
        valid_to=until,
        decides=decides,
    )


def standing(rank: int, *rows: RowView, allowed: bool = True) -> Standing:
    return Standing(
        rank=rank,
        unit_code="u",
        unit=f"单位{rank}",
        function="城管",
        level="镇街",
        probability=0.61,
        alone=0.72,
        category=CATEGORY,
        share=0.93,
        allowed=allowed,
        decided="准入清单的话",
        rows=rows,
        catalogue="派单目录 ML-1：一般由城管主办",
        why=f"理由{rank}",
    )


def shown(*standings: Standing, forbidden: tuple[Standing, ...] = (), transcript: str = "门口摆摊") -> str:
    told = Explanation(
        case_id="1",
        transcript=transcript,
        day=date(2026, 5, 3),
        place="",
        disposition=Disposition.SUGGEST,
        disposition_reason="供坐席确认",
        categories=((CATEGORY, 0.9),),
        standings=standings,
        forbidden=forbidden,
        versions=VERSIONS,
    )
    console = Console(width=160)
    with console.capture() as capture:
        show(told, console)
    return capture.get()


def test_units_rows_and_the_deciding_row_are_seen() -> None:
    ending = row("ZJ-2", decides=False, until=date(2026, 10, 31), region="海口市/龙华区")
    said = shown(standing(1, row("ZJ-1", decides=True), ending), standing(2))
    for told in (
        "2026-05-03",
        "没有认出本市地点",
        "建议：供坐席确认",
        "030701 占道经营 0.90",
        "单位1",
        "理由2",
        "0.61",
    ):
        assert told in said
    assert "→ 决定 ZJ-1 0307 镇街 基本：占道经营 · 主办城管（全市，长期）" in said
    assert "查过 ZJ-2" in said
    assert "（海口市/龙华区，–2026-10-31）" in said
    assert "l-1" in said


def test_what_is_forbidden_has_a_table_of_its_own() -> None:
    assert "规则不许的" not in shown(standing(1))
    said = shown(standing(1), forbidden=(standing(0, allowed=False),))
    assert "规则不许的" in said
    assert "✗ 准入清单的话" in said


def test_a_long_transcript_is_cut() -> None:
    said = shown(standing(1), transcript="摊" * 500)
    assert said.count("摊") < 200
    assert "…" in said


def test_brackets_in_a_transcript_are_text() -> None:
    assert "[电话]" in shown(standing(1), transcript="打[电话]没人接")
