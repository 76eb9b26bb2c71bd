"""What serving needs of a router, and how one bad case is kept from spoiling the others."""

import logging
import traceback
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from dispatch_model.cases import Case, Routing, Versions
from dispatch_model.errors import DispatchError, ErrorKind

logger = logging.getLogger(__name__)


class Router(Protocol):
    """The part of `dispatch_model.router.Router` that is used here."""

    @property
    def versions(self) -> Versions:
        """The artefacts that decide."""

    def route(self, cases: Sequence[Case], *, now: datetime | None = None) -> list[Routing]:
        """One routing per case, in order; raises DispatchError for a case that cannot be read."""


def open_router(bundle: Path | None, city: str) -> Router:
    """The router of `city` with `bundle`, or with the bundle that is shipped."""
    from dispatch_model.router import Router as DispatchRouter

    return DispatchRouter.open(bundle, city=city)


def route_each(router: Router, cases: Sequence[Case]) -> list[Routing | DispatchError]:
    """Route together; when that fails, one by one, so that each case has its own routing or error."""
    if not cases:
        return []
    try:
        return list(router.route(cases))
    except DispatchError as error:
        failure = error
    except Exception as error:  # noqa: BLE001 - whatever breaks on one text must not stop the service or a run
        failure = internal(error)
    if len(cases) == 1:
        return [failure]
    return [outcome for case in cases for outcome in route_each(router, [case])]


def internal(error: Exception) -> DispatchError:
    """What the caller is told of a fault of the program.

    Logs type and place only: the message of a foreign exception may quote a transcript.
    """
    place = traceback.extract_tb(error.__traceback__)[-1]
    logger.error("routing failed: %s at %s:%s", type(error).__name__, place.filename, place.lineno)
    return DispatchError(ErrorKind.INTERNAL, "派单计算出错，已记入日志；请稍后重试或转人工派单。")
