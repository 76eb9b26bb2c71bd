"""Finding categories and places by what one types."""

from dispatch_model.labels import LabelMaps
from serving.console.rules_find import Named, Names, categories, places, readings, spells
from tests.canned import shipped

NAMES = Names(
    [
        Named("01", "占道经营", "街面 / 占道经营"),
        Named("0102", "经营许可", "市场 / 经营许可", ("执照",)),
        Named("02", "长流镇", "秀英区/长流镇"),
    ]
)


def _codes(text: str) -> list[str]:
    return [one.code for one in NAMES.find(text)]


def test_code_before_name_before_path() -> None:
    assert _codes("01") == ["01", "0102"]
    assert _codes("经营") == ["0102", "01"]  # the name that begins so stands first
    assert _codes("街面") == ["01"]
    assert _codes("执照") == ["0102"]


def test_pinyin_in_full_by_initials_and_mixed() -> None:
    assert _codes("zhandaojingying") == _codes("zdjy") == _codes("zhandjy") == _codes("ZHdao") == ["01"]
    assert _codes("jyxk") == ["0102"]


def test_each_reading_of_a_character_is_tried() -> None:
    assert _codes("changliu") == _codes("zhangliu") == ["02"]


def test_every_word_must_fit() -> None:
    assert _codes("秀英 clz") == ["02"]
    assert _codes("秀英 经营") == []


def test_nothing_typed_finds_nothing() -> None:
    assert _codes("") == _codes("   ") == []


def test_what_spells() -> None:
    name = readings("上海")
    assert spells(name, "shh")
    assert spells(name, "shangh")
    assert spells(name, "sh")
    assert not spells(name, "hs")
    assert not spells(name, "shanghaix")


def test_real_categories_and_places(maps: LabelMaps) -> None:
    city = shipped()[1]
    assert categories(maps, leaves=True).find("ltsk")[0].code == "030705"
    assert {one.code for one in categories(maps, leaves=True).find("0307", limit=99)} <= set(maps.leaves)
    assert categories(maps).find("0307")[0].code == "0307"
    assert places(city).find("jinmao")[0].name == "金贸街道"
    assert categories(maps).get("999999") is None
