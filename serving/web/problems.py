"""From what went wrong to what the caller reads: one status table, problem+json, Chinese sentences."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dispatch_model.cases import Address, Case, Turn
from dispatch_model.errors import DispatchError, ErrorKind, near, shorten
from serving.masking import quote

MEDIA_TYPE = "application/problem+json"
STATUS: dict[ErrorKind, int] = {
    ErrorKind.INVALID_BODY: 400,
    ErrorKind.INVALID_CASE: 422,
    ErrorKind.TRANSCRIPT_EMPTY: 422,
    ErrorKind.TRANSCRIPT_TOO_LONG: 422,
    ErrorKind.BATCH_TOO_LARGE: 413,
    ErrorKind.CASE_CONFLICT: 409,
    ErrorKind.INVALID_DECISION: 422,
    ErrorKind.CASE_STATE: 409,
    ErrorKind.CASE_TAKEN: 409,
    ErrorKind.NOT_ADMITTED: 422,
    ErrorKind.INVALID_PARAMETER: 422,
    ErrorKind.INVALID_RULES: 422,
    ErrorKind.UPLOAD_TOO_LARGE: 413,
    ErrorKind.RULES_CONFLICT: 409,
    ErrorKind.BUNDLE_CONFLICT: 409,
    ErrorKind.UNAUTHORIZED: 401,
    ErrorKind.FORBIDDEN: 403,
    ErrorKind.BODY_TOO_LARGE: 413,
    ErrorKind.URL_TOO_LONG: 414,
    ErrorKind.HEADERS_TOO_LARGE: 431,
    ErrorKind.RATE_LIMITED: 429,
    ErrorKind.INVALID_LABEL_MAP: 500,
    ErrorKind.INVALID_CONFIG: 500,
    ErrorKind.INVALID_BUNDLE: 422,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.METHOD_NOT_ALLOWED: 405,
    ErrorKind.STORE_UNAVAILABLE: 503,
    ErrorKind.OVERLOADED: 429,
    ErrorKind.DEADLINE_EXCEEDED: 504,
    ErrorKind.NOT_READY: 503,
    ErrorKind.MISSING_EXTRA: 500,
    ErrorKind.INTERNAL: 500,
}
TITLES: dict[ErrorKind, str] = {
    ErrorKind.INVALID_BODY: "请求体无法读取",
    ErrorKind.INVALID_CASE: "工单字段有误",
    ErrorKind.TRANSCRIPT_EMPTY: "转写为空",
    ErrorKind.TRANSCRIPT_TOO_LONG: "转写过长",
    ErrorKind.BATCH_TOO_LARGE: "批量过大",
    ErrorKind.CASE_CONFLICT: "工单号重复而内容不同",
    ErrorKind.INVALID_DECISION: "决定或退单有误",
    ErrorKind.CASE_STATE: "工单状态不符",
    ErrorKind.CASE_TAKEN: "工单正由他人办理",
    ErrorKind.NOT_ADMITTED: "准入清单不许可",
    ErrorKind.INVALID_PARAMETER: "查询参数有误",
    ErrorKind.INVALID_RULES: "规则表有误",
    ErrorKind.UPLOAD_TOO_LARGE: "上传文件过大",
    ErrorKind.RULES_CONFLICT: "规则表已变更",
    ErrorKind.BUNDLE_CONFLICT: "模型包已变更",
    ErrorKind.UNAUTHORIZED: "未通过身份验证",
    ErrorKind.FORBIDDEN: "不允许",
    ErrorKind.BODY_TOO_LARGE: "请求体过大",
    ErrorKind.URL_TOO_LONG: "网址过长",
    ErrorKind.HEADERS_TOO_LARGE: "请求头过大",
    ErrorKind.RATE_LIMITED: "请求过于频繁",
    ErrorKind.INVALID_LABEL_MAP: "标签表有误",
    ErrorKind.INVALID_CONFIG: "配置有误",
    ErrorKind.INVALID_BUNDLE: "模型包有误",
    ErrorKind.NOT_FOUND: "没有找到",
    ErrorKind.METHOD_NOT_ALLOWED: "该路径不支持这个方法",
    ErrorKind.STORE_UNAVAILABLE: "存储不可用",
    ErrorKind.OVERLOADED: "服务繁忙",
    ErrorKind.DEADLINE_EXCEEDED: "超过时限",
    ErrorKind.NOT_READY: "服务未就绪",
    ErrorKind.MISSING_EXTRA: "缺少可选安装",
    ErrorKind.INTERNAL: "内部错误",
}
_SENTENCES = {
    "missing": "必填，不能缺少",
    "extra_forbidden": "不是可用的字段",
    "string_type": "应为字符串",
    "string_unicode": "应为有效的 Unicode 字符串",
    "string_too_short": "不能短于 {min_length} 个字符",
    "too_short": "不能短于 {min_length} 个字符",
    "string_too_long": "不能长于 {max_length} 个字符",
    "literal_error": "应为 {expected} 之一",
    "model_type": "应为 JSON 对象",
    "model_attributes_type": "应为 JSON 对象",
    "list_type": "应为数组",
    "tuple_type": "应为数组",
    "bool_type": "应为 true 或 false",
    "bool_parsing": "应为 true 或 false",
    "date_from_datetime_parsing": "应为日期，如 2026-05-01",
    "date_parsing": "应为日期，如 2026-05-01",
    "datetime_from_date_parsing": "应为时刻，如 2026-05-01T09:30:00+08:00",
    "datetime_parsing": "应为时刻，如 2026-05-01T09:30:00+08:00",
    "datetime_type": "应为时刻，如 2026-05-01T09:30:00+08:00",
    "enum": "应为 {expected} 之一",
    "int_type": "应为整数",
    "int_parsing": "应为整数",
    "float_parsing": "应为数字",
    "greater_than": "应大于 {gt}",
    "greater_than_equal": "不能小于 {ge}",
    "less_than_equal": "不能大于 {le}",
    "path_type": "应为路径",
    "union_tag_not_found": "缺少 {discriminator}",
    "union_tag_invalid": "的 {discriminator} 应为 {expected_tags} 之一",
    "value_error": "{error}",
}
# The union branch a pydantic location names; callers know only the field.
_BRANCHES = frozenset({"text", "turns"})
_MOST_DETAILS = 20


class Problem(BaseModel):
    """错误应答（RFC 9457 problem+json），所有 4xx 与 5xx 同一形状."""

    type: str
    title: str
    status: int
    detail: str
    kind: ErrorKind
    message: str
    field: str | None = None
    value: str | None = None
    details: list[str] = []


def problem(error: DispatchError) -> dict[str, Any]:
    """`error` as the members of an RFC 9457 problem; `detail` and `message` are the same sentence."""
    return {
        "type": f"urn:hotline-dispatch:{error.kind.value}",
        "title": TITLES[error.kind],
        "status": STATUS[error.kind],
        "detail": error.message,
        **error.as_dict(),
    }


def describe(item: ErrorDetails) -> str:
    """What is wrong with one value, in Chinese; pydantic's own words for what is rare."""
    sentence, context = _SENTENCES.get(item["type"]), dict(item.get("ctx", {}))
    if "expected" in context:
        context["expected"] = str(context["expected"]).replace(" or ", "、").replace("', '", "'、'")
    return sentence.format(**context) if sentence else item["msg"]


