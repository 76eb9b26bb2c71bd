import pytest

from dispatch_model.personal_numbers import find, follows_order_word, is_identity, is_payment_card


def found(text: str) -> list[tuple[str, str]]:
    return [(text[start:end], tag) for start, end, tag in find(text)]


@pytest.mark.parametrize(
    ("digits", "is_one"),
    [
        ("460100199001011234", True),
        ("46010019900101123X", True),
        ("460100900101123", True),
        ("460100199013011234", False),  # no month
        ("460100189901011234", False),  # too long ago
        ("990100199001011234", False),  # no province
    ],
)
def test_an_identity_number_names_a_province_and_a_birth_date(digits: str, is_one: bool) -> None:
    assert is_identity(digits) is is_one


@pytest.mark.parametrize(
    ("digits", "is_one"),
    [
        ("6222021234567890128", True),
        ("6222021234567890129", False),  # check digit
        ("4563123412341234", False),
        ("4111111111111111", True),
        ("9922021234567890123", False),  # no bank's prefix
    ],
)
def test_a_card_has_a_banks_prefix_and_a_check_digit(digits: str, is_one: bool) -> None:
    assert is_payment_card(digits) is is_one


@pytest.mark.parametrize("word", ["订单号", "工单编号是", "快递单号：", "户号", "流水号为 "])
def test_an_order_word_right_before_is_seen(word: str) -> None:
    text = word + "13812345678"
    assert follows_order_word(text, len(word))
    assert found(text) == []


@pytest.mark.parametrize("text", ["快递员13812345678", "身份证号码460100199001011234", "物流公司电话0898-66123456"])
def test_a_person_beside_an_order_word_is_found(text: str) -> None:
    assert len({number for number, _ in found(text)}) == 1


def test_a_word_after_makes_it_an_order() -> None:
    assert found("您说的13812345678这个工单") == []


@pytest.mark.parametrize(
    ("text", "number", "tag"),
    [
        ("护照EA1234567", "EA1234567", "[证件号]"),
        ("学籍号G460100200901011234", "460100200901011234", "[身份证]"),
        ("电话66123456", "66123456", "[电话]"),
        ("+86 138 1234 5678", "+86 138 1234 5678", "[电话]"),
        ("0898—66123456转801", "0898—66123456转801", "[电话]"),
        ("琼A·D12345", "琼A·D12345", "[车牌]"),
        ("zhang12艾特qq点com", "zhang12艾特qq点com", "[邮箱]"),
        ("账号20100123456", "20100123456", "[银行卡]"),
    ],
)
def test_a_number_and_its_tag(text: str, number: str, tag: str) -> None:
    assert (number, tag) in found(text)


@pytest.mark.parametrize("text", ["电话20180115", "缴费账号20100123456", "拨打400-812-3456", "1 3 8 1 2 3 4 5 6 7 8"])
def test_a_date_a_bill_a_hotline_and_a_row_of_digits_stay(text: str) -> None:
    assert found(text) == []
