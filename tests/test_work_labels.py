from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

import pytest

from dispatch_model.cases import CHINA_TIME, Disposition
from dispatch_model.worked_row import WorkedRow
from serving.cases.desk import CaseDesk
from serving.cases_wire import Accept, Merge, Override, Return, Review, Undo
from serving.engine import Engine
from serving.guard.guard import LOCAL
from serving.learning.work_labels import Period, rows
from serving.masking import mask
from serving.routing import Router
from serving.store import erasure
from serving.store.store import Store
from tests.canned import shipped
from tests.test_cases_desk import Counted

ACCEPT = Accept(action="accept", operator="王小明", note="办案心得")
Exported = Callable[..., dict[str, WorkedRow]]


@pytest.fixture
def desk(store: Store, ruled: Router) -> Iterator[CaseDesk]:
    engine = Engine(ruled, store, mask)
    yield CaseDesk(engine, store, Counted())
    engine.close()


@pytest.fixture
def exported(store: Store) -> Exported:
    def read(period: Period | None = None, clean: Callable[[str], str] = str) -> dict[str, WorkedRow]:
        with store.reading() as connection:
            found = list(rows(connection, shipped()[1], period or Period(), clean))
        return {row.provenance.case_id: row for row in found}

    return read


def override(unit: str = "460100-交警", reason: str = "职能不符", **told: Any) -> Override:
    return Override.model_validate({"action": "override", "unit": unit, "reason_code": reason, "note": "看", **told})


def send_back(desk: CaseDesk, case_id: str, verdict: str = "upheld", reason: str = "职能不符", **told: Any) -> None:
    desk.send_back(case_id, Return.model_validate({"reason": reason, **told}), LOCAL)
    desk.review(case_id, Review.model_validate({"verdict": verdict}), LOCAL)


def test_an_accepted_suggestion_is_a_weak_label(
    desk: CaseDesk, routed: Callable[..., None], exported: Exported
) -> None:
    routed("1", transcript="桥头的灯不亮")
    decided = desk.decide("1", ACCEPT, LOCAL)
    row = exported()["1"]
    assert (row.handler_function, row.handler_level, row.category) == ("城管", "区", "030703")
    assert (row.function, row.level, row.refused, row.weight) == (None, None, (), 0.5)
    assert (row.text, row.city, row.date) == ("桥头的灯不亮", "海口市", "2026-05-03")
    assert (row.provenance.signal, row.provenance.decision) == ("accept", decided.id)
    assert row.provenance.rules["bundle"] == "bundle-1"
    assert row.provenance.rules["access_list"] == decided.access_list
    assert row.provenance.at == decided.at.isoformat(timespec="seconds")


def test_who_decided_and_what_they_noted_is_in_no_row(
    desk: CaseDesk, routed: Callable[..., None], exported: Exported
) -> None:
    routed("1")
    desk.decide("1", ACCEPT, LOCAL)
    told = exported()["1"].model_dump_json()
    assert "王小明" not in told
    assert "办案心得" not in told
    assert LOCAL.name not in told


def test_an_override_is_strong_and_says_who_should_when_the_function_was_wrong(
    desk: CaseDesk, routed: Callable[..., None], exported: Exported
) -> None:
    for number, reason in (("1", "职能不符"), ("2", "权属不清")):
        routed(number)
        desk.decide(number, override(reason=reason), LOCAL)
    found = exported()
    assert {row.weight for row in found.values()} == {1.0}
    assert {row.handler_function for row in found.values()} == {"交警"}
    assert [found[number].function for number in "12"] == ["交警", None]
    assert [found[number].provenance.reason for number in "12"] == ["职能不符", "权属不清"]


def test_a_correction_replaces_what_was_decided(
    desk: CaseDesk, routed: Callable[..., None], exported: Exported
) -> None:
    routed("1")
    first = desk.decide("1", ACCEPT, LOCAL)
    desk.decide("1", override(replaces=first.id), LOCAL)
    assert exported()["1"].handler_function == "交警"


def test_an_undone_decision_teaches_nothing(desk: CaseDesk, routed: Callable[..., None], exported: Exported) -> None:
    for number in "12":
        routed(number)
        decided = desk.decide(number, override(), LOCAL)
        desk.undo(number, Undo(action="undo", event="decision", id=decided.id), LOCAL)
    desk.decide("2", ACCEPT, LOCAL)
    found = exported()
    assert set(found) == {"2"}
    assert (found["2"].handler_function, found["2"].weight) == ("城管", 0.5)


def test_a_return_that_waits_teaches_nothing(desk: CaseDesk, routed: Callable[..., None], exported: Exported) -> None:
    routed("1")
    desk.decide("1", ACCEPT, LOCAL)
    desk.send_back("1", Return.model_validate({"reason": "职能不符"}), LOCAL)
    assert exported() == {}


def test_an_upheld_return_says_what_it_is_not(desk: CaseDesk, routed: Callable[..., None], exported: Exported) -> None:
    routed("1")
    desk.decide("1", ACCEPT, LOCAL)
    send_back(desk, "1")
    row = exported()["1"]
    assert (row.handler_function, row.category, row.refused, row.weight) == (None, None, ("城管",), 1.0)
    assert (row.provenance.signal, row.provenance.reason) == ("return", "职能不符")


