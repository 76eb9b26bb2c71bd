import pytest

from dispatch_model.pseudonym import canonical, pseudonym

KEY = b"a key for tests, nothing more"


@pytest.mark.parametrize(
    "written",
    [
        "13800138001",
        "138 0013 8001",
        "138-0013-8001",
        "+86 138 0013 8001",
        "008613800138001",
        "8613800138001",
        "(+86)13800138001",
        "１３８００１３８００１",
        "幺三八零零幺三八零零幺",
        "一三八、〇〇一三、八〇〇一",
        "013800138001",
        " 138.0013.8001 ",
    ],
)
def test_a_mobile_is_one_caller_however_it_is_written(written: str) -> None:
    assert canonical(written) == "13800138001"


@pytest.mark.parametrize(
    ("written", "one"),
    [
        ("0898-66221234", "089866221234"),
        ("(0898) 6622 1234", "089866221234"),
        ("+86 898 6622 1234", "089866221234"),
        ("+86 0898 6622 1234", "089866221234"),
        ("66221234", "66221234"),
        ("+1 415 555 0100", "+14155550100"),
        ("Wx_Open-7Fq2", "wx_open-7fq2"),
        ("市民 甲 0017", "市民甲0017"),
        ("400-800-8001", "4008008001"),
    ],
)
def test_other_numbers_and_names_have_one_form(written: str, one: str) -> None:
    assert canonical(written) == one


@pytest.mark.parametrize(
    "written",
    [
        "匿名",
        " 未知 ",
        "Anonymous",
        "N/A",
        "无",
        "-",
        "——",
        "138****8001",
        "0",
        "000000000000",
        "11111111111",
        "12345",
        "",
    ],
)
def test_nobody_in_particular_has_no_pseudonym(written: str) -> None:
    assert canonical(written) is None
    assert pseudonym(written, KEY) is None


def test_a_pseudonym_is_64_digits_that_only_the_key_makes() -> None:
    one = pseudonym("13800138001", KEY)
    assert one is not None
    assert len(bytes.fromhex(one)) == 32
    assert one == pseudonym("+86 138-0013-8001", KEY)
    assert one != pseudonym("13800138001", b"another key")
    assert one != pseudonym("13800138002", KEY)


def test_half_an_emoji_is_no_reason_to_fail() -> None:
    assert pseudonym("\ud83d甲", KEY) is not None
