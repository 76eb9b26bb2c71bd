from training.contradictions import contradictions


def test_the_minority_of_a_text_is_doubted_and_the_majority_not() -> None:
    texts = ["路灯坏了。", "路灯坏了", "1 路灯坏了！", "井盖丢了"]
    (found,) = contradictions(texts, ["市政环卫", "城管", "市政环卫", "城管"])
    assert (found.row, found.proposed, found.others) == (1, "市政环卫", (0, 2))
    assert found.share == 2 / 3


def test_of_two_that_contradict_each_other_both_are_doubted() -> None:
    found = contradictions(["路灯坏了", "路灯坏了"], ["城管", "市政环卫"])
    assert [(one.row, one.proposed, one.share) for one in found] == [(0, "市政环卫", 0.5), (1, "城管", 0.5)]


def test_repeats_that_agree_or_bear_no_label_doubt_nothing() -> None:
    assert contradictions(["路灯坏了", "路灯坏了", "路灯坏了"], ["城管", None, "城管"]) == []