def test_a_redispatch_says_what_it_is_and_what_it_is_not(
    desk: CaseDesk, routed: Callable[..., None], exported: Exported
) -> None:
    routed("1")
    desk.decide("1", ACCEPT, LOCAL)
    send_back(desk, "1", proposed_unit="460100-交警")
    desk.decide("1", override(reason="权属不清"), LOCAL)
    row = exported()["1"]
    assert (row.handler_function, row.function, row.refused, row.weight) == ("交警", "交警", ("城管",), 1.0)
    assert (row.provenance.signal, row.provenance.proposed) == ("redispatch", True)


def test_a_return_from_the_wrong_place_leaves_the_function(
    desk: CaseDesk, routed: Callable[..., None], exported: Exported
) -> None:
    routed("1")
    desk.decide("1", ACCEPT, LOCAL)
    send_back(desk, "1", reason="属地不符")
    assert exported() == {}
    desk.decide("1", Accept(action="accept", note="再派"), LOCAL)
    row = exported()["1"]
    assert (row.handler_function, row.refused, row.weight) == ("城管", (), 1.0)


def test_a_redispatch_to_the_same_function_refuses_it_not(
    desk: CaseDesk, routed: Callable[..., None], exported: Exported
) -> None:
    routed("1")
    desk.decide("1", ACCEPT, LOCAL)
    send_back(desk, "1", reason="权属不清")
    desk.decide("1", Accept(action="accept", note="再派"), LOCAL)
    assert exported()["1"].refused == ()


def test_a_rejected_return_confirms_the_decision(
    desk: CaseDesk, routed: Callable[..., None], exported: Exported
) -> None:
    routed("1")
    desk.decide("1", ACCEPT, LOCAL)
    send_back(desk, "1", verdict="rejected")
    row = exported()["1"]
    assert (row.provenance.signal, row.weight, row.refused) == ("confirmed", 1.0, ())


def test_what_was_dispatched_automatically_teaches_only_what_was_sent_back(
    desk: CaseDesk, routed: Callable[..., None], exported: Exported
) -> None:
    for number in "12":
        routed(number, answer={"disposition": Disposition.AUTO})
    send_back(desk, "1")
    found = exported()
    assert set(found) == {"1"}
    assert (found["1"].refused, found["1"].provenance.decision) == (("城管",), None)


def test_a_street_office_that_stands_in_is_the_local_government(
    desk: CaseDesk, routed: Callable[..., None], exported: Exported
) -> None:
    routed("1", address={"street": "金贸街道"})
    wish = override("金贸街道办", category="030701", function="城管")
    desk.decide("1", wish, LOCAL)
    row = exported()["1"]
    assert (row.handler_function, row.handler_level) == ("属地政府", "镇街")
    assert (row.function, row.level) == ("城管", "镇街")


def test_a_merged_case_has_the_label_of_the_other(
    desk: CaseDesk, routed: Callable[..., None], exported: Exported
) -> None:
    for number, said in (("1", "灯不亮"), ("2", "灯还是不亮")):
        routed(number, transcript=said)
    desk.merge("2", Merge(action="merge", into="1"), LOCAL)
    assert exported() == {}
    desk.decide("1", override(), LOCAL)
    row = exported()["2"]
    assert (row.text, row.handler_function, row.function, row.weight) == ("灯还是不亮", "交警", None, 0.5)


def test_an_erased_case_is_never_exported(
    desk: CaseDesk, store: Store, routed: Callable[..., None], exported: Exported
) -> None:
    for number in "12":
        routed(number)
        desk.decide(number, ACCEPT, LOCAL)
    store.write(lambda connection: erasure.erase(connection, ["1"], actor="x"))
    assert set(exported()) == {"2"}


def test_texts_are_masked_and_clean(desk: CaseDesk, routed: Callable[..., None], exported: Exported) -> None:
    routed("1", transcript="灯不亮，电话13800001111，请回电")  # the store of this test masks nothing itself
    routed("2", transcript="请交警核实处理")
    for number in "12":
        desk.decide(number, ACCEPT, LOCAL)
    found = exported(clean=lambda text: "" if "核实" in text else text)
    assert set(found) == {"1"}
    assert "13800001111" not in found["1"].text
    assert "[电话]" in found["1"].text


def test_a_call_keeps_its_speakers(desk: CaseDesk, routed: Callable[..., None], exported: Exported) -> None:
    turns = [{"speaker": "agent", "text": "您好请讲"}, {"speaker": "citizen", "text": "灯不亮"}]
    routed("1", transcript=turns)
    desk.decide("1", ACCEPT, LOCAL)
    assert exported()["1"].text == "坐席：您好请讲 市民：灯不亮"


def test_a_period_takes_its_first_day_and_leaves_its_last(
    desk: CaseDesk, routed: Callable[..., None], exported: Exported
) -> None:
    routed("1")
    desk.decide("1", ACCEPT, LOCAL)
    today = datetime.now(CHINA_TIME).date()
    tomorrow = date.fromordinal(today.toordinal() + 1)
    assert set(exported(Period(today, tomorrow))) == {"1"}
    assert exported(Period(None, today)) == exported(Period(tomorrow, None)) == {}


@pytest.mark.parametrize(("said", "named"), [("海口", "海口市"), ("上海市", "上海市"), (None, "海口市")])
def test_the_own_city_has_one_name(
    said: str | None, named: str, desk: CaseDesk, routed: Callable[..., None], exported: Exported
) -> None:
    routed("1", city=said)
    desk.decide("1", ACCEPT, LOCAL)
    assert exported()["1"].city == named
