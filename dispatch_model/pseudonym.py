"""A caller by a name that tells nobody who it is: the same caller always has the same, and only the key can make it.

The number itself is neither stored nor logged. Whoever holds database and key can still ask whether a given number is
there, and must be able to: that is how repeats are found, and how a caller's data are erased.
"""

import hmac
import re
from unicodedata import normalize

# Said one by one on the telephone; 幺 and 洞 are what one and nought are called there.
_SPOKEN = str.maketrans("零〇○洞一幺二两三四五六七八九", "000011223456789")
_BETWEEN_DIGITS = re.compile(r"[\s\-‐-―−().·,，、/]+")
_NUMBER = re.compile(r"\+?\d+")
_COUNTRY = re.compile(r"(?:\+|00)86(?=\d{10,})|86(?=1[3-9]\d{9}$)")
_MOBILE = re.compile(r"1[3-9]\d{9}")
_NOBODY = frozenset(
    (
        *(
            "匿名",
            "未知",
            "不详",
            "不明",
            "无",
            "没有",
            "空",
            "保密",
            "隐藏",
            "隐藏号码",
            "隐私号码",
            "无号码",
            "无主叫",
        ),
        *(
            "未提供",
            "不提供",
            "测试",
            "anonymous",
            "unknown",
            "none",
            "null",
            "nil",
            "private",
            "withheld",
            "restricted",
        ),
        *("unavailable", "na", "n/a", "nan", "test"),
    )
)
_FEWEST_DIGITS = 3


def pseudonym(caller: str, key: bytes) -> str | None:
    """64 hexadecimal digits for a caller; None when nobody in particular is named (匿名, 138****5678).

    :param caller: a telephone number in any usual form, or what the intake system calls the citizen.
    :param key: for this purpose alone.
    """
    name = canonical(caller)
    return None if name is None else hmac.digest(key, name.encode("utf-8", "replace"), "sha256").hex()


def canonical(caller: str) -> str | None:
    """The one form of a number or name, however it was written; None when it could be anybody's.

    Numbers lose separators and the country code of China: 138 1234 5678 is +86-138-1234-5678 and 幺三八…. A landline
    without its area code stays another number than with it.
    """
    text = normalize("NFKC", caller).strip().casefold()
    plain = _BETWEEN_DIGITS.sub("", text)
    number = plain.translate(_SPOKEN)
    if _NUMBER.fullmatch(number):
        return _number(number)
    name = "".join(text.split())
    return None if name in _NOBODY or "*" in name or not any(map(str.isalnum, name)) else name


def _number(number: str) -> str | None:
    """`number` of digits, perhaps after a plus, in its national form; None for a number that is filled in for none."""
    national = _COUNTRY.sub("", number, count=1)
    if national != number and not national.startswith("0") and not _MOBILE.fullmatch(national):
        national = f"0{national}"  # abroad the area code is said without its nought
    digits = national.removeprefix("+")
    if len(digits) < _FEWEST_DIGITS or len(set(digits)) == 1 or digits in ("12345", "123456789", "1234567890"):
        return None
    # An operator's trunk prefix: some switches hand a mobile over as 0138….
    return digits[1:] if _MOBILE.fullmatch(digits[1:]) and digits[0] == "0" else national
