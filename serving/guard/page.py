"""What the OpenAPI page tells of keys: the scheme, and for each path the scopes it asks for and how it may refuse."""

from typing import Any

from dispatch_model.errors import ErrorKind
from serving.guard.guard import METRICS, OPEN_PATHS, RULES
from serving.guard.scopes import Scope
from serving.web.problems import MEDIA_TYPE, STATUS, TITLES

_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "hd_…",
    "description": "API 密钥，由管理员用 `dispatch keys create` 创建。服务没有任何密钥且只监听本机时不需要。",
}
_REFUSALS = (
    ErrorKind.UNAUTHORIZED,
    ErrorKind.FORBIDDEN,
    ErrorKind.URL_TOO_LONG,
    ErrorKind.RATE_LIMITED,
    ErrorKind.HEADERS_TOO_LARGE,
)
_SCOPES = {Scope.INTAKE: "受理", Scope.OPERATOR: "经办", Scope.DATA: "数据", Scope.ADMIN: "管理"}


def guarded(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` with all of it; a path tells its own reasons for a status where it has any."""
    components = schema.setdefault("components", {})
    if "securitySchemes" in components:
        return schema  # FastAPI keeps what it made, and this has been here before
    components["securitySchemes"] = {"key": _SCHEME}
    components["responses"] = {kind.value: _response(kind) for kind in (*_REFUSALS, ErrorKind.BODY_TOO_LARGE)}
    for path, operations in schema["paths"].items():
        if path in OPEN_PATHS:
            continue
        for method, operation in operations.items():
            _guard(path, method, operation)
    return schema


def _guard(path: str, method: str, operation: dict[str, Any]) -> None:
    kinds = [*_REFUSALS, ErrorKind.BODY_TOO_LARGE] if "requestBody" in operation else _REFUSALS
    for kind in kinds:
        reference = {"$ref": f"#/components/responses/{kind.value}"}
        operation["responses"].setdefault(str(STATUS[kind]), reference)
    rule = next((rule for rule in RULES if rule.fits(path, method.upper())), None)
    scopes = rule.scopes if rule else frozenset({Scope.ADMIN})
    # A list of alternatives, as OpenAPI 3.1 lets a scheme of any type name what it asks for.
    operation["security"] = [{"key": [scope.value]} for scope in Scope if scope in scopes]
    told = "、".join(f"`{scope}` {_SCOPES[scope]}" for scope in Scope if scope in scopes)
    also = "；缺省不需要密钥（配置项 open_metrics）" if path == METRICS else ""
    operation["description"] = "\n\n".join(
        filter(None, [operation.get("description"), f"密钥权限（任一）：{told}{also}。"])
    )


def _response(kind: ErrorKind) -> dict[str, Any]:
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {"description": f"`{kind.value}` {TITLES[kind]}", "content": {MEDIA_TYPE: problem}}
