import shutil
from pathlib import Path

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from serving.bundles import start as bundle_start
from serving.bundles.load import load
from serving.bundles.start import open_in_force, stored_revision
from serving.bundles.store import Action, BundleStore, Draft
from serving.routing import Router
from serving.settings import Settings
from serving.store.store import Store


@pytest.fixture
def settings(tmp_path: Path, bundles: Path, router: Router) -> Settings:
    """Of a service where `two` replaced `one`."""
    settings = Settings(data_dir=tmp_path, bundle=bundles / "one")
    one, two = (load(router, bundles / name).bundle for name in ("one", "two"))
    store = Store.of(settings)
    BundleStore(store).add([Draft(one, Action.SHIPPED), Draft(two, Action.LOAD, "admin")], 0, one.version)
    store.close()
    return settings


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, router: Router) -> list[Path | None]:
    """Folders the real router was asked to open."""
    asked: list[Path | None] = []

    def open_router(bundle: Path | None, city: str, backend: str) -> Router:
        assert (city, backend) == ("haikou", "onnxruntime")
        asked.append(bundle)
        return load(router, bundle) if bundle else router

    monkeypatch.setattr(bundle_start, "open_router", open_router)
    return asked


def test_the_stored_bundle_goes_first_and_the_other_is_not_read(
    settings: Settings, opened: list[Path | None], bundles: Path
) -> None:
    store = Store.of(settings)
    assert open_in_force(settings, store).bundle.folder == bundles / "two"
    told = settings.model_copy(update={"stored_bundle": False})
    assert open_in_force(told, store).bundle.folder == bundles / "one"
    assert opened == [bundles / "two", bundles / "one"]
    store.close()


def test_back_to_the_start_means_what_the_settings_name_by_now(settings: Settings, opened: list[Path | None]) -> None:
    store = Store.of(settings)
    stored = BundleStore(store)
    first = stored.history()[-1]
    stored.add([Draft(first.bundle, Action.ROLLBACK, "admin")], stored.head(), "two")
    assert stored_revision(stored) is None
    assert open_in_force(settings.model_copy(update={"bundle": None}), store).bundle.version == "bundle-1"
    assert opened == [None]
    store.close()


def test_a_stored_bundle_that_is_gone_is_told_with_the_way_out(
    settings: Settings, opened: list[Path | None], bundles: Path
) -> None:
    shutil.rmtree(bundles / "two")
    store = Store.of(settings)
    with pytest.raises(DispatchError, match=r"bundle\.json.*DISPATCH_STORED_BUNDLE") as caught:
        open_in_force(settings, store)
    assert caught.value.kind is ErrorKind.INVALID_BUNDLE
    assert opened == [bundles / "two"]
    store.close()
