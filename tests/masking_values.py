"""Invented personal and other numbers for `masking_examples`; every one is random."""

import random
import re
from collections.abc import Callable

_AREAS = ("0898", "010", "021", "020", "0755", "0571", "0731", "0991", "0351")
_PLACES = ("460100", "110105", "310115", "440106", "510107", "430102", "320583", "659001")
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董袁潘蔡蒋余杜叶程苏魏吕丁符邢卓冼云麦吉韦覃"
)
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂英秀兰建国志文海波玉梅春燕晓东雪峰丹琴宇浩子涵梓轩欣怡思远佳琪俊豪"
_FIRST = ("zhang", "li", "wang", "chen", "lin.hai", "sunny", "hk_", "xiao-yu", "a")
_HOSTS = ("qq.com", "163.com", "126.com", "gmail.com", "sina.cn", "outlook.com", "hainan.net", "vip.163.com")
_SAID = "零幺二三四五六七八九"


def _digits(chosen: random.Random, count: int) -> str:
    return "".join(chosen.choices("0123456789", k=count))


def _mobile(chosen: random.Random) -> str:
    head = chosen.choice(("13", "15", "17", "18", "19")) + _digits(chosen, 1)
    middle, tail = _digits(chosen, 4), _digits(chosen, 4)
    style = chosen.choice(("{}{}{}",) * 4 + ("{}-{}-{}", "{} {} {}", "+86{}{}{}", "86-{}{}{}", "+86 {} {} {}"))
    return style.format(head, middle, tail)


def _landline(chosen: random.Random) -> str:
    area, local = chosen.choice(_AREAS), _local(chosen)
    style = chosen.choice(("{}-{}",) * 3 + ("{}{}", "({}){}", "{} {}", "{}-{}转801", "{}—{}"))
    return style.format(area, local)


def _local(chosen: random.Random) -> str:
    return chosen.choice("2345678") + _digits(chosen, chosen.choice((6, 7)))


def _say(chosen: random.Random, digits: str, *groups: int) -> str:
    """`digits` as spoken; one apart from the next only by what the recogniser puts between groups."""
    said = "".join(_SAID[int(digit)] if digit.isdigit() else digit for digit in digits)
    if chosen.random() < 0.2:
        said = said.replace("幺", "一")
    gap = chosen.choice(("", "", "", " ", "，", "、"))
    pieces = []
    for size in groups:
        pieces.append(said[:size])
        said = said[size:]
    return gap.join(pieces)


def _identity(chosen: random.Random) -> str:
    body = chosen.choice(_PLACES) + f"{chosen.randint(1935, 2020)}{chosen.randint(1, 12):02}{chosen.randint(1, 28):02}"
    body += _digits(chosen, 3)
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(weight * int(digit) for weight, digit in zip(weights, body, strict=True))
    check = "10X98765432"[total % 11]
    return chosen.choice((body + check,) * 4 + (f"{body[:6]} {body[6:14]} {body[14:]}{check}", body + check.lower()))


def _old_identity(chosen: random.Random) -> str:
    return f"{chosen.choice(_PLACES)}{chosen.randint(35, 85)}0{chosen.randint(1, 9)}15{_digits(chosen, 3)}"


def _card(chosen: random.Random) -> str:
    body = chosen.choice(("6222", "6217", "6228", "6230", "4563", "5187")) + _digits(chosen, 4)
    body += _digits(chosen, 7 if body[0] in "45" else chosen.choice((7, 10)))
    double = [int(digit) * 2 for digit in body[::-2]]
    total = sum(int(digit) for digit in body[-2::-2]) + sum(two - 9 if two > 9 else two for two in double)
    number = body + str(-total % 10)
    gap = chosen.choice(("", "", " ", "-"))
    return gap.join(number[at : at + 4] for at in range(0, len(number), 4))


def _plate(chosen: random.Random) -> str:
    head = chosen.choice("琼琼琼粤京沪浙川桂鄂") + chosen.choice("ABCDEF")
    tail = chosen.choice(("12345", "A1234", "9K328", "88G66", "D12345", "F06688", "1234学", "0123警"))
    tail = "".join(_digits(chosen, 1) if sign.isdigit() else sign for sign in tail)
    return head + chosen.choice(("", "", "", "·", " ", "-")) + tail


def _email(chosen: random.Random) -> str:
    return chosen.choice(_FIRST) + _digits(chosen, chosen.choice((0, 3, 6))).strip() + "x@" + chosen.choice(_HOSTS)


def _name(chosen: random.Random) -> str:
    if chosen.random() < 0.05:
        return chosen.choice(("欧阳", "司徒", "诸葛")) + chosen.choice(_GIVEN)
    return chosen.choice(_SURNAMES) + "".join(chosen.choices(_GIVEN, k=chosen.choice((1, 2, 2, 2))))


def _road(chosen: random.Random) -> str:
    road = chosen.choice(("海秀中路", "龙昆南路", "长滨四路", "和平大道", "南沙路", "金垦路", "板桥横街", "青年路"))
    return road + chosen.choice(
        ("", f"{chosen.randint(1, 499)}号", f"{chosen.randint(1, 99)}-{chosen.randint(1, 9)}号")
    )


