"""A bundle that passed the gate comes into force: copied among the bundles that may be loaded, then loaded.

By a running service over HTTP, or else on the database of the settings, as the service itself would: verified, tried
on a few cases, stored and audited. A service that runs on that database follows within two seconds.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dispatch_model.backend import DEFAULT, BackendName
from dispatch_model.bundle import MANIFEST, PARTS, Bundle, BundleRef
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.gate_record import GATE_FILE, GateRecord, records
from serving.bundles.desk import BundleDesk
from serving.bundles.start import open_in_force
from serving.bundles.store import BundleStore
from serving.engine import Engine
from serving.masking import mask
from serving.settings import Settings
from serving.store.store import Store


@dataclass(frozen=True)
class Force:
    """The bundle in force."""

    version: str
    sha256: str


class Place(Protocol):
    """Where bundles come into force."""

    def current(self) -> Force:
        """The bundle in force."""

    def load(self, name: str, replaces: str, note: str) -> Force:
        """Put a bundle of the folder for bundles in force in place of the one with that version."""

    def rollback(self, version: str, note: str) -> Force:
        """Put an earlier one in force again; '' the one before."""


class Desk:
    """The database of the settings, with nobody in between."""

    def __init__(self, desk: BundleDesk, author: str) -> None:
        self._desk = desk
        self._author = author

    def current(self) -> Force:
        """The bundle in force."""
        return _force(self._desk.router.bundle)

    def load(self, name: str, replaces: str, note: str) -> Force:
        """Verify, try, store, audit."""
        return _force(self._desk.load(name, author=self._author, note=note, replaces=replaces).bundle)

    def rollback(self, version: str, note: str) -> Force:
        """Go back, as the service would."""
        return _force(self._desk.rollback(version, author=self._author, note=note).bundle)


def _force(bundle: BundleRef) -> Force:
    return Force(bundle.version, bundle.sha256)


@contextmanager
def at_desk(settings: Settings, bundles: Path | None, author: str) -> Iterator[Desk]:
    """The desk of the settings' database.

    :param bundles: folder whose subfolders may be loaded; None: that of the settings.
    """
    store = Store.of(settings)
    try:
        desk = BundleDesk(
            Engine(open_in_force(settings, store), store, mask), BundleStore(store), bundles or settings.bundles_dir
        )
        desk.start(stored=settings.stored_bundle)
        yield Desk(desk, author)
    finally:
        store.close()


def promote(
    folder: Path,
    place: Place,
    gates: Path,
    bundles: Path | None,
    *,
    note: str = "",
    backend: BackendName = DEFAULT,
) -> tuple[Force, Force]:
    """Put a bundle in force that passed against the one in force now; what was in force, and what is.

    Done already, it changes nothing.

    :param gates: folder of gates, as `dispatch gate` keeps them.
    :param bundles: folder the service may load from, as this machine sees it.
    :param backend: what runs bundles in the service; a gate on another says nothing.
    :raises DispatchError: INVALID_BUNDLE without a passing gate for exactly this bundle, BUNDLE_CONFLICT when it
        passed against another bundle than that in force, FORBIDDEN without `bundles`.
    """
    bundle, current = Bundle.open(folder).ref, place.current()
    if bundle.sha256 == current.sha256:
        return current, current
    record = passed([one for one in records(gates) if one.backend == backend], bundle, current)
    if bundles is None:
        told = "没有设置 bundles_dir（DISPATCH_BUNDLES_DIR）；请以 --bundles-dir 给出服务所用的模型包文件夹。"
        raise DispatchError(ErrorKind.FORBIDDEN, told, field="bundles_dir")
    name = placed(bundle, record, bundles)
    told = f"门禁 {record.created} 通过，对 {record.champion.version}"
    return current, place.load(name, current.version, f"{note}；{told}" if note else told)


def passed(known: list[GateRecord], bundle: BundleRef, current: Force) -> GateRecord:
    """The newest gate in which `bundle` passed against what is in force.

    :raises DispatchError: INVALID_BUNDLE or BUNDLE_CONFLICT, saying what gates there are.
    """
    own = [record for record in known if record.challenger.sha256 == bundle.sha256]
    good = [record for record in own if record.passed]
    for record in good:
        if record.champion.sha256 == current.sha256:
            return record
    ask = "请运行 dispatch gate --champion 现行 --challenger 本包"
    if good:
        rivals = "、".join(sorted({record.champion.version for record in good}))
        told = f"模型包 {bundle.version} 通过的门禁是对 {rivals} 的，现行的是 {current.version}；{ask}。"
        raise DispatchError(ErrorKind.BUNDLE_CONFLICT, told, field="champion", value=current.sha256[:12])
    why = [f"{one.where} {one.what}：{one.rule}" for one in own[0].refused] if own else []
    found = "未通过门禁" if own else f"没有门禁记录（bundle.json 的 SHA-256 为 {bundle.sha256[:12]}…）"
    told = f"模型包 {bundle.version} {found}，不能启用；{ask}。"
    raise DispatchError(ErrorKind.INVALID_BUNDLE, told, field="gate", value=str(bundle.folder), details=why)


def placed(bundle: BundleRef, record: GateRecord, bundles: Path) -> str:
    """The name among the bundles that may be loaded; copied there, whole, with its gate, unless it is there."""
    if bundle.folder.resolve().parent == bundles.resolve():
        return bundle.folder.name
    name = f"{bundle.version.partition('+')[0]}-{bundle.sha256[:12]}"
    target = bundles / name
    if (target / MANIFEST).is_file() and Bundle.open(target).ref.sha256 == bundle.sha256:
        return name
    partial = bundles / f".{name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        for part in (*PARTS, MANIFEST):
            shutil.copyfile(bundle.folder / part, partial / part)
        (partial / GATE_FILE).write_text(record.model_dump_json(indent=1), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        partial.replace(target)
    except OSError as error:
        told = f"模型包不能复制到 {target}（{error.strerror}）；请核对 bundles_dir 与其权限。"
        raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="bundles_dir", value=str(bundles)) from None
    return name
