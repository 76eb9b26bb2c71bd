import time

import pytest

from dispatch_model.city import City
from serving.cases.overrides import units
from serving.console.unit_search import UnitSearch, unit_search
from tests.canned import shipped


@pytest.fixture(scope="module")
def city() -> City:
    return shipped()[1]


@pytest.fixture(scope="module")
def search(city: City) -> UnitSearch:
    return unit_search(city)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("lhcg", "460106-城管"),
        ("LHCG", "460106-城管"),
        ("longhuacg", "460106-城管"),
        ("long hua cheng guan", "460106-城管"),
        ("龙华cg", "460106-城管"),
        ("龙华城管", "460106-城管"),
        ("龙华区城市管理", "460106-城管"),
        ("ｌｈｃｇ", "460106-城管"),
        ("460106-城管", "460106-城管"),
        ("hksgaj", "460100-公安"),
        ("海口市公安局", "460100-公安"),
        ("jiaojingzhidui", "460100-交警"),
    ],
)
def test_a_unit_is_found_by_what_is_typed(search: UnitSearch, typed: str, code: str) -> None:
    assert search.find(typed)[0].code == code


def test_another_reading_of_a_character_is_tried(search: UnitSearch) -> None:
    """长 is read chang here, and zhang as pypinyin has it first."""
    for typed in ("changliu", "zhangliu"):
        assert any("长流" in unit.name for unit in search.find(typed)[:3])


def test_what_fits_in_one_piece_goes_before_what_has_gaps(search: UnitSearch) -> None:
    shown = [unit.by or unit.name for unit in search.find("交警")]
    pieces = ["交警" in name for name in shown]
    assert pieces == sorted(pieces, reverse=True)
    assert pieces[0]


def test_an_alias_or_former_name_is_told(search: UnitSearch) -> None:
    (found, *_) = search.find("港务公安局")
    assert (found.name, found.by) == ("海口市公安局港航公安分局", "港务公安局")
    assert search.find("海口市公安局港航公安分局")[0].by == ""


def test_the_committees_of_communities_are_found(search: UnitSearch) -> None:
    (found, *_) = search.find("xiuhuashequ")
    assert (found.name, found.level, found.region) == ("秀华社区居民委员会", "村居", "海口市/秀英区/秀英街道/秀华社区")


@pytest.mark.parametrize("typed", ["", "  ", "'", "火星", "iiii", "<script>", "\u202e"])
def test_what_fits_nothing_finds_nothing(search: UnitSearch, typed: str) -> None:
    assert search.find(typed) == ()


def test_each_unit_is_named_once_and_no_more_than_asked_for(search: UnitSearch) -> None:
    found = search.find("s", limit=20)
    assert len({unit.code for unit in found}) == len(found) == 20
    assert len(search.find("s", limit=3)) == 3


def test_every_unit_is_found_by_its_name(search: UnitSearch, city: City) -> None:
    names = [name for name, found in units(city).items() if len(found) == 1 and name == found[0].name][::9]
    assert [name for name in names if search.find(name, limit=1)[0].name != name] == []


def test_a_search_is_quick_whatever_is_typed(search: UnitSearch) -> None:
    for typed in ("s", "jj", "haikoushi", "shi" * 20, "a" * 1000, "海口市" * 9):
        best = min(_seconds(search, typed) for _ in range(3))
        assert best < 0.1, typed


def _seconds(search: UnitSearch, typed: str) -> float:
    began = time.perf_counter()
    search.find(typed)
    return time.perf_counter() - began
