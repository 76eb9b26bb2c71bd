"""What the system page shows: which versions are in force and since when, how the service is, who may sign in."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, select

from dispatch_model.errors import DispatchError
from dispatch_model.rules import TITLES, RuleKind
from serving.bundles.folder import Available
from serving.bundles.shadow_store import Order
from serving.bundles.store import BundleStore
from serving.bundles.store import Revision as BundleRevision
from serving.console.room import Room
from serving.guard import operators
from serving.guard.operators import Operator
from serving.hooks import outbox
from serving.monitoring.metrics import Metrics
from serving.rules.store import Revision as RuleRevision
from serving.rules.store import RuleStore
from serving.store.schema import outbox as messages
from serving.store.store import Store
from serving.web.admission import Admission

MOST_REVISIONS = 10
ACTIONS = {"shipped": "启动时即用", "load": "载入", "upload": "上传", "rollback": "退回"}
DISTRIBUTIONS = {"kind": "诉求类型", "function": "职能", "level": "层级", "category": "诉求类别", "score": "概率"}
_LOOK, _OTHER = 0.1, 0.25  # the usual reading of the index, see `serving.monitoring.drift`
_MESSAGES = (
    select(messages.c.state, func.count())
    .where(messages.c.state.in_((outbox.PENDING, outbox.DEAD)))
    .group_by(messages.c.state)
)


@dataclass(frozen=True)
class InForce:
    """What one part of the answers comes from.

    :param since: None: what the service was started with, never changed.
    :param before: the version that a rollback goes back to; '' for none.
    """

    title: str
    version: str
    since: datetime | None
    author: str
    action: str
    note: str
    before: str


@dataclass(frozen=True)
class Versions:
    """The bundle, then the rules; `revisions` are those of bundles, newest first."""

    rows: Sequence[InForce]
    revisions: Sequence[BundleRevision]
    available: Sequence[Available]
    problem: str
    shadow: Order | None


@dataclass(frozen=True)
class Drift:
    """How far one distribution of the last answers is from the reference; None: too few answers."""

    title: str
    psi: float | None

    @property
    def told(self) -> str:
        """What it means."""
        if self.psi is None:
            return "答复尚少"
        return "相同" if self.psi < _LOOK else "留意" if self.psi < _OTHER else "已不同"


@dataclass(frozen=True)
class Health:
    """How the service is just now.

    :param waiting: cases no thread has begun with; `inside`: those and the ones being answered.
    :param ping: milliseconds of one look into the store; None: it does not answer, and `problem` says why.
    :param pending: messages to subscribers on their way; `dead`: given up.
    :param drift: empty where the bundle has no reference.
    """

    leaving: bool
    waiting: int
    inside: int
    refused: int
    dropped: int
    ping: float | None
    problem: str
    pending: int
    dead: int
    drift: Sequence[Drift]

    @property
    def ready(self) -> bool:
        """Whether cases are answered."""
        return self.ping is not None and not self.leaving


def versions(room: Room) -> Versions:
    """What is in force, what was before, and what could be.

    :raises DispatchError: STORE_UNAVAILABLE.
    """
    rows = [_bundle_row(room), *(_rules_row(room, kind) for kind in RuleKind)]
    available: Sequence[Available] = ()
    problem = (
        "" if room.settings.bundles_dir else "没有设置 bundles_dir（DISPATCH_BUNDLES_DIR），运行中不能载入模型包。"
    )
    try:
        available = room.bundles.folder.available()
    except DispatchError as error:
        problem = error.message
    return Versions(rows, room.bundles.history()[:MOST_REVISIONS], available, problem, room.shadow.order)


def health(room: Room) -> Health:
    """The state of this process and of what it stands on; what cannot be read is told, not raised."""
    admission: Admission = room.app.state.admission
    began, problem, counts = perf_counter(), "", dict[str, int]()
    try:
        room.store.ping()
        ping: float | None = (perf_counter() - began) * 1e3
        counts = _messages(room.store)
    except DispatchError as error:
        ping, problem = None, error.message
    return Health(
        leaving=admission.leaving,
        waiting=room.engine.waiting,
        inside=admission.inside,
        refused=admission.refused,
        dropped=room.engine.dropped,
        ping=ping,
        problem=problem,
        pending=counts.get(outbox.PENDING, 0),
        dead=counts.get(outbox.DEAD, 0),
        drift=drift(room),
    )


def drift(room: Room) -> Sequence[Drift]:
    """The figures of /metrics, over all processes that share them."""
    metrics: Metrics = room.app.state.metrics
    families = text_string_to_metric_families(metrics.render(room.engine.router.reference).decode())
    found: Mapping[str, float] = {
        sample.labels["distribution"]: sample.value
        for family in families
        if family.name == "dispatch_drift_psi"
        for sample in family.samples
    }
    return [
        Drift(DISTRIBUTIONS.get(name, name), None if math.isnan(psi) else psi) for name, psi in sorted(found.items())
    ]


def everybody(room: Room) -> Sequence[Operator]:
    """All operators, those who may sign in first."""
    with room.store.reading() as connection:
        found = operators.all_(connection)
    return sorted(found, key=lambda one: (one.disabled_at is not None, one.login))


def _bundle_row(room: Room) -> InForce:
    before = BundleStore(room.store).previous()
    return _row("模型包", room.bundles.router.bundle.version, room.bundles.revision, before)


def _rules_row(room: Room, kind: RuleKind) -> InForce:
    version = room.rules.router.rule_sets[kind].version
    return _row(TITLES[kind], version, room.rules.revision(kind), RuleStore(room.store).previous(kind))


def _row(
    title: str, version: str, now: BundleRevision | RuleRevision | None, before: BundleRevision | RuleRevision | None
) -> InForce:
    return InForce(
        title=title,
        version=version,
        since=now.since if now else None,
        author=now.author if now else "",
        action=ACTIONS[now.action.value] if now else "",
        note=now.note if now else "",
        before=before.version if before else "",
    )


def _messages(store: Store) -> dict[str, int]:
    with store.reading() as connection:
        return dict(connection.execute(_MESSAGES).fetchall())
