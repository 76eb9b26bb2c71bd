"""What bundle a service starts with: the one last put in force, or else the one its settings name."""

from collections.abc import Iterator
from contextlib import contextmanager

from dispatch_model.errors import DispatchError
from serving.bundles.store import Action, BundleStore, Revision
from serving.routing import Router, open_router
from serving.settings import Settings
from serving.store.store import Store


def stored_revision(store: BundleStore) -> Revision | None:
    """The revision to start with; None: the bundle of the settings.

    Going back to what the service had been started with means the settings, whatever they name by now: a new release
    brings another bundle in the same place.
    """
    current = store.current()
    if current is None or store.origin(current).action is Action.SHIPPED:
        return None
    return current


def open_in_force(settings: Settings, store: Store) -> Router:
    """The router to serve with; the bundle of the settings is not even read where another is in force.

    :raises DispatchError: INVALID_BUNDLE and as `open_router`.
    """
    current = stored_revision(BundleStore(store)) if settings.stored_bundle else None
    if current is None:
        return open_router(settings.bundle, settings.city, settings.backend)
    with way_out(current):
        return open_router(current.bundle.folder, settings.city, settings.backend)


@contextmanager
def way_out(current: Revision) -> Iterator[None]:
    """Whatever is wrong with the stored bundle is told with what to do about it."""
    try:
        yield
    except DispatchError as error:
        told = "请恢复该模型包，或设 stored_bundle = false（DISPATCH_STORED_BUNDLE）以设置中的模型包启动"
        message = f"数据库中现行的模型包 {current.version} 不能载入：{error.message}{told}。"
        raise DispatchError(error.kind, message, field=error.field, details=error.details) from None
