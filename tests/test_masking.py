import pytest

from serving.masking import mask, quote


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("电话１３８７６５４３２１０", "电话[电话]"),  # full width
        ("电话138\u200b7654\u200b3210", "电话[电话]"),  # zero width
        ("聯繫人李蕉，电话如上", "联系人[姓名]，电话如上"),  # traditional
        ("路灯不亮", "路灯不亮"),
    ],
)
def test_what_is_written_oddly_is_masked_all_the_same(text: str, masked: str) -> None:
    assert mask(text) == masked


def test_a_quoted_value_is_masked_before_it_is_cut() -> None:
    assert quote("路" * 75 + "13876543210") == "路" * 75 + "[电话]"
    assert quote({"transcript": "电话13876543210"}) == "{'transcript': '电话[电话]'}"
    assert len(quote("路灯" * 1000)) == 80


@pytest.mark.parametrize(
    "value", [["138\u200b7654\n3210"], r'{"transcript": "138\u200b7654\n3210"', r"1\uff138 7654 3210"]
)
def test_escapes_hide_nothing(value: object) -> None:
    assert "[电话]" in quote(value)


def test_half_a_number_at_the_cut_is_not_shown() -> None:
    assert quote("a" * 5 + " " * 989 + "13876543210") == "…"
