"""The one folder whose subfolders may be loaded while the service runs: nobody names a path of their own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dispatch_model.bundle import MANIFEST, read_manifest
from dispatch_model.errors import DispatchError, ErrorKind, near


@dataclass(frozen=True)
class Available:
    """A subfolder that holds a bundle.json.

    :param name: what it is asked for by.
    :param problem: why it could not be loaded, as far as its bundle.json tells; '' for none.
    """

    name: str
    folder: Path
    version: str = ""
    created: str = ""
    problem: str = ""


class BundleFolder:
    """The bundles of a folder.

    :param root: None: nothing may be loaded.
    """

    def __init__(self, root: Path | None) -> None:
        self._root = root.resolve() if root else None

    def find(self, name: str) -> Path:
        """The folder of the bundle that `name`, or the whole path, names.

        :raises DispatchError: FORBIDDEN without a folder, NOT_FOUND with near names.
        """
        if self._root is None:
            told = (
                "没有设置 bundles_dir（DISPATCH_BUNDLES_DIR），运行中不能载入模型包；请设为存放模型包的文件夹，再重启。"
            )
            raise DispatchError(ErrorKind.FORBIDDEN, told, field="bundles_dir")
        folders = self._folders(self._root)
        found = folders.get(name) or folders.get(name.removeprefix(f"{self._root}/").rstrip("/"))
        if found is None:
            told = near(name, folders) or f"现有：{'、'.join(folders) or '无'}"
            message = f"{self._root} 中没有名为 {name} 的模型包（含 {MANIFEST} 的子文件夹）；{told}。"
            raise DispatchError(ErrorKind.NOT_FOUND, message, field="path", value=name)
        return found

    def available(self) -> tuple[Available, ...]:
        """What may be loaded, by name."""
        if self._root is None:
            return ()
        return tuple(_describe(name, folder) for name, folder in self._folders(self._root).items())

    @staticmethod
    def _folders(root: Path) -> Mapping[str, Path]:
        """Name → folder; a link counts as the folder it stands for now, and only inside `root`."""
        try:
            inside = [(child.name, child.resolve()) for child in sorted(root.iterdir()) if (child / MANIFEST).is_file()]
        except OSError as error:
            told = f"bundles_dir {root} 读不到（{error.strerror}）；请核对该文件夹。"
            raise DispatchError(ErrorKind.NOT_FOUND, told, field="bundles_dir", value=str(root)) from None
        return {name: folder for name, folder in inside if folder.is_relative_to(root)}


def _describe(name: str, folder: Path) -> Available:
    try:
        manifest = read_manifest(folder)
    except DispatchError as error:
        return Available(name, folder, problem=error.message)
    return Available(name, folder, manifest.version, manifest.created)
