from collections.abc import Callable, Iterator, Sequence

import pytest

from dispatch_model.cases import CategoryRef, Suggestion
from dispatch_model.city import City
from serving.cases.casefile import CaseFile
from serving.cases.desk import CaseDesk
from serving.cases_wire import Accept, Merge, Override, Return, Review, State, Undo
from serving.console.similar import SimilarCase, repeated_cases, similar_cases
from serving.engine import Engine
from serving.guard.guard import LOCAL
from serving.masking import mask
from serving.store import erasure
from serving.store.store import Store
from tests.canned import SUGGESTION, CannedRouter, shipped

Routed = Callable[..., None]
STREET = ("460106003", "460106", "460100")
OVERRIDE = Override.model_validate({"action": "override", "unit": "460100-交警", "reason_code": "职能不符"})


class Untold:
    def decided(self, function: str, action: str) -> None:
        pass

    returned = stepped = decided


@pytest.fixture
def desk(store: Store, ruled: CannedRouter) -> Iterator[CaseDesk]:
    engine = Engine(ruled, store, mask)
    yield CaseDesk(engine, store, Untold())
    engine.close()


@pytest.fixture
def city() -> City:
    return shipped()[1]


def suggested(code: str) -> tuple[Suggestion, ...]:
    return (SUGGESTION.model_copy(update={"category": CategoryRef(code=code, path=())}),)


def save(routed: Routed, case_id: str, text: str, code: str = "030703") -> None:
    routed(case_id, transcript=text, answer={"transcript": text, "suggestions": suggested(code)})


def similar(
    store: Store, city: City, case_id: str, place: Sequence[str] = (), limit: int = 5
) -> tuple[SimilarCase, ...]:
    with store.reading() as connection:
        return similar_cases(connection, city, CaseFile.read(connection, case_id), place, limit=limit)


def test_the_likest_decided_case_of_the_matter_comes_first(
    store: Store, desk: CaseDesk, routed: Routed, city: City
) -> None:
    save(routed, "1", "夜市烧烤摊油烟太大")
    save(routed, "2", "路边水果摊占道经营")
    save(routed, "3", "门口烧烤摊油烟呛人")
    save(routed, "4", "夜市烧烤摊油烟太大", code="090305")  # another matter
    save(routed, "5", "夜市烧烤摊油烟太大")  # not decided
    for case_id in ("2", "3", "4"):
        desk.decide(case_id, Accept(action="accept"), LOCAL)
    found = similar(store, city, "1")
    assert [one.case_id for one in found] == ["3", "2"]
    assert found[0].likeness > found[1].likeness
    assert (found[0].summary, found[0].unit, found[0].code) == ("门口烧烤摊油烟呛人", "龙华区城市管理局", "u1")
    assert (found[0].ending, found[0].state, found[0].returns) == ("采纳第 1 条建议", State.DISPATCHED, 0)
    assert [one.case_id for one in similar(store, city, "1", limit=1)] == ["3"]


def test_how_it_ended_is_told(store: Store, desk: CaseDesk, routed: Routed, city: City) -> None:
    save(routed, "1", "夜市烧烤摊油烟太大")
    save(routed, "2", "夜市烧烤摊油烟很大")
    desk.decide("2", Accept(action="accept"), LOCAL)
    desk.send_back("2", Return.model_validate({"reason": "职能不符"}), LOCAL)
    desk.review("2", Review.model_validate({"verdict": "upheld"}), LOCAL)
    desk.decide("2", OVERRIDE, LOCAL)
    (found,) = similar(store, city, "1")
    assert (found.ending, found.returns, found.function) == ("改派（职能不符），退单 1 次", 1, "交警")


def test_a_decision_that_was_undone_is_no_example(store: Store, desk: CaseDesk, routed: Routed, city: City) -> None:
    save(routed, "1", "夜市烧烤摊油烟太大")
    save(routed, "2", "夜市烧烤摊油烟很大")
    decided = desk.decide("2", Accept(action="accept"), LOCAL)
    desk.undo("2", Undo(action="undo", event="decision", id=decided.id), LOCAL)
    assert similar(store, city, "1") == ()


def test_an_erased_case_is_no_example(store: Store, desk: CaseDesk, routed: Routed, city: City) -> None:
    save(routed, "1", "夜市烧烤摊油烟太大")
    save(routed, "2", "夜市烧烤摊油烟很大")
    desk.decide("2", Accept(action="accept"), LOCAL)
    store.write(lambda connection: erasure.erase(connection, ["2"], actor="local"))
    assert similar(store, city, "1") == ()


def test_the_same_street_goes_before_words_a_little_liker(
    store: Store, desk: CaseDesk, routed: Routed, city: City
) -> None:
    save(routed, "1", "大同街道夜市烧烤摊油烟太大声音也吵")
    save(routed, "2", "夜市烧烤摊油烟太大管不管")
    save(routed, "3", "烧烤摊油烟太大，在大同街道办旁边")
    for case_id in ("2", "3"):
        desk.decide(case_id, Accept(action="accept"), LOCAL)
    place = next((code, *STREET[1:]) for code, region in city.regions.items() if region.name == "大同街道")
    assert [(one.case_id, one.same_street) for one in similar(store, city, "1", place)] == [("3", True), ("2", False)]
    assert not any(one.same_street for one in similar(store, city, "1", place[1:]))  # a district is too wide


def test_a_corrected_case_counts_once_and_as_it_is_now(
    store: Store, desk: CaseDesk, routed: Routed, city: City
) -> None:
    save(routed, "1", "夜市烧烤摊油烟太大")
    save(routed, "2", "夜市烧烤摊油烟很大")
    first = desk.decide("2", Accept(action="accept"), LOCAL)
    desk.decide("2", OVERRIDE.model_copy(update={"replaces": first.id}), LOCAL)
    (found,) = similar(store, city, "1")
    assert found.unit == "海口市公安局交通警察支队"


def test_a_case_without_a_category_has_nothing_like_it(store: Store, routed: Routed, city: City) -> None:
    routed("1", answer={"suggestions": ()})
    assert similar(store, city, "1") == ()


def test_the_index_answers_for_the_newest_of_a_matter(store: Store) -> None:
    query = "SELECT id FROM decisions WHERE '0307' = substr(category, 1, 4) ORDER BY id DESC LIMIT 300"
    with store.reading() as connection:
        if "sqlite" in type(connection.driver).__module__:
            plan = str(connection.run(f"EXPLAIN QUERY PLAN {query}").fetchall())
        else:
            plan = str(connection.run("SELECT indexname FROM pg_indexes WHERE tablename = 'decisions'").fetchall())
    assert "ix_decisions_matter" in plan


def test_what_the_caller_brought_before_is_told_with_where_it_stands(
    store: Store, desk: CaseDesk, routed: Routed
) -> None:
    for case_id in ("1", "2", "3"):
        save(routed, case_id, f"第{case_id}次反映夜市油烟")
    desk.decide("2", OVERRIDE, LOCAL)
    desk.merge("3", Merge(action="merge", into="1"), LOCAL)
    with store.reading() as connection:
        found = repeated_cases(connection, ["1", "2", "gone", "3"])
        few = repeated_cases(connection, ["1", "2"], limit=1)
    told = [(one.case_id, one.state_name, one.unit, one.mergeable) for one in found]
    assert told == [
        ("1", "待决定", "龙华区城市管理局", True),
        ("2", "已派单", "海口市公安局交通警察支队", True),
        ("3", "已并案", "龙华区城市管理局", False),
    ]
    assert found[0].summary == "第1次反映夜市油烟"
    assert [one.case_id for one in few] == ["1"]
