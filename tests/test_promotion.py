from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from dispatch_model.bundle import MANIFEST, PARTS, Bundle, sha256
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.gate_record import GATE_FILE, GateRecord, Judged
from dispatch_model.labels import LabelMaps
from serving import cli
from serving.app import create_app
from serving.bundles import promotion
from serving.bundles.promotion import Desk, Force, at_desk, promote
from serving.bundles.promotion_http import Service
from serving.bundles.store import Action, BundleStore
from serving.routing import Router
from serving.settings import Settings
from serving.store.store import Store
from tests.canned import BUNDLE
from tests.test_bundle import sealed
from tests.test_gate_record import made


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ruled: Router) -> Settings:
    """A database and a folder for bundles; what is in force comes with the settings."""

    def opened(_: Settings, store: Store) -> Router:
        current = BundleStore(store).current()
        return ruled.with_bundle(current.bundle.folder) if current else ruled

    monkeypatch.setattr(promotion, "open_in_force", opened)
    monkeypatch.setenv("DISPATCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DISPATCH_BUNDLES_DIR", str(tmp_path / "served"))
    return Settings.load()


@pytest.fixture
def challenger(tmp_path: Path, maps: LabelMaps) -> Path:
    (tmp_path / "built").mkdir()
    return sealed(tmp_path / "built", maps)


@pytest.fixture
def desk(settings: Settings) -> Iterator[Desk]:
    with at_desk(settings, None, "cli:lin") as found:
        yield found


@pytest.fixture
def gated(tmp_path: Path, challenger: Path) -> Callable[..., Path]:
    """Keeps a gate of the challenger against what is in force."""

    def keep(*, passed: bool = True, champion: str = BUNDLE.sha256, digest: str = "", **inputs: str) -> Path:
        second = Judged(version="tiny+1", sha256=digest or sha256(challenger / MANIFEST))
        first = Judged(version="bundle-1", sha256=champion)
        record: GateRecord = made(passed=passed, champion=first, challenger=second, inputs=inputs)
        record.save(tmp_path / "gates" / record.folder)
        return tmp_path / "gates"

    return keep


def refused(folder: Path, desk: Desk, gates: Path, settings: Settings) -> DispatchError:
    with pytest.raises(DispatchError) as caught:
        promote(folder, desk, gates, settings.bundles_dir)
    assert desk.current().version == "bundle-1"
    return caught.value


def test_what_passed_is_copied_loaded_stored_and_audited(
    challenger: Path, desk: Desk, settings: Settings, gated: Callable[..., Path]
) -> None:
    assert settings.bundles_dir
    before, after = promote(challenger, desk, gated(), settings.bundles_dir, note="更准")
    assert (before.version, after.sha256) == ("bundle-1", sha256(challenger / MANIFEST))
    (copied,) = settings.bundles_dir.iterdir()
    assert {path.name for path in copied.iterdir()} == {*PARTS, MANIFEST, GATE_FILE}
    assert Bundle.open(copied).ref.sha256 == after.sha256
    store = Store.of(settings)
    first, *_ = BundleStore(store).history()
    store.close()
    assert (first.action, first.author, first.bundle.folder) == (Action.LOAD, "cli:lin", copied)
    assert first.note.startswith("更准；门禁 2026-11-23")
    assert promote(challenger, desk, gated(), settings.bundles_dir) == (after, after), "done already"


def test_without_a_gate_or_with_one_that_refused_nothing_changes(
    challenger: Path, desk: Desk, settings: Settings, gated: Callable[..., Path], tmp_path: Path
) -> None:
    error = refused(challenger, desk, tmp_path / "gates", settings)
    assert error.kind is ErrorKind.INVALID_BUNDLE
    assert "没有门禁记录" in error.message
    error = refused(challenger, desk, gated(passed=False), settings)
    assert "未通过门禁" in error.message
    assert error.details == ("bundle parity：规则",)
    assert not (settings.bundles_dir or tmp_path).exists()


def test_a_gate_is_for_exactly_one_bundle_and_one_champion(
    challenger: Path, desk: Desk, settings: Settings, gated: Callable[..., Path]
) -> None:
    assert "没有门禁记录" in refused(challenger, desk, gated(digest="c" * 64), settings).message
    error = refused(challenger, desk, gated(champion="d" * 64), settings)
    assert error.kind is ErrorKind.BUNDLE_CONFLICT