def _date(chosen: random.Random) -> str:
    year, month, day = chosen.randint(1960, 2025), chosen.randint(1, 12), chosen.randint(1, 28)
    return chosen.choice((f"{year}年{month}月{day}日", f"{year}-{month:02}-{day:02}", f"{year}{month:02}{day:02}",
                          f"{month}月{day}号", f"{year}.{month}.{day}", f"{year}/{month}/{day}"))  # fmt: skip


def _order(chosen: random.Random) -> str:
    day = f"20{chosen.randint(17, 25)}{chosen.randint(1, 12):02}{chosen.randint(1, 28):02}"
    return chosen.choice((day + _digits(chosen, 6), day + _digits(chosen, 10), "SF1" + _digits(chosen, 12),
                          "1" + _digits(chosen, 10), _digits(chosen, 12), "HK" + day + _digits(chosen, 4)))  # fmt: skip


def _time(chosen: random.Random) -> str:
    hour, minute = chosen.randint(0, 23), chosen.randint(0, 59)
    return chosen.choice((f"{hour}:{minute:02}", f"{hour}点{minute}分", f"{hour}点半", f"{hour:02}:{minute:02}:30"))


def _money(chosen: random.Random) -> str:
    amount = chosen.choice(
        (_digits(chosen, 3), _digits(chosen, 5), f"{_digits(chosen, 7)}.5", f"1{_digits(chosen, 10)}")
    )
    return "1" + amount + chosen.choice(("元", "块钱", "元整", "万元"))


def _pick(*patterns: str) -> Callable[[random.Random], str]:
    """One of the patterns, each `#` in it a digit."""
    return lambda chosen: "".join(_digits(chosen, 1) if sign == "#" else sign for sign in chosen.choice(patterns))


PERSONAL: dict[str, Callable[[random.Random], str]] = {
    "mobile": _mobile,
    "landline": _landline,
    "local": _local,
    "spoken": lambda chosen: _say(chosen, "1" + chosen.choice("35789") + _digits(chosen, 9), 3, 4, 4),
    "spoken_id": lambda chosen: _say(chosen, re.sub(r"\W", "", _identity(chosen)), 6, 8, 4),
    "spoken_landline": lambda chosen: _say(chosen, "0898" + chosen.choice("2356") + _digits(chosen, 7), 4, 8),
    "id": _identity,
    "id15": _old_identity,
    "card": _card,
    "account": _pick("20100######", "4600####1######", "1010##########", "2201 0### #### ####"),
    "plate": _plate,
    "email": _email,
    "email_spoken": _pick("zhang##艾特qq点com", "###### at 163 点 com", "lin##@qq点com", "wang_### AT 126.com"),
    "name": _name,
    "passport": _pick("E########", "G########", "EA#######", "EJ#######"),
    "permit": _pick("C########", "CA#######", "H########", "H##########", "W########"),
    "taiwan": _pick("0#######", "T########"),
    "social": _pick("A########", "D####90##", "460100######"),
    "wechat": _pick("abc_20##x", "lin##hai", "wxid_a#b#c#d#", "Sunny-####"),
    "qq": _pick("2########", "8#######", "15########"),
}
DRAW: dict[str, Callable[[random.Random], str]] = {
    **PERSONAL,
    "room": lambda chosen: f"{chosen.randint(1, 33)}0{chosen.randint(1, 9)}",
    "floor": lambda chosen: str(chosen.randint(1, 33)),
    "n": lambda chosen: str(chosen.randint(1, 9)),
    "order": _order,
    "order4": _pick("2###", "8###"),
    "order8": _pick("2#######", "1#######"),
    "date": _date,
    "datetime": lambda chosen: f"{_date(chosen)} {_time(chosen)}",
    "time": _time,
    "money": _money,
    "road": _road,
    "bus": _pick("#路", "2#路", "1##路", "K#路", "游#路", "#号线", "旅游专线2#路", "夜##路"),
    "train": _pick("D7###次", "G###次列车", "K1###次", "C7###次动车"),
    "flight": _pick("HU7###", "CZ6###", "MU5###航班", "JD5###"),
    "count": lambda chosen: str(chosen.choice((chosen.randint(2, 99), chosen.randint(100, 5000)))),
    "document": _pick("琼府办〔2018〕#号", "国发[2021]1#号", "海府规〔20##〕1号文件", "人社部发(2019)##号"),
    "standard": _pick("GB 50352-20##", "GB/T 2####-2010", "JGJ 1##-2011", "DB46/T 1##-2021"),
    "credit": _pick("91460100MA5T####X#", "92460000MA5R#Y##3L", "1246010042####12XU"),
    "licence": _pick("JY1460100#######", "460100########", "(2019)第1####号", "SC10646010######"),
    "model": _pick("KFR-35GW/N8A#", "iPhone1# Pro", "BCD-2##WTPZM", "ML-1###K", "奥迪A6L", "X5-2#0", "A10-1###"),
    "version": _pick("V8.0.##", "3.2.1##", "1.10.15##", "10.0.1####"),
}
