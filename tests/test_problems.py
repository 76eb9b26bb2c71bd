from typing import Any

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from serving.web.problems import STATUS, TITLES, problem, read_case


def refused(**fields: Any) -> DispatchError:
    with pytest.raises(DispatchError) as caught:
        read_case({"case_id": "1", "transcript": "路灯不亮", **fields})
    return caught.value


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_kind_of_error_has_a_status_and_a_title(kind: ErrorKind) -> None:
    assert 400 <= STATUS[kind] < 600
    assert TITLES[kind]


def test_a_problem_carries_everything_the_error_says() -> None:
    error = DispatchError(ErrorKind.INVALID_CASE, "错了。", field="city", value="x", details=["还有"])
    assert problem(error) == {
        "type": "urn:hotline-dispatch:invalid_case",
        "title": "工单字段有误",
        "status": 422,
        "detail": "错了。",
        "kind": "invalid_case",
        "message": "错了。",
        "field": "city",
        "value": "x",
        "details": ["还有"],
    }


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"transcript": 3}, "transcript", "transcript 应为字符串"),
        ({"transcript": [{"speaker": "robot", "text": "x"}]}, "transcript.0.speaker", "应为 'agent'、'citizen' 之一"),
        ({"transcript": [{"text": "x"}]}, "transcript.0.speaker", "必填"),
        ({"city": "市" * 65}, "city", "不能长于 64 个字符"),
        ({"address": 3}, "address", "应为 JSON 对象"),
        ({"address": {"streat": "x"}}, "address.streat", "是否想写：street"),
        ({"received_at": "昨天"}, "received_at", "不是日期"),
        ({"recieved_at": "2018-05"}, "recieved_at", "是否想写：received_at"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_allowed(fields: dict[str, Any], field: str, said: str) -> None:
    error = refused(**fields)
    assert error.kind is ErrorKind.INVALID_CASE
    assert error.field == field
    assert said in error.message


def test_further_problems_are_details_and_bounded() -> None:
    error = refused(transcript=3, **{f"column{number}": "" for number in range(100)})
    assert error.field == "transcript"
    assert len(error.details) == 20


def test_a_prefix_says_where_in_the_body() -> None:
    with pytest.raises(DispatchError) as caught:
        read_case(7, "cases.5.")
    assert caught.value.field == "cases.5"
    assert caught.value.message == "工单有误：cases.5 应为 JSON 对象。"
