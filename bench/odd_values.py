"""Values that once broke something, somewhere: texts, numbers, dates, structures, and parts of a URL."""

from typing import Any

from dispatch_model.cases import MAX_TRANSCRIPT_CHARS

TEXTS: tuple[str, ...] = (
    *(
        "",
        " ",
        "\u3000",
        "\x00",
        "路灯\x00不亮",
        "\ud800",
        "路灯\udfff",
        "\u202e路灯\u202c",
        "\ufeff",
        "\u2028",
        "😀" * 50,
    ),
    *(
        "'; DROP TABLE cases; --",
        "{{7*7}}",
        "${jndi:ldap://127.0.0.1/a}",
        "../../etc/passwd",
        "%00",
        "%",
        "NaN",
        "null",
    ),
    *(
        "１３８００００００００",
        "幺三八零零零零零零零零",
        "460100199001011234",
        "éé",
        "İıß",
        "㍿ﷺ",
        "０" * 300,
        "~" * 129,
    ),
    *(
        "x" * MAX_TRANSCRIPT_CHARS,
        "路" * MAX_TRANSCRIPT_CHARS,
        "路" * (MAX_TRANSCRIPT_CHARS + 1),
        "ﷺ" * 5000,
        "1" * MAX_TRANSCRIPT_CHARS,
        "幺" * MAX_TRANSCRIPT_CHARS,
        "a@" * 9000,
    ),
    *(
        "我叫" * 9000,
        "路1号" * 6000,
        "1-" * 9000,
        "e\u0301" * 9000,
        "。" * MAX_TRANSCRIPT_CHARS,
        "（" * MAX_TRANSCRIPT_CHARS,
        "\n" * 5000 + "路灯",
    ),
)
NUMBERS: tuple[float, ...] = (
    0,
    -1,
    1,
    2**31,
    2**63,
    -(2**63) - 1,
    2**64,
    10**400,
    1e308,
    float("nan"),
    float("inf"),
    0.1,
    True,
    False,
)
DATES: tuple[str | int, ...] = (
    *("2025-13-45", "0000-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "1990-01-01", "2100-12-31"),
    *(
        "2025-05-03T24:00:00",
        "2025-05-03T23:10:60+08:00",
        "2025-05-03T23:10:00+99:00",
        "2025",
        "20250503",
        "昨天",
        "-1",
    ),
    *("2025-02-29", "2025年5月", "1746285000", 1746285000, 10**20, "2025-05-03T23:10:00.123456789Z", "1989-12-31"),
)
STRUCTURES: tuple[Any, ...] = (None, [], {}, [[]], [{}], [None], {"": ""}, [1] * 3000, {"a": {"b": {"c": []}}})
NASTY: tuple[Any, ...] = (*TEXTS, *NUMBERS, *DATES, *STRUCTURES)
IDS = ("HK20250503-000123", "HK20250503-000124", "N-1", "N-2", "没有", "a/b", "a/decision", "..", ".", "x" * 129, "😀")
RAW: tuple[bytes, ...] = (
    b"%00",
    b"%ff%fe",
    b"%2f%2e%2e%2f",
    b"%",
    b"%zz",
    b"//",
    b"\xe8\xb7\xaf",
    b"%ed%a0%80",
    b"?",
    b";a=b",
    b"%0d%0a",
)
