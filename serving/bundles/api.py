"""Bundles over HTTP: `/admin/bundle` to change the one in force, `/admin/shadow` to try another beside it."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from dispatch_model.cases import CHINA_TIME
from dispatch_model.errors import DispatchError, ErrorKind
from serving.bundles.desk import BundleDesk
from serving.bundles.shadow_desk import ShadowDesk
from serving.bundles.wire import AvailableView, BundleRevision, Bundles, BundleView, ShadowReport, ShadowView, SwapReply
from serving.guard.guard import Actor, acting
from serving.web import wire

_COMMON = (
    ErrorKind.UNAUTHORIZED,
    ErrorKind.FORBIDDEN,
    ErrorKind.INVALID_PARAMETER,
    ErrorKind.STORE_UNAVAILABLE,
    ErrorKind.NOT_READY,
)
_READING = wire.problems(*_COMMON, ErrorKind.NOT_FOUND)
_CHANGING = wire.problems(*_COMMON, ErrorKind.NOT_FOUND, ErrorKind.INVALID_BUNDLE, ErrorKind.BUNDLE_CONFLICT)
BundleName = Annotated[
    str, Field(min_length=1, max_length=255, description="bundles_dir 中的子文件夹名", examples=["haikou-2026-11"])
]


class _Strict(BaseModel):
    """A query string in which a slip such as `dryrun` is an error, and not a change in earnest."""

    model_config = ConfigDict(extra="forbid")


class Load(_Strict):
    """`POST /admin/bundle`."""

    path: BundleName
    note: str = Field(default="", max_length=500, description="说明，记入历次变更")
    replaces: str = Field(default="", max_length=128, description="拟替换的版本；与现行不同则 409")
    dry_run: bool = Field(default=False, description="true：只核对、试算，不生效")


class GoBack(_Strict):
    """`POST /admin/bundle/rollback`."""

    version: str = Field(default="", max_length=128, description="退回到的版本；缺省为此前的一版")
    note: str = Field(default="", max_length=500, description="说明，记入历次变更")


class Begin(_Strict):
    """`POST /admin/shadow`."""

    path: BundleName
    share: float = Field(default=1.0, gt=0, le=1, description="所取工单的比例，(0, 1]")
    note: str = Field(default="", max_length=500, description="说明，记入审计")


class Compare(_Strict):
    """`GET /admin/shadow/report`."""

    bundle: str = Field(default="", max_length=128, description="影子的版本；缺省为正在影子中运行的")
    since: AwareDatetime | datetime | None = Field(default=None, description="自何时起；缺省为影子开始之时")

    @property
    def moment(self) -> datetime | None:
        """`since`, in China time where it says no zone."""
        if self.since is None or self.since.tzinfo:
            return self.since
        return self.since.replace(tzinfo=CHINA_TIME)


def bundle_routes() -> APIRouter:
    """A change is refused whole, or loaded, verified, warm, stored, audited and in force when the 200 comes."""
    router = APIRouter(prefix="/admin", tags=["模型包管理"])

    @router.post("/bundle", summary="载入一个模型包并立即生效", responses=_CHANGING)
    def load(request: Request, query: Annotated[Load, Query()], actor: Annotated[Actor, Depends(acting)]) -> SwapReply:
        told = query.model_dump(exclude={"path"})
        return SwapReply.of(_desk(request).load(query.path, author=actor.name, **told))

    @router.post("/bundle/rollback", summary="退回到此前的模型包，立即生效", responses=_CHANGING)
    def rollback(
        request: Request, query: Annotated[GoBack, Query()], actor: Annotated[Actor, Depends(acting)]
    ) -> SwapReply:
        return SwapReply.of(_desk(request).rollback(query.version, author=actor.name, note=query.note))

    @router.get("/bundles", summary="现行模型包、历次生效、可载入者与影子", responses=_READING)
    def bundles(request: Request) -> Bundles:
        desk, order = _desk(request), _shadow(request).order
        return Bundles(
            current=BundleView.of(desk.router.bundle),
            revision=BundleRevision.of(desk.revision) if desk.revision else None,
            revisions=[BundleRevision.of(one) for one in desk.history()],
            available=[AvailableView.of(one) for one in desk.folder.available()],
            shadow=ShadowView.of(order) if order else None,
        )

    _add_shadow(router)
    return router


def _add_shadow(router: APIRouter) -> None:
    @router.post("/shadow", summary="让另一个模型包在影子中运行", responses=_CHANGING)
    def begin(
        request: Request, query: Annotated[Begin, Query()], actor: Annotated[Actor, Depends(acting)]
    ) -> ShadowView:
        return ShadowView.of(_shadow(request).begin(query.path, share=query.share, author=actor.name, note=query.note))

    @router.delete("/shadow", summary="停止影子；已存的答复保留", status_code=204, responses=_READING)
    def end(request: Request, actor: Annotated[Actor, Depends(acting)]) -> None:
        _shadow(request).end(author=actor.name)

    @router.get("/shadow/report", summary="影子与现行答复的比较，按职能", responses=_READING)
    def report(request: Request, query: Annotated[Compare, Query()]) -> ShadowReport:
        return ShadowReport.of(_shadow(request).report(query.bundle, query.moment))


def _desk(request: Request) -> BundleDesk:
    desk: BundleDesk | None = getattr(request.app.state, "bundles", None)
    if desk is None:
        raise _not_ready()
    return desk


def _shadow(request: Request) -> ShadowDesk:
    desk: ShadowDesk | None = getattr(request.app.state, "shadow", None)
    if desk is None:
        raise _not_ready()
    return desk


def _not_ready() -> DispatchError:
    return DispatchError(ErrorKind.NOT_READY, "服务正在启动或停止；请稍后重试。")
