import pytest

from serving.console.likeness import likeness


def test_what_says_the_same_is_like_and_what_shares_nothing_is_not() -> None:
    scores = likeness("路灯不亮三天了", ["路灯不亮三天了", "路灯不亮很久", "学校门口堵车"])
    assert scores[0] == pytest.approx(1.0)
    assert scores[0] > scores[1] > 0.2
    assert scores[2] == 0.0


def test_stock_phrases_count_less_than_the_matter() -> None:
    phrase = "您好请问有什么可以帮您"
    others = [*(f"{phrase}{matter}" for matter in ("学校收费", "公交改线", "停水停电") * 9), "楼顶漏水没人管"]
    scores = likeness(f"{phrase}楼顶漏水", others)
    assert max(scores) == scores[-1]


def test_only_chinese_counts_and_texts_do_not_run_into_each_other() -> None:
    assert likeness('"speaker"', ['"speaker"', ""]) == [0.0, 0.0]
    assert likeness("灯亮", ["路灯", "亮了"]) == [0.0, 0.0]
    assert likeness("灯亮", ["路灯\n亮了"]) == [0.0]
    assert likeness("路灯", []) == []


def test_half_an_emoji_does_no_harm() -> None:
    assert likeness("路灯\ud83d不亮", ["路灯不亮\udc00"])[0] > 0.3