def invalid_body(items: Sequence[ErrorDetails]) -> DispatchError | None:
    """The error for a request whose body as a whole is not what was asked for; None when only fields are wrong."""
    first = items[0]
    if first["type"] == "json_invalid":
        why = f"不是合法的 JSON（第 {first['loc'][-1]} 个字符处）；请核对引号、逗号与编码"
    elif first["type"] == "missing" and first["loc"] == ("body",):
        why = "为空；应为 JSON 对象"
    elif isinstance(first["input"], bytes):
        why = "未按 JSON 读取；请求头 Content-Type 应为 application/json"
    else:
        return None
    return DispatchError(ErrorKind.INVALID_BODY, f"请求体{why}。", field="body")


def read_case(body: Any, prefix: str = "") -> Case:
    """`body`, decoded from JSON, as a Case.

    :param prefix: where the case stands in a larger body, e.g. `cases.3.`.
    :raises DispatchError: INVALID_CASE, naming field, value and what was allowed.
    """
    try:
        return Case.model_validate(body)
    except ValidationError as error:
        raise invalid_case(error.errors(), prefix) from None


def invalid_case(items: Sequence[ErrorDetails], prefix: str = "") -> DispatchError:
    """All that is wrong with one case; the first problem gives field and value, the rest are details.

    :param prefix: where the case stands in a larger body, e.g. `cases.3.`.
    """
    sentences = [_sentence(item, prefix) for item in items[: _MOST_DETAILS + 1]]
    first = items[0]
    return DispatchError(
        ErrorKind.INVALID_CASE,
        f"工单有误：{sentences[0]}。",
        field=_place(first, prefix),
        # Whatever stands there may be a person's number in a form no rule of masking knows.
        value=None if first["type"] == "missing" or "caller" in first["loc"] else quote(first["input"]),
        details=sentences[1:],
    )


def invalid_parameter(items: Sequence[ErrorDetails]) -> DispatchError:
    """All that is wrong with the query string of a request."""
    sentences = [f"{item['loc'][-1]} {describe(item)}" for item in items[: _MOST_DETAILS + 1]]
    first = items[0]
    return DispatchError(
        ErrorKind.INVALID_PARAMETER,
        f"查询参数有误：{sentences[0]}。",
        field=str(first["loc"][-1]),
        value=None if first["type"] == "missing" else quote(first["input"]),
        details=sentences[1:],
    )


def field_name(item: ErrorDetails) -> str:
    """The dotted name of the field an error is about, '' for the object itself."""
    parts = item["loc"][1:] if item["loc"][:1] == ("body",) else item["loc"]
    named = [str(part) for index, part in enumerate(parts) if index != 1 or part not in _BRANCHES]
    return shorten(".".join(named))


def _sentence(item: ErrorDetails, prefix: str) -> str:
    name = field_name(item)
    hint = near(name.rpartition(".")[2], _siblings(name)) if item["type"] == "extra_forbidden" else ""
    return f"{_place(item, prefix)} {describe(item)}" + (f"（{hint}）" if hint else "")


def _place(item: ErrorDetails, prefix: str) -> str:
    return (prefix + field_name(item)).rstrip(".") or "case"


def _siblings(name: str) -> tuple[str, ...]:
    """The fields a caller could have meant beside the unknown `name`."""
    owners: dict[str, type[BaseModel]] = {"address": Address, "transcript": Turn}
    return (*owners.get(name.partition(".")[0], Case).model_fields, "cases")
