"""A service with invented cases and operators, for browser tests, screenshots and a look by eye."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

from bench.service import Service
from serving.client import Client
from serving.guard import operators, passwords
from serving.settings import Settings
from serving.store.store import Store

PASSWORD = "demo-password-1"
OPERATORS = (
    ("li", "李明", "operator"),
    ("zhou", "周岚", "operator"),
    ("wang", "王芳", "supervisor"),
    ("admin", "陈工", "admin"),
)
BEIJING = timezone(timedelta(hours=8))
BATCH = 64
_PLACES = (
    ("龙华区", "金贸街道"),
    ("龙华区", "大同街道"),
    ("龙华区", "城西镇"),
    ("美兰区", "海甸街道"),
    ("美兰区", "蓝天街道"),
    ("美兰区", "灵山镇"),
    ("琼山区", "府城街道"),
    ("琼山区", "凤翔街道"),
    ("琼山区", "云龙镇"),
    ("秀英区", "海秀街道"),
    ("秀英区", "长流镇"),
    ("秀英区", "石山镇"),
)
_MATTERS = (
    "{place}的烧烤店夜里十二点还在门口摆桌子，油烟大、吵得人睡不着，请城管来管一管。",
    "{place}路口的红绿灯坏了三天，早高峰全堵在一起，请交警尽快处理。",
    "{place}小区物业半年没修电梯，老人上下楼很困难，请协调物业维修。",
    "我在{place}一家超市买到过期牛奶，老板不肯退钱，要求查处并退款。",
    "{place}一工地凌晨还在打桩，噪音很大，影响孩子休息，希望有关部门制止。",
    "{place}的工地拖欠我们十二个工人两个月工资，老板电话不接，请帮忙讨薪。",
    "请问{place}户籍的孩子今年秋季入学需要哪些材料，在哪里报名？",
    "{place}整条街停水已经一天，没有接到通知，什么时候恢复供水？",
    "{place}公交站台的雨棚掉了一块，下雨天等车没地方躲，建议修一修。",
    "{place}有人在河边倒建筑垃圾，臭味很大，请环保部门查处。",
    "{place}菜市场的鸡鸭现杀现卖，地上污水横流，请加强管理。",
    "{place}人行道上停满了电动车，轮椅过不去，请清理。",
    "{place}路灯连着十几盏不亮，晚上走路很怕，请派人检修。",
    "咨询一下，{place}灵活就业人员怎么补缴养老保险？",
    "{place}一家培训机构突然关门，交的八千元学费退不了，要求查处。",
    "{place}村里的排水沟堵了，一下雨水就漫进屋里，请疏通。",
    "{place}一处楼顶私搭铁皮房，存在安全隐患，请认定是否违建并拆除。",
    "表扬{place}社区工作人员，台风后连夜帮我们清理倒下的树。",
    "{place}的共享单车堆在盲道上，无人清运，请规范停放。",
    "{place}有一家网吧让未成年人上网，请查处。",
    "{place}家里的燃气表读数不对，打客服一直没人来看，请协调。",
    "建议{place}的公园增加健身器材，老人锻炼没有地方。",
    "{place}小区楼下有人聚众打牌赌博，夜里吵闹，请派出所处理。",
    "{place}一户人家养了十几只鸡，天不亮就叫，味道也大，请社区劝导。",
)
_URGENT = (
    "{place}楼下燃气管道被挖断了，一股很重的煤气味，现在大家都在往外跑！",
    "{place}一处围墙塌了，有人被压在下面，请马上派人！",
    "{place}电线杆上的变压器在冒火花，下面就是幼儿园。",
)
_VAGUE = ("喂，听得到吗？", "那个事情你们到底管不管，都说了好几次了。")


def matters(count: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Cases as an intake system would send them; every tenth is a call with two speakers."""
    chance, now = random.Random(seed), datetime.now(BEIJING).replace(microsecond=0)
    for index in range(count):
        district, street = chance.choice(_PLACES)
        place = f"{district}{street}"
        text = chance.choice(_URGENT if index % 41 == 5 else _VAGUE if index % 37 == 9 else _MATTERS)
        said = text.format(place=place)
        yield {
            "case_id": f"{now:%Y%m%d}-{seed:02}-{index:05}",
            "transcript": call(said) if index % 10 == 3 else said,
            "received_at": (now - timedelta(minutes=chance.randrange(6 * 24 * 60))).isoformat(),
            **({"caller": f"caller-{index % 90}"} if index % 3 == 0 else {}),
        }


def call(said: str) -> list[dict[str, str]]:
    """The same matter as a call."""
    return [
        {"speaker": "agent", "text": "您好，12345热线，请问有什么可以帮您？"},
        {"speaker": "citizen", "text": "你好，我要反映一个问题。"},
        {"speaker": "agent", "text": "好的，您请讲。"},
        {"speaker": "citizen", "text": f"{said}我姓王，电话是13800000000。"},
        {"speaker": "agent", "text": "好的，已经为您记录，我们会尽快转给相关单位。"},
    ]


@contextmanager
def world(folder: Path, *, waiting: int, decided: int = 0, port: int | None = None) -> Iterator[Service]:
    """The service with the shipped model, with so many cases waiting and so many decided before.

    :param folder: for its data.
    :param port: None: any that is free.
    """
    told: Mapping[str, object] = {"data_dir": folder, "queue_limit": 64, "rate_limit": 0}
    with Service(told, program="", port=port) as service:
        service.start()
        add_operators(service.settings)
        with Client(f"http://127.0.0.1:{service.port}") as client:
            fill(client, waiting, decided)
        yield service


def add_operators(settings: Settings) -> None:
    """Everybody of OPERATORS, with the one PASSWORD."""
    store = Store.of(settings)
    try:
        for login, name, role in OPERATORS:
            password = passwords.hashed(PASSWORD, login)
            store.write(
                partial(
                    operators.add, login=login, password=password, name=name, role=operators.Role(role), actor="demo"
                )
            )
    finally:
        store.close()


def fill(client: Client, waiting: int, decided: int) -> None:
    """Route invented cases, and decide some as operators do: most accepted, some sent elsewhere, some returned."""
    chance = random.Random(7)
    for case in _routed(client, matters(decided, seed=2)):
        if not case.suggestions:
            continue
        if chance.random() < 0.75 or len(case.suggestions) < 2:
            wish: dict[str, Any] = {"action": "accept", "rank": 1}
        else:
            other = case.suggestions[chance.randrange(1, len(case.suggestions))]
            if not other.unit.code:
                continue
            named = {"unit": other.unit.code, "category": other.category.code}
            wish = {"action": "override", **named, "reason_code": "职能不符"}
            if chance.random() < 0.5:
                wish = {"action": "accept", "rank": other.rank}
        client.decide(case.case_id, {**wish, "operator": chance.choice(OPERATORS)[0]})
        if chance.random() < 0.15:
            client.return_(case.case_id, {"reason": chance.choice(["属地不符", "权属不清", "职能不符"])})
            if chance.random() < 0.7:
                client.review(case.case_id, {"verdict": chance.choice(["upheld", "rejected"])})
    list(_routed(client, matters(waiting, seed=3)))


def _routed(client: Client, cases: Iterator[dict[str, Any]]) -> Iterator[Any]:
    batch = list(cases)
    for start in range(0, len(batch), BATCH):
        for answer in client.route_batch(batch[start : start + BATCH]):
            if isinstance(answer, Exception):
                raise answer
            yield answer
