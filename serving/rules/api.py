"""The rules over HTTP: `/rules` to read and question them, `/admin/rules` to change them while the service runs."""

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from dispatch_model.errors import DispatchError, ErrorKind, near
from dispatch_model.rules import TITLES, RuleKind, to_csv
from serving.guard.guard import Actor, acting
from serving.rules.desk import RuleDesk
from serving.rules.filter import Filter
from serving.rules.wire import (
    ChangeReply,
    History,
    RevisionView,
    Rule,
    RuleCard,
    RulePage,
    RuleRevision,
    RuleSets,
    RuleSetView,
)
from serving.web import wire

UPLOAD_BYTES = 20 * 2**20
_KINDS = {kind.value: kind for kind in RuleKind}
CSV = "text/csv; charset=utf-8"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_READ_PROBLEMS = wire.problems(ErrorKind.NOT_FOUND, ErrorKind.INVALID_PARAMETER, ErrorKind.STORE_UNAVAILABLE)
_FILE: dict[int | str, dict[str, Any]] = {200: {"content": {CSV.partition(";")[0]: {}, XLSX: {}}}}
_ADMIN_PROBLEMS = (ErrorKind.INVALID_PARAMETER, ErrorKind.STORE_UNAVAILABLE)
_BODY = {
    "requestBody": {
        "required": True,
        "description": "文件内容本身（不是表单），csv 或 xlsx，至多 20 MiB；按内容识别，与 Content-Type 无关",
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


class _Strict(BaseModel):
    """A query string in which a slip such as `dryrun` is an error, and not a change in earnest."""

    model_config = ConfigDict(extra="forbid")


class Download(_Strict):
    """`GET /rules/{kind}.csv`."""

    version: str = Field(default="", description="某一历史版本；缺省为现行")


class Upload(_Strict):
    """`POST /admin/rules`."""

    kind: RuleKind = Field(description="哪一份规则表")
    note: str = Field(default="", max_length=500, description="说明，记入历次变更")
    replaces: str = Field(default="", description="文件依据的版本；与现行不同则 409，以免覆盖他人的改动")
    dry_run: bool = Field(default=False, description="true：只检查，不生效")


class Rollback(_Strict):
    """`POST /admin/rules/rollback`."""

    kind: RuleKind = Field(description="哪一份规则表")
    version: str = Field(default="", description="退回到的版本；缺省为此前的一版")
    note: str = Field(default="", max_length=500, description="说明，记入历次变更")


class OfKind(_Strict):
    """`GET /admin/rules/history`."""

    kind: RuleKind = Field(description="哪一份规则表")


def rule_routes() -> APIRouter:
    """Who may read the service may read its rules."""
    router = APIRouter(prefix="/rules", tags=["规则表"], responses=_READ_PROBLEMS)

    @router.get("", summary="现行的各规则表：版本、何时由谁提交")
    def rule_sets(request: Request) -> RuleSets:
        desk = _desk(request)
        found = desk.router.rule_sets.items()
        return RuleSets(rule_sets=[RuleSetView.of(kind, rules, desk.revision(kind)) for kind, rules in found])

    @router.get("/{kind}.csv", summary="下载规则表（CSV）", response_class=Response, responses=_FILE)
    def as_csv(request: Request, kind: str, query: Annotated[Download, Query()]) -> Response:
        name = _kind(kind)
        rules = _desk(request).rules(name, query.version)
        return _file(to_csv(name, rules), CSV, name, rules.version, "csv")

    @router.get("/{kind}.xlsx", summary="下载规则表（Excel，带下拉选项）", response_class=Response, responses=_FILE)
    def as_xlsx(request: Request, kind: str, query: Annotated[Download, Query()]) -> Response:
        from dispatch_model.workbook import write

        name, desk = _kind(kind), _desk(request)
        rules = desk.rules(name, query.version)
        content = write(name, rules, desk.router.maps, desk.router.city)
        return _file(content, XLSX, name, rules.version, "xlsx")

    @router.get("/{kind}", summary="规则表的行，可筛选、分页；或以编号查一行及其历次内容")
    def rows(request: Request, kind: str, query: Annotated[Filter, Query()]) -> RulePage | RuleCard:
        desk = _desk(request)
        if kind in _KINDS:
            return _page(desk, _KINDS[kind], query)
        return _card(desk, tuple(RuleKind), kind)

    @router.get("/{kind}/{id}", summary="一行规则及其历次内容")
    def row(request: Request, kind: str, id: str) -> RuleCard:
        return _card(_desk(request), (_kind(kind),), id)

    return router


def admin_routes() -> APIRouter:
    """Changes take effect without a restart; each is refused whole, or checked, stored, audited and in force."""
    problems = wire.problems(*_ADMIN_PROBLEMS)
    router = APIRouter(prefix="/admin/rules", tags=["规则表管理"], responses=problems)
    changing = wire.problems(
        *_ADMIN_PROBLEMS,
        ErrorKind.INVALID_BODY,
        ErrorKind.INVALID_RULES,
        ErrorKind.RULES_CONFLICT,
        ErrorKind.UPLOAD_TOO_LARGE,
    )

    @router.post("", summary="上传一份规则表并立即生效", responses=changing, openapi_extra=_BODY)
    def upload(
        request: Request,
        query: Annotated[Upload, Query()],
        content: Annotated[bytes, Depends(_read)],
        actor: Annotated[Actor, Depends(acting)],
    ) -> ChangeReply:
        told = query.model_dump(exclude={"kind"})
        return ChangeReply.of(_desk(request).upload(query.kind, content, author=actor.name, **told))

    returning = wire.problems(*_ADMIN_PROBLEMS, ErrorKind.NOT_FOUND, ErrorKind.INVALID_RULES, ErrorKind.RULES_CONFLICT)

    @router.post("/rollback", summary="退回到此前的版本，立即生效", responses=returning)
    def rollback(
        request: Request, query: Annotated[Rollback, Query()], actor: Annotated[Actor, Depends(acting)]
    ) -> ChangeReply:
        return ChangeReply.of(_desk(request).rollback(query.kind, query.version, author=actor.name, note=query.note))

    @router.get("/history", summary="一份规则表的历次生效")
    def history(request: Request, query: Annotated[OfKind, Query()]) -> History:
        revisions = _desk(request).history(query.kind)
        return History(kind=query.kind, revisions=[RevisionView.of(revision) for revision in revisions])

    return router


async def _read(request: Request) -> bytes:
    """The body, read no further than a file may be long."""
    if request.headers.get("Content-Type", "").startswith("multipart/"):
        told = "请求体是表单；请直接以文件内容作为请求体，如 curl --data-binary @清单.xlsx。"
        raise DispatchError(ErrorKind.INVALID_BODY, told, field="body")
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > UPLOAD_BYTES:
            told = f"文件超过 {UPLOAD_BYTES >> 20} MiB；请删去多余的工作表、图片和空行后重试。"
            raise DispatchError(ErrorKind.UPLOAD_TOO_LARGE, told, field="body")
    if not content:
        raise DispatchError(ErrorKind.INVALID_BODY, "请求体为空；应为 csv 或 xlsx 文件的内容。", field="body")
    return bytes(content)


def _page(desk: RuleDesk, kind: RuleKind, query: Filter) -> RulePage:
    rules = desk.rules(kind)
    found = query.choose(kind, rules, desk.router.city)
    shown = found[query.offset : query.offset + query.limit]
    return RulePage(
        kind=kind,
        version=rules.version,
        total=len(found),
        limit=query.limit,
        offset=query.offset,
        rows=[Rule.of(row) for row in shown],
    )


def _card(desk: RuleDesk, kinds: Sequence[RuleKind], row_id: str) -> RuleCard:
    """The row of that id, in force or once in force, in the first kind that has it."""
    known = list(_KINDS)
    for kind in kinds:
        rules = desk.rules(kind)
        found = next((row for row in rules.rows if row.id == row_id), None)
        history = desk.row_history(kind, row_id)
        if found or history:
            rule = Rule.of(found) if found else None
            shown = [RuleRevision.of(one) for one in history]
            return RuleCard(kind=kind, version=rules.version, rule=rule, history=shown)
        known += [row.id for row in rules.rows]
    told = near(row_id, known) or f"规则表为 {'、'.join(_KINDS)}，编号见其各行"
    raise DispatchError(ErrorKind.NOT_FOUND, f"没有叫 {row_id} 的规则表或编号；{told}。", field="id", value=row_id)


def _kind(name: str) -> RuleKind:
    if name not in _KINDS:
        told = f"没有规则表 {name}；可用：{'、'.join(_KINDS)}。"
        raise DispatchError(ErrorKind.NOT_FOUND, told, field="kind", value=name)
    return _KINDS[name]


def _file(content: bytes, media_type: str, kind: RuleKind, version: str, suffix: str) -> Response:
    name = quote(f"{TITLES[kind]}-{version}.{suffix}")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}", "ETag": f'"{version}"'}
    return Response(content, media_type=media_type, headers=headers)


def _desk(request: Request) -> RuleDesk:
    desk: RuleDesk | None = getattr(request.app.state, "desk", None)
    if desk is None:
        raise DispatchError(ErrorKind.NOT_READY, "服务正在启动或停止；请稍后重试。")
    return desk
