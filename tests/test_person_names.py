import pytest

from dispatch_model.person_names import find


def found(text: str) -> set[str]:
    return {text[start:end] for start, end in find(text)}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("我叫王小蕉我家楼上漏水", "王小蕉"),
        ("我叫叶蕉芳三组的村民", "叶蕉芳"),
        ("我的名字叫阿依古丽·买买提，", "阿依古丽·买买提"),
        ("我是欧阳蕉，", "欧阳蕉"),
        ("这边是黄蕉海，想查进度", "黄蕉海"),
        ("我姓陈，陈蕉国", "陈蕉国"),
        ("我老公叫叶蕉，在厂里受了工伤", "叶蕉"),
        ("我父亲余蕉德的名字", "余蕉德"),
        ("包工头叫李蕉宇欠我们工资", "李蕉宇"),
        ("报警人：卓蕉，", "卓蕉"),
        ("社区工作人员孙蕉，态度不好", "孙蕉"),
        ("请找王国蕉先生核实", "王国蕉"),
        ("，邢蕉静，女，四十岁", "邢蕉静"),
    ],
)
def test_an_announced_name_is_found(text: str, name: str) -> None:
    assert found(text) == {name}


@pytest.mark.parametrize(
    "text",
    [
        "我叫房东来修",
        "我叫马上处理",
        "我叫车走了",
        "我是方圆路，",
        "我是房主，",
        "村民殷切希望",
        "老百姓方方面面的事",
        "司机付钱，",
        "老师家属房领取",
        "小区叫万福新城",
        "市民再次来电",
        "王先生反映",
    ],
)
def test_a_word_or_a_place_is_no_name(text: str) -> None:
    assert found(text) == set()


def test_several_names_after_one_cue() -> None:
    assert found("申请人：张蕉、李小蕉") == {"张蕉、李小蕉"}
