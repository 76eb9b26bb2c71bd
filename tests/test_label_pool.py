from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.label_task import Candidate
from serving.cases.desk import CaseDesk
from serving.cases_wire import Accept, Override, Return, Review
from serving.engine import Engine
from serving.guard.guard import LOCAL
from serving.learning.label_pool import from_file, from_store
from serving.learning.work_labels import Period
from serving.masking import mask
from serving.routing import Router
from serving.store import erasure
from serving.store.store import Store
from tests.canned import shipped
from tests.test_cases_desk import Counted
from training.leaks import strip_leaks

Routed = Callable[..., None]


@pytest.fixture
def desk(store: Store, ruled: Router) -> Iterator[CaseDesk]:
    engine = Engine(ruled, store, mask)
    yield CaseDesk(engine, store, Counted())
    engine.close()


def pooled(store: Store, period: Period | None = None, most: int = 100) -> dict[str, Candidate]:
    with store.reading() as connection:
        found = list(from_store(connection, shipped()[1], period or Period(), most, strip_leaks))
    return {one.id: one for one in found}


def override(reason: str = "职能不符") -> Override:
    return Override.model_validate({"action": "override", "unit": "460100-交警", "reason_code": reason})


def test_a_candidate_tells_what_people_made_of_it(store: Store, desk: CaseDesk, routed: Routed) -> None:
    for number, said in {"1": "桥头的灯不亮", "2": "桥尾的灯不亮", "3": "河边的灯不亮", "4": "校门口堵车"}.items():
        routed(number, transcript=said)
    desk.decide("1", Accept(action="accept"), LOCAL)
    desk.decide("2", override(), LOCAL)
    desk.decide("3", Accept(action="accept"), LOCAL)
    desk.send_back("3", Return.model_validate({"reason": "职能不符"}), LOCAL)
    desk.review("3", Review.model_validate({"verdict": "upheld"}), LOCAL)
    found = pooled(store)
    assert {name: one.signal for name, one in found.items()} == {
        "1": "accept",
        "2": "override",
        "3": "return",
        "4": None,
    }
    assert {name for name, one in found.items() if one.disputed} == {"2", "3"}
    assert (found["2"].told, found["3"].told, found["3"].refused) == ("交警", "", ("城管",))
    assert found["4"].text == "校门口堵车"


def test_both_sides_of_a_contradiction_are_offered(store: Store, desk: CaseDesk, routed: Routed) -> None:
    for number in "12":
        routed(number, transcript="桥头的灯不亮")
    desk.decide("1", Accept(action="accept"), LOCAL)
    desk.decide("2", override(), LOCAL)
    assert pooled(store).keys() == {"1", "2"}


def test_texts_are_masked_and_without_hand_off(store: Store, routed: Routed) -> None:
    routed("1", transcript="校门口堵车，电话13800001111，请交警核实处理。")
    text = pooled(store)["1"].text
    assert "13800001111" not in text
    assert "交警" not in text
    assert "[电话]" in text


def test_erased_cases_are_not_offered(store: Store, routed: Routed) -> None:
    routed("1")
    routed("2", transcript="校门口堵车")
    store.write(lambda connection: erasure.erase(connection, ["1"], actor="x"))
    assert pooled(store).keys() == {"2"}


def test_only_the_period_and_the_newest_are_offered(store: Store, routed: Routed) -> None:
    for number, said in {"1": "桥头的灯不亮", "2": "校门口堵车"}.items():
        routed(number, transcript=said)
    assert pooled(store, Period(until=date(2000, 1, 1))) == {}
    assert len(pooled(store, most=1)) == 1


def test_a_file_of_cases_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    turns = '[{"speaker": "agent", "text": "您好"}, {"speaker": "citizen", "text": "灯不亮"}]'
    path.write_text(
        f'{{"case_id": "1", "transcript": {turns}}}\n\n'
        '{"case_id": "2", "transcript": "堵车", "received_at": "2026-05-03"}\n',
        encoding="utf-8",
    )
    first, second = from_file(path, shipped()[1], strip_leaks)
    assert (first.id, first.signal, first.date) == ("1", None, "")
    assert "灯不亮" in first.text
    assert (second.text, second.date, second.city) == ("堵车", "2026-05-03", "海口市")


@pytest.mark.parametrize(("line", "told"), [("{", "不是 JSON"), ('{"case_id": "1"}', "transcript")])
def test_a_line_that_is_no_case_is_named(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(DispatchError) as caught:
        list(from_file(path, shipped()[1], strip_leaks))
    assert (caught.value.kind, caught.value.field) == (ErrorKind.INVALID_PARAMETER, "pool")
    assert caught.value.details[0].startswith("第 2 行")
    assert told in caught.value.details[0]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match=r"none\.jsonl"):
        list(from_file(tmp_path / "none.jsonl", shipped()[1], strip_leaks))
