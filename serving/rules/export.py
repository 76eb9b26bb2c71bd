"""`dispatch rules export`: rule sets as files an office can edit, a workbook with drop-downs or CSV."""

from collections.abc import Collection
from pathlib import Path

from dispatch_model import workbook
from dispatch_model.city import City
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from dispatch_model.rules import TITLES, RuleKind, to_csv
from serving.rules.check import shipped_rules


def export(slug: str, kinds: Collection[RuleKind], *, xlsx: Path | None = None, csv: Path | None = None) -> list[Path]:
    """Write the shipped rule sets of a city; the files that were written.

    :param xlsx: one workbook with a sheet per kind.
    :param csv: a file for one kind; for several a folder, made if need be, with a file per kind.
    :raises DispatchError: INVALID_CONFIG, a target cannot be written.
    """
    maps = LabelMaps.load()
    city = City.load(slug, maps)
    shipped = shipped_rules(slug, maps, city)
    contents: dict[Path, bytes] = {}
    if xlsx:
        contents[xlsx] = workbook.write_all({kind: shipped[kind] for kind in kinds}, maps, city)
    if csv:
        for kind in kinds:
            path = csv if len(kinds) == 1 else csv / f"{TITLES[kind]}.csv"
            contents[path] = to_csv(kind, shipped[kind])
    return [_write(path, content) for path, content in contents.items()]


def _write(path: Path, content: bytes) -> Path:
    """Whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        told = f"写不了 {path}（{error.strerror}）；请关闭已打开的文件，或换一个可写的路径。"
        raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="export", value=str(path)) from None
    return path