def test_a_gate_on_another_backend_than_the_services_is_none(
    challenger: Path, desk: Desk, settings: Settings, gated: Callable[..., Path]
) -> None:
    gates = gated(backend="openvino")
    assert "没有门禁记录" in refused(challenger, desk, gates, settings).message
    gated(passed=False)
    assert "未通过门禁" in refused(challenger, desk, gates, settings).message
    _, after = promote(challenger, desk, gates, settings.bundles_dir, backend="openvino")
    assert after.sha256 == sha256(challenger / MANIFEST)


def test_a_bundle_changed_after_its_gate_is_refused(
    challenger: Path, desk: Desk, settings: Settings, gated: Callable[..., Path]
) -> None:
    gates = gated()
    (challenger / "model.onnx").write_bytes(b"other")
    assert "SHA-256" in refused(challenger, desk, gates, settings).message


def test_without_a_folder_for_bundles_nothing_is_loaded(
    challenger: Path, desk: Desk, gated: Callable[..., Path]
) -> None:
    with pytest.raises(DispatchError, match="bundles-dir") as caught:
        promote(challenger, desk, gated(), None)
    assert caught.value.kind is ErrorKind.FORBIDDEN


def test_a_copy_that_was_cut_short_is_made_again(
    challenger: Path, desk: Desk, settings: Settings, gated: Callable[..., Path]
) -> None:
    assert settings.bundles_dir
    name = f"tiny-{sha256(challenger / MANIFEST)[:12]}"
    (settings.bundles_dir / f".{name}.partial").mkdir(parents=True)
    promote(challenger, desk, gated(), settings.bundles_dir)
    assert [path.name for path in settings.bundles_dir.iterdir()] == [name]


def test_what_lies_among_the_bundles_is_not_copied(
    desk: Desk, settings: Settings, gated: Callable[..., Path], maps: LabelMaps
) -> None:
    assert settings.bundles_dir
    folder = settings.bundles_dir / "mine"
    folder.mkdir(parents=True)
    sealed(folder, maps)
    promote(folder, desk, gated(digest=sha256(folder / MANIFEST)), settings.bundles_dir)
    assert [path.name for path in settings.bundles_dir.iterdir()] == ["mine"]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main(list(arguments))
    return int(caught.value.code or 0)


@pytest.mark.usefixtures("settings")
def test_one_command_each_way(
    challenger: Path, gated: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ("promote", str(challenger), "--gates", str(gated()), "--run", str(tmp_path / "run"))
    assert run(*told) == 0
    assert "替换 bundle-1" in capsys.readouterr().err
    assert run(*told) == 0
    assert "已是现行模型包" in capsys.readouterr().err
    assert '"replaced": "bundle-1"' in (tmp_path / "run" / "record.json").read_text(encoding="utf-8")


def test_rollback_goes_to_the_one_before(settings: Settings, bundles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with at_desk(settings, bundles, "cli:lin") as desk:
        one = desk.load("one", "", "")
        two = desk.load("two", one.version, "")
    assert run("rollback", "--note", "退单增多") == 0
    assert f"已由 {two.version} 退回到 {one.version}" in capsys.readouterr().err
    assert run("rollback", "--version", "none+1") == 1
    assert "没有启用过模型包" in capsys.readouterr().err


def test_a_service_loads_and_goes_back_over_http(
    tmp_path: Path, bundles: Path, ruled: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Settings(data_dir=tmp_path, bundles_dir=bundles)
    with TestClient(create_app(served, ruled)) as client:
        service = Service("http://testserver")
        monkeypatch.setattr(service, "_http", client)
        assert service.current() == Force("bundle-1", BUNDLE.sha256)
        one = service.load("one", "bundle-1", "门禁通过")
        assert service.current() == one
        with pytest.raises(DispatchError) as caught:
            service.load("two", "bundle-1", "")
        assert caught.value.kind is ErrorKind.BUNDLE_CONFLICT
        service.load("two", one.version, "")
        assert service.rollback("", "") == one


def test_a_service_that_is_not_there_or_is_no_service_is_told() -> None:
    with pytest.raises(DispatchError, match="没有应答") as caught:
        Service("http://127.0.0.1:9").current()
    assert caught.value.kind is ErrorKind.NOT_READY
