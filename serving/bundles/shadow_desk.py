"""Which bundle runs in the shadow of the one in force; the same in every worker, which follow what is stored."""

import logging
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from time import monotonic
from typing import Any

from dispatch_model.cases import CHINA_TIME
from dispatch_model.errors import DispatchError, ErrorKind
from serving.bundles.desk import RETRY_SECONDS
from serving.bundles.folder import BundleFolder
from serving.bundles.load import load, load_exactly
from serving.bundles.shadow import Shadow, Tally
from serving.bundles.shadow_store import Order, ShadowStore
from serving.engine import Engine
from serving.routing import Router

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Comparison:
    """How the shadow's answers compare; see `ShadowStore.tally` and `ShadowStore.changes`."""

    bundle: str
    since: datetime
    functions: list[dict[str, Any]]
    changes: list[dict[str, Any]]


class ShadowDesk:
    """Begins, ends and reports. Methods block: call them from a worker thread."""

    def __init__(self, engine: Engine, store: ShadowStore, folder: BundleFolder, tally: Tally) -> None:
        self._engine = engine
        self._store = store
        self._folder = folder
        self._shadow = Shadow(engine, store.save, tally)
        self._order: Order | None = None  # what is followed, also when it could not be loaded
        self._again: float | None = None
        self._changing = Lock()

    @property
    def router(self) -> Router:
        """The router in force."""
        return self._engine.router

    @property
    def order(self) -> Order | None:
        """What is in the shadow."""
        return self._order if self._shadow.router else None

    def close(self) -> None:
        """Save what was answered, and stop."""
        self._shadow.close()

    def follow(self) -> bool:
        """Begin or end as another process ordered; whether there was anything.

        :raises DispatchError: INVALID_BUNDLE for one that cannot be loaded here; tried again after a while.
        """
        with self._changing:
            order = self._store.order()
            waiting = self._again is None or monotonic() < self._again
            if order == self._order and waiting:
                return False
            self._order, self._again = order, monotonic() + RETRY_SECONDS
            self._shadow.end()
            if order:
                self._shadow.begin(load_exactly(self.router, order.bundle), order.share)
            self._again = None
            return True

    def begin(self, name: str, *, share: float = 1.0, author: str, note: str = "") -> Order:
        """Let a bundle answer in the shadow, in place of what does now.

        :param name: of a subfolder of the folder for bundles.
        :param share: of the cases, 0 to 1.
        :raises DispatchError: FORBIDDEN, NOT_FOUND, INVALID_BUNDLE; BUNDLE_CONFLICT for the bundle in force.
        """
        with self._changing:
            loaded = load(self.router, self._folder.find(name))
            if loaded.bundle.version == self.router.bundle.version:
                told = f"{loaded.bundle.version} 就是现行模型包，没有可比较的；影子应为另一个模型包。"
                raise DispatchError(ErrorKind.BUNDLE_CONFLICT, told, field="path", value=name)
            order = Order(loaded.bundle, share, author, note, datetime.now(CHINA_TIME))
            self._store.write(order, actor=author)
            self._order, self._again = order, None
            self._shadow.begin(loaded, share)
            logger.info("模型包 %s 在影子中运行，取 %g 的工单", loaded.bundle.version, share)
            return order

    def end(self, *, author: str) -> None:
        """Nothing answers in the shadow any more; what is stored stays.

        :raises DispatchError: NOT_FOUND when nothing did.
        """
        with self._changing:
            if self._store.order() is None:
                raise _none("没有可停止的")
            self._store.write(None, actor=author)
            self._order, self._again = None, None
            self._shadow.end()

    def report(self, bundle: str = "", since: datetime | None = None) -> Comparison:
        """Compare what was answered with what the shadow answered.

        :param bundle: version; '' for the one in the shadow.
        :param since: '' of a bundle named: from the first answer; else from when it began.
        :raises DispatchError: NOT_FOUND without a name when nothing is in the shadow.
        """
        order = self._store.order()
        if not bundle and order is None:
            raise _none("可用 bundle 指定曾在影子中运行的版本")
        if order and bundle in ("", order.bundle.version):
            bundle, begun = order.bundle.version, order.since
        else:
            begun = datetime(2000, 1, 1, tzinfo=CHINA_TIME)
        since = since or begun
        return Comparison(bundle, since, self._store.tally(bundle, since), self._store.changes(bundle, since))


def _none(told: str) -> DispatchError:
    message = f"现在没有模型包在影子中运行，{told}；开始用 POST /admin/shadow。"
    return DispatchError(ErrorKind.NOT_FOUND, message, field="bundle")
