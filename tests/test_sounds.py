import pytest

from training.sounds import blurred, like, words_like


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("nan", "lan"),
        ("re", "le"),
        ("zhang", "zan"),
        ("chi", "ci"),
        ("shi", "si"),
        ("fu", "hu"),
        ("fei", "hui"),
        ("feng", "hun"),
        ("fang", "huang"),
        ("ming", "min"),
        ("sheng", "sen"),
        ("guang", "guan"),
    ],
)
def test_what_is_mixed_up_is_one_sound(one: str, other: str) -> None:
    assert blurred(one) == blurred(other)


@pytest.mark.parametrize(("one", "other"), [("ma", "na"), ("dao", "tao"), ("gong", "kong"), ("ren", "zhen")])
def test_other_sounds_stay_apart(one: str, other: str) -> None:
    assert blurred(one) != blurred(other)


def test_a_homophone_is_likelier_than_a_near_sound() -> None:
    found = {choice.text: choice.weight for choice in like("是")}
    assert found["事"] > found["四"] > 0
    assert "是" not in found


def test_the_common_one_of_a_sound_is_likelier() -> None:
    found = {choice.text: choice.weight for choice in like("登")}
    assert found["灯"] > found["蹬"]


def test_words_of_a_sound_are_words() -> None:
    assert "投宿" in {choice.text for choice in words_like("投诉")}
    assert "投诉" not in {choice.text for choice in words_like("投诉")}


@pytest.mark.parametrize("other", ["", "A", "7", "，", "囍", "龘"])
def test_what_is_no_common_character_has_no_likeness(other: str) -> None:
    assert not like(other)
    assert not words_like(other + other)
