"""Changed rules on the cases of the last month."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import pytest
from sqlalchemy import update

from dispatch_model import outputs
from dispatch_model.access_list import AccessList
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.outputs import StoredOutputs
from dispatch_model.router import Router
from dispatch_model.rules import RuleKind, to_csv
from serving.console import rules_month
from serving.console.rules_month import LastMonth, Progress, Stopped
from serving.console.templates import render
from serving.rules.diff_report import sentences
from serving.store import moments
from serving.store.erasure import BLANK
from serving.store.schema import cases
from serving.store.store import Store

KIND = RuleKind.ACCESS_LIST
TEXTS = (
    "龙华区金贸街道的人行道上停满了电动车，轮椅过不去，请清理。",
    "秀英区长流镇的小区物业半年没修电梯，老人上下楼困难。",
    "琼山区云龙镇村里的排水沟堵了，请<b>疏通</b>。",
)
Save = Callable[..., None]


@lru_cache(maxsize=1)
def real() -> Router:
    return Router.open()


def _without_streets() -> bytes:
    """The shipped list with nothing left for streets and villages to lead."""
    rules = real().rules.access_list
    kept = [row for row in rules.rows if row.restriction]
    maps = real().maps
    return to_csv(KIND, AccessList(kept, maps.leaves, tuple(maps.functions)))


def _fill(routed: Save) -> None:
    for number, text in enumerate(TEXTS):
        routed(f"C-{number}", transcript=text, received_at=datetime.now(UTC).isoformat())


def test_cases_that_would_go_elsewhere_are_counted_with_examples(store: Store, routed: Save) -> None:
    _fill(routed)
    progress = Progress()
    found = LastMonth(store).compare(real(), KIND, _without_streets(), progress)
    assert found.diff
    assert found.stored == found.diff.cases == 3
    assert (progress.done, progress.total) == (3, 3)
    assert found.diff.unit == found.diff.raised > 0
    told = {one.case_id: one for pair in found.diff.units for one in pair.examples}
    assert all(one.text == TEXTS[int(case_id[2:])] for case_id, one in told.items())
    page = render(
        "rules_month.html.j2",
        state="done",
        days=30,
        progress=progress,
        diff=found.diff,
        stored=9,
        sentences=tuple(sentences(found.diff)),
        pairs=20,
    )
    assert "均匀抽取 3 件" in page
    assert "/console/case/C-" in page
    assert "<b>" not in page


def test_a_case_is_encoded_once(store: Store, routed: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    _fill(routed)
    month, encoded = LastMonth(store), list[int]()
    encode = outputs.encode

    def counted(router: Router, chunk: dict[int, object], now: datetime) -> StoredOutputs:
        encoded.append(len(chunk))
        return encode(router, chunk, now)  # type: ignore[arg-type]

    monkeypatch.setattr(outputs, "encode", counted)
    first = month.compare(real(), KIND, _without_streets(), Progress())
    routed("C-9", transcript=TEXTS[0])
    second = month.compare(real(), KIND, _without_streets(), Progress())
    assert encoded == [3, 1]
    assert first.diff
    assert second.diff
    assert second.diff.cases == first.diff.cases + 1


def test_only_the_last_month_and_nothing_erased(store: Store, routed: Save) -> None:
    _fill(routed)
    month = LastMonth(store)
    assert month.compare(real(), KIND, _without_streets(), Progress()).stored == 3
    old = moments.stored(datetime.now(UTC) - timedelta(days=31))
    aged = update(cases).where(cases.c.case_id == "C-0").values(stored_at=old)
    blank = update(cases).where(cases.c.case_id == "C-1").values(transcript=BLANK, erased_at=moments.now())
    store.write(lambda connection: [connection.execute(one) for one in (aged, blank)] and None)
    found = month.compare(real(), KIND, _without_streets(), Progress())
    assert found.stored == 1
    assert found.diff
    assert {one.case_id for pair in found.diff.units for one in pair.examples} <= {"C-2"}
    assert set(month._kept) == {"C-2"}


def test_of_many_cases_always_the_same_are_chosen(store: Store, routed: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules_month, "MOST", 2)
    _fill(routed)
    month = LastMonth(store)
    chosen = [tuple(case.case_id for case in month._cases()[1]) for _ in range(2)]
    assert len(chosen[0]) == 2
    assert chosen[0] == chosen[1]
    assert month._cases()[0] == 3


def test_turns_of_a_call_are_read_back(store: Store, routed: Save) -> None:
    turns = [{"speaker": "agent", "text": "您好"}, {"speaker": "citizen", "text": "路灯不亮"}]
    routed("C-1", transcript=turns, address={"street": "金贸街道"})
    ((case,),) = [LastMonth(store)._cases()[1]]
    assert json.loads(case.model_dump_json())["transcript"] == turns
    assert case.address


def test_no_case_no_comparison(store: Store) -> None:
    assert LastMonth(store).compare(real(), KIND, _without_streets(), Progress()).diff is None


def test_it_can_be_given_up(store: Store, routed: Save) -> None:
    _fill(routed)
    with pytest.raises(Stopped):
        LastMonth(store).compare(real(), KIND, _without_streets(), Progress(stopped=True))


def test_triggers_decide_no_unit(store: Store) -> None:
    with pytest.raises(DispatchError) as raised:
        LastMonth(store).compare(real(), RuleKind.TRIGGERS, b"", Progress())
    assert raised.value.kind is ErrorKind.INVALID_RULES
