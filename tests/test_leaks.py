"""All sentences here are invented."""

import time

import pytest

from training.leaks import strip_leaks

# what was said, and what the agent wrote after deciding
WRITTEN = (
    ("银杏里后门的路灯坏了三盏", "，请路灯所核实处理。"),
    ("校门口每天早上堵成一团", "，请交警核实处理！"),
    ("河边有人夜里烧塑料，味道很冲", "。请生态环境局核实处理，谢谢！"),
    ("楼下烧烤摊占了盲道", "，请城管核实处理（请职能局按规定在30分钟内联系市民，响应处置）"),
    ("电梯困人两回了", "。请市场监管局调查处理并回复市民。"),
    ("包工头不给工钱", "，请人社局核实处理！谢谢！（请职能局按规定在30分钟内核实处理，响应处置）"),
    ("小区停水一整天", "（30分钟办件）"),
    ("车把消防通道堵死了", "（30分紧急办件）"),
    ("井盖翘起来了", "，请龙华区政府核实处理，请职能局在三十分钟内联系市民，响应处置"),
    ("银杏里的树倒了压住车", "。已转园林局处理。"),
    ("医院多收了检查费", "，已转交卫健委核实。"),
    ("楼上漏水没人管", "。现已转派住建局。"),
    ("宠物狗咬了孩子", "。此件转公安局办理。"),
    ("公交车过站不停", "，该工单转交交通局处理"),
    ("工地半夜打桩", "（已转城管部门）"),
    ("商家拒绝退货", "【已派市场监管局】"),
    ("村口的桥栏杆断了", "。拟转交通运输局办理。"),
    ("路边配电箱门敞着", "，派单至供电局。"),
    ("门口堆了建筑垃圾", "。建议转城管局处理。"),
    ("树荫里的变压器一直响", "，望供电部门尽快核实处理"),
    ("菜场缺斤少两", "，望市场监管部门核实并回复市民"),
    ("网吧放未成年人进去", "，请文旅局、公安局联合执法处理。"),
    ("水管爆了", "。请水务集团立即派人抢修。"),
    ("地铁口的扶梯停了一周", "，烦请轨道公司尽快处理并反馈。"),
    ("有车堵住车库出口", "，请交警联系车主移车。"),
    ("小诊所没挂执照", "。请龙华区卫健委依法查处，处理情况请回复市民。"),
    ("沙滩上有人私自收费", "，请旅游委核实处理，谢谢"),
    ("银行乱收手续费", "。请金融办按职责跟进处理。"),
    ("幼儿园中途涨价", "，请教育局予以答复。"),
    ("房本办了半年没下来", "，特请不动产登记中心核实处理。"),
    ("下水道返臭", "。承办单位：市政所"),
    ("桥头的广告牌摇晃", "。主办单位：城管局，协办单位：街道办"),
    ("小区围墙要倒", "，请金贸街道核实处理"),
    ("渔船占了码头", "。请港务公司核实处理。（已上传照片）"),
    ("学校补课收费", "，请教育局在3个工作日内办结并回复市民。"),
    ("老人摔倒在公厕门口", "，请环卫部门及时清理。"),
    ("有人上门推销假药", "，请职能局核实处理，请职能局按规定在30分钟内响应处置。"),
    ("快递丢了没人赔", "，请邮政管理局核实处理！请职能局按规定在30分钟内核实处理。"),
)

# what the citizen said, as agents note it down; it stays to the letter
SAID = (
    "希望城管来管一管楼下的烧烤摊",
    "希望相关部门尽快处理",
    "请有关部门核实处理。",
    "请领导重视，谢谢！",
    "恳请教育局的领导到学校看一看，孩子没有操场",
    "请问户口迁移在哪里办理？",
    "请问交警罚款可以网上交吗",
    "上次反映后已转交警处理，到现在没有人联系我",
    "物业说已转给住建局，住建局又说没有收到",
    "孩子的学籍已转到橡树湾小学，想问学费怎么退",
    "车在桥头左转至南门街时被拍了照",
    "医生建议转上级医院治疗，想问医保怎么报",
    "想咨询养老金转移到外省要什么材料",
    "其多次拨打城管电话无人接听",
    "交警来了看一眼就走了，问题没有解决",
    "对城管局的处理结果不满意，要求重新处理",
    "市民反映派出所一直不给开证明",
    "店铺已转让，卡里的钱退不回来",
    "工作单位不给交公积金，公积金中心说要自己去投诉",
    "想请社区帮忙调解邻居漏水",
    "要求公交公司增加早班车",
    "希望水务局公布停水时间，请提前通知",
    "街道办让我找住建局，住建局让我找街道办",
    "市民要求电话回复",
    "快递单号查不到，客服说已派送",
    "外卖平台一直派单给没有证的骑手",
    "请尽快处理",
    "请马上派人来，有人被困在电梯里",
    "举报该公司在30分钟内连续播放高音喇叭",
    "这个路口的红灯要等3分钟，希望改短",
    "想问30个工作日内没有答复怎么办",
    "退休人员反映医保局窗口排队两小时",
)


@pytest.mark.parametrize(("said", "written"), WRITTEN)
def test_what_was_written_after_deciding_goes(said: str, written: str) -> None:
    assert strip_leaks(said + written).rstrip("。") == said


@pytest.mark.parametrize("said", SAID)
def test_what_was_said_stays(said: str) -> None:
    assert strip_leaks(said) == said
    assert strip_leaks(f"{said}。请交警核实处理。").rstrip("。") == said.rstrip("。")


@pytest.mark.parametrize(
    ("noted", "left"),
    [
        ("工单号：202605030017，路灯不亮", "路灯不亮"),
        ("（工单编号[工单号]）路灯不亮", "路灯不亮"),
        ("路灯不亮（受理编号HK20260503001）", "路灯不亮"),
        ("（[工单号]）路灯不亮", "路灯不亮"),
    ],
)
def test_order_numbers_go(noted: str, left: str) -> None:
    assert strip_leaks(noted) == left


def test_each_entry_of_a_note_loses_its_own() -> None:
    noted = "市民来电反映：路灯不亮，请路灯所核实处理。市民再次来电反映：还是没有亮，请路灯所核实处理，谢谢！"
    assert strip_leaks(noted) == "市民来电反映：路灯不亮\n市民再次来电反映：还是没有亮"


def test_in_a_call_only_the_agent_hands_on() -> None:
    call = (
        "坐席：您好请讲。市民：桥头堵了一早上，请交警来处理一下。坐席：好的，我帮您转给交警部门处理，请保持电话畅通。"
        "市民：谢谢。"
    )
    left = strip_leaks(call)
    assert "请交警来处理一下" in left
    assert "转给交警" not in left
    assert "请保持电话畅通" in left


def test_nothing_but_a_handoff_leaves_nothing() -> None:
    assert strip_leaks("请交警核实处理！（请职能局按规定在30分钟内联系市民，响应处置）") == ""


@pytest.mark.parametrize("text", [said + written for said, written in WRITTEN[:12]])
def test_a_second_time_changes_nothing(text: str) -> None:
    once = strip_leaks(text)
    assert strip_leaks(once) == once


@pytest.mark.parametrize(
    "text", ["请交警" + "核实处理" * 700, "已转" * 1500, "请" + "相关部门和" * 600, "请城管部门" + "及时予以，" * 500]
)
def test_no_text_takes_long(text: str) -> None:
    started = time.perf_counter()
    strip_leaks(text)
    assert time.perf_counter() - started < 1.0


def test_there_are_sixty_sentences() -> None:
    assert len(WRITTEN) + len(SAID) >= 60
