"""Automatic dispatch happens where the office has allowed it, and stops when answers drift.

What a bundle promised holds only for cases like those it promised on. Caution only ever tightens. Below LEAST answers
nobody can tell yet, so nothing goes automatically; above ALARM nothing does until another bundle is put in force or the
service is started anew, both of which a person does.
"""

import logging
from collections import Counter
from threading import Lock

from dispatch_model.bundle import BundleRef, Reference
from dispatch_model.cases import Disposition, Routing
from serving.monitoring.drift import Window, expected, psi
from serving.routing import Router

ALARM = 0.25  # another population, see `serving.monitoring.drift`
LEAST = 500  # of fewer answers the index over forty functions is mostly noise

NAMES = {"kind": "诉求类型", "function": "职能", "level": "层级", "category": "诉求类别", "score": "把握程度"}

logger = logging.getLogger(__name__)


class Caution:
    """Takes in each new answer of one process; safe to share between threads.

    :param size: answers drift is measured over.
    :param allowed: whether anything may go without a person at all (setting `auto_dispatch`).
    """

    def __init__(self, size: int = 1000, *, allowed: bool) -> None:
        self._lock = Lock()
        self._allowed = allowed
        self._size = size
        self._least = min(LEAST, size)
        self._begin(None)

    def __call__(self, router: Router, routing: Routing) -> Routing:
        """The answer as it may be given: an automatic dispatch that nobody can vouch for becomes a suggestion."""
        with self._lock:
            if router.bundle != self._bundle:
                self._begin(router.bundle)
            for (distribution, name), by in self._window.add(routing).items():
                self._counts.setdefault(distribution, Counter())[name] += by
            self._answers += 1
            if routing.disposition is not Disposition.AUTO:
                return routing
            doubt = self._doubt(router.reference)
        return _suggested(routing, doubt) if doubt else routing

    def _begin(self, bundle: BundleRef | None) -> None:
        self._bundle = bundle
        self._window = Window(self._size)
        self._counts: dict[str, Counter[str]] = {}
        self._answers = 0
        self._alarm = ""

    def _doubt(self, reference: Reference | None) -> str:
        """Why nothing may go automatically now; '' when it may."""
        if not self._allowed:
            return "自动派发未开启（设置 auto_dispatch）"
        if reference is None:
            return "模型包没有答复分布的参照，无从核对是否偏移"
        if self._answers < self._least:
            return f"本进程启用此模型包后答复未满 {self._least} 件，尚不能核对是否偏移"
        if not self._alarm:
            self._alarm = self._drifted(reference)
            if self._alarm:
                logger.warning("automatic dispatch stopped: %s", self._alarm)
        return self._alarm

    def _drifted(self, reference: Reference) -> str:
        for distribution, shares in expected(reference).items():
            found = psi(self._counts.get(distribution, {}), shares)
            # NaN, a distribution nobody counted, is no reason to trust either
            if not found <= ALARM:
                told = f"{NAMES.get(distribution, distribution)}的分布已偏离承诺所依据的工单"
                return f"{told}（PSI {found:.2f}，上限 {ALARM}），须由人核对并重新启用模型包"
        return ""


def _suggested(routing: Routing, doubt: str) -> Routing:
    reason = f"{routing.disposition_reason}，但{doubt}；供坐席确认"
    return routing.model_copy(update={"disposition": Disposition.SUGGEST, "disposition_reason": reason})
