"""The bundle in force: another is loaded, verified and warmed beside it, stored, audited and swapped in, or refused.

What other workers store is followed by asking for the newest revision (`serving.rules.follow`). A request goes on with
the router it began with.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from time import monotonic

from dispatch_model.bundle import BundleRef
from dispatch_model.cases import CHINA_TIME
from dispatch_model.errors import DispatchError, ErrorKind, near
from serving.bundles.folder import BundleFolder
from serving.bundles.give_back import give_back
from serving.bundles.load import load, load_exactly
from serving.bundles.start import stored_revision, way_out
from serving.bundles.store import Action, BundleStore, Draft, Revision, conflict
from serving.engine import Engine
from serving.routing import Router, under_rules_of

SETTLED_SECONDS = 2.0  # after a swap, when nobody answers by the bundle before any more
RETRY_SECONDS = 30.0  # until a bundle that could not be followed is tried again: its files may still be on their way

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Swap:
    """What came of a load or a rollback.

    :param replaced: version in force before.
    :param revision: the new revision; None for a dry run, or when the bundle is in force already.
    """

    bundle: BundleRef
    replaced: str
    revision: Revision | None


class BundleDesk:
    """Changes the bundle of a running service. Methods block: call them from a worker thread.

    :param folder: where bundles may be loaded from; None: nowhere.
    """

    def __init__(self, engine: Engine, store: BundleStore, folder: Path | None = None) -> None:
        self._engine = engine
        self._store = store
        self._started = datetime.now(CHINA_TIME)
        self._revision: Revision | None = None
        self._head = 0  # number seen, also of what could not be put in force
        self._again: float | None = None  # when to try once more what could not
        self._settled: float | None = None
        self._loading = Lock()  # one bundle at a time: each takes the memory of a model
        self.folder = BundleFolder(folder)

    @property
    def router(self) -> Router:
        """The router in force."""
        return self._engine.router

    @property
    def revision(self) -> Revision | None:
        """The revision in force; None: what the service was started with, never changed."""
        return self._revision

    def start(self, *, stored: bool = True) -> None:
        """Take over what the store holds: it goes before the setting `bundle`.

        :param stored: False starts with the setting all the same; what is stored later is followed.
        :raises DispatchError: INVALID_BUNDLE when the bundle in force is gone or does not fit this release.
        """
        current = stored_revision(self._store) if stored else None
        if current is None:
            self._head = self._store.head()
            return
        if current.bundle.sha256 != self.router.bundle.sha256:
            with way_out(current):
                self._put(load_exactly(self.router, current.bundle))
        self._head, self._revision = current.id, current
        since = current.since.isoformat(" ", "minutes")
        logger.info("模型包以数据库中的 %s 为准（%s 由 %s 提交）", current.version, since, current.author)

    def follow(self) -> bool:
        """Put in force what another process stored since; whether there was anything.

        :raises DispatchError: INVALID_BUNDLE for one that cannot be loaded here; the bundle stays as it is.
        """
        with self._loading:
            if self._settled is not None and monotonic() > self._settled:
                self._settled = None
                give_back()
            waiting = self._again is None or monotonic() < self._again
            if self._store.head() == self._head and waiting:
                return False
            current = self._store.history()[0]
            self._head, self._again = current.id, monotonic() + RETRY_SECONDS
            if current.bundle.sha256 != self.router.bundle.sha256:
                self._put(load_exactly(self.router, current.bundle))
            self._revision, self._again = current, None
            return True

    def load(self, name: str, *, author: str, note: str = "", replaces: str = "", dry_run: bool = False) -> Swap:
        """Load a bundle and, unless `dry_run`, put it in force.

        :param name: of a subfolder of the folder for bundles.
        :param replaces: the version it is meant to replace; '' does not care.
        :raises DispatchError: FORBIDDEN, NOT_FOUND, INVALID_BUNDLE, BUNDLE_CONFLICT; nothing is changed then.
        """
        self._catch_up()
        with self._loading:
            if replaces not in ("", self.router.bundle.version):
                raise conflict()
            loaded, current = load(self.router, self.folder.find(name)), self.router.bundle
            if dry_run or loaded.bundle.sha256 == current.sha256:
                return Swap(loaded.bundle, current.version, None)
            return self._enforce(loaded, Draft(loaded.bundle, Action.LOAD, author, note))

    def rollback(self, version: str = "", *, author: str, note: str = "") -> Swap:
        """Put an earlier bundle in force again.

        :param version: which; '' for the one before that of today.
        :raises DispatchError: NOT_FOUND for a version never in force, BUNDLE_CONFLICT when there is none before,
            INVALID_BUNDLE when its folder is gone or holds another by now.
        """
        self._catch_up()
        with self._loading:
            target = self._find(version) if version else self._store.previous()
            if target is None:
                told = "没有更早的模型包可退回；可载入一个，或用 GET /admin/bundles 查看历次变更。"
                raise DispatchError(ErrorKind.BUNDLE_CONFLICT, told, field="version")
            if target.bundle.sha256 == self.router.bundle.sha256:
                return Swap(target.bundle, target.version, None)
            loaded = load_exactly(self.router, target.bundle)
            return self._enforce(loaded, Draft(target.bundle, Action.ROLLBACK, author, note))

    def history(self) -> tuple[Revision, ...]:
        """All revisions, newest first; empty when the bundle was never changed."""
        return self._store.history()

    def _catch_up(self) -> None:
        """`follow`, but what cannot be loaded is no hindrance to loading another."""
        try:
            self.follow()
        except DispatchError as error:
            if error.kind is not ErrorKind.INVALID_BUNDLE:
                raise
            logger.error("bundle not followed: %s", error)

    def _find(self, version: str) -> Revision:
        revisions = self._store.history()
        found = next((one for one in revisions if one.version == version), None)
        if found is None:
            told = near(version, {one.version for one in revisions}) or "历次版本见 GET /admin/bundles"
            message = f"没有启用过模型包 {version}；{told}。"
            raise DispatchError(ErrorKind.NOT_FOUND, message, field="version", value=version)
        return found

    def _enforce(self, loaded: Router, draft: Draft) -> Swap:
        """Store, then swap: whatever fails before the swap leaves everything as it was."""
        current = self.router.bundle
        known = self._revision or self._again is not None
        shipped = [] if known else [Draft(current, Action.SHIPPED, since=self._started)]
        revision = self._store.add([*shipped, draft], self._head, current.version)
        self._head, self._revision, self._again = revision.id, revision, None
        self._put(loaded)
        logger.info("模型包 %s 生效，替换 %s", draft.bundle.version, current.version)
        return Swap(draft.bundle, current.version, revision)

    def _put(self, loaded: Router) -> None:
        """Swap, under rules that may have changed while the bundle was loaded."""
        with self._engine.changing:
            router = under_rules_of(loaded, self.router)
            if router is not loaded:
                router.compile(datetime.now(CHINA_TIME).date())
            self._engine.router = router
        self._settled = monotonic() + SETTLED_SECONDS
