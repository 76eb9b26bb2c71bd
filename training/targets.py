"""Labels as numbers: one integer per head and row, `MISSING` where a source does not know."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dispatch_model.errors import DispatchError, ErrorKind, near
from dispatch_model.labels import LabelMaps

MISSING = -100  # torch's ignore_index

# Taidi's seven classes as sets of category prefixes (DB44/T 2479-2024). The sets overlap where that
# data does: 电梯 and 食品 are filed under 商贸旅游, 林业 under 城乡建设.
TAIDI_CLASSES: Mapping[str, tuple[str, ...]] = {
    "城乡建设": ("03", "0401", "0406", "0502", "0508", "0509", "0602", "0903", "0904", "1303"),
    "劳动和社会保障": ("08", "0901", "0702"),
    "教育文体": ("0101", "0102", "0103", "0104", "0105", "0106", "0107", "0802"),
    "商贸旅游": ("0108", "0505", "0604", "0703", "0708", "0709", "0904", "10", "11"),
    "环境保护": ("04", "0603"),
    "卫生计生": ("02", "0702"),
    "交通运输": ("05", "0305", "1104"),
}

Targets = dict[str, NDArray[np.int64]]


def taidi_membership(maps: LabelMaps, targets: "Targets | None" = None) -> NDArray[np.float32]:
    """`[7, leaves]` P(Taidi class | leaf category), classes in `TAIDI_CLASSES` order; each leaf sums to 1.

    The sets alone say which classes a leaf may be in, all alike; rows of `targets` that know both, class and
    category, refine this per four digits, and per leaf. At each step what was known before weighs as much as one row.
    """
    sets = [[leaf.startswith(prefixes) for leaf in maps.leaves] for prefixes in TAIDI_CLASSES.values()]
    weight = np.array(sets, dtype=np.float32)
    weight[:, weight.sum(axis=0) == 0] = 1.0  # a leaf in no set says nothing about the class
    weight /= weight.sum(axis=0)
    if targets is not None:
        parents, members = parent_membership(maps)
        counts = np.zeros((len(TAIDI_CLASSES), len(parents)), dtype=np.float32)
        known = (targets["taidi"] != MISSING) & (targets["parent"] != MISSING)
        np.add.at(counts, (targets["taidi"][known], targets["parent"][known]), 1.0)
        weight += counts[:, members.argmax(axis=0)]
        weight /= weight.sum(axis=0)
        leaf = known & (targets["category"] != MISSING)
        np.add.at(weight, (targets["taidi"][leaf], targets["category"][leaf]), 1.0)
    return np.asarray(weight / weight.sum(axis=0), dtype=np.float32)


def parent_membership(maps: LabelMaps) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """The four-digit codes and `[parents, leaves]`: which leaves stand under each."""
    parents = tuple(sorted({leaf[:4] for leaf in maps.leaves}))
    return parents, np.array([[leaf.startswith(parent) for leaf in maps.leaves] for parent in parents])


def _refuse_unknown(values: Sequence[str | None], names: Collection[str], what: str) -> None:
    unknown = sorted({value for value in values if value} - set(names))
    if unknown:
        raise DispatchError(
            ErrorKind.INVALID_LABEL_MAP,
            f"训练数据中的{what} {unknown[0]!r} 不在标签表里，共 {len(unknown)} 个；请更正数据或标签表。"
            + near(unknown[0], names),
            field=what,
            value=unknown[0],
        )


def _indices(values: Sequence[str | None], names: Sequence[str], what: str) -> NDArray[np.int64]:
    _refuse_unknown(values, names, what)
    position = {name: index for index, name in enumerate(names)}
    return np.array([position[value] if value else MISSING for value in values], dtype=np.int64)


def _flags(values: Sequence[list[str] | None], names: Sequence[str]) -> NDArray[np.int64]:
    _refuse_unknown([flag for row in values for flag in row or ()], names, "标记")
    rows = [[MISSING] * len(names) if row is None else [int(name in row) for name in names] for row in values]
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(names))


def encode_targets(rows: Mapping[str, Sequence[Any]], maps: LabelMaps) -> Targets:
    """Integer targets of a corpus (see `corpus.py` for its columns).

    `category` is `[rows]` leaf indices, `parent` `[rows]` four-digit indices (also where only four
    digits are known), `flags` `[rows, flags]` of 0/1; all others `[rows]`. Unknown is `MISSING`.
    Only where some rows came from daily work there are `weight` and `refused` (see `worked.py`).

    :raises DispatchError: INVALID_LABEL_MAP when a label is in no map.
    """
    parents, _ = parent_membership(maps)
    codes: list[str | None] = list(rows["category"])
    _refuse_unknown(codes, maps.categories, "类别")
    known = set(maps.leaves)
    leaves = [code if code in known else None for code in codes]
    functions, levels = tuple(maps.functions), tuple(maps.levels)
    targets = {
        "category": _indices(leaves, maps.leaves, "类别"),
        "parent": _indices([code[:4] if code else None for code in codes], parents, "类别"),
        "handler_function": _indices(rows["handler_function"], functions, "职能"),
        "handler_level": _indices(rows["handler_level"], levels, "层级"),
        "function": _indices(rows["function"], functions, "职能"),
        "level": _indices(rows["level"], levels, "层级"),
        "kind": _indices(rows["kind"], maps.kinds, "诉求类型"),
        "flags": _flags(rows["flags"], maps.flags),
        "taidi": _indices(rows["taidi_label"], tuple(TAIDI_CLASSES), "泰迪类别"),
    }
    return targets | _worked(rows, functions)


def _worked(rows: Mapping[str, Sequence[Any]], functions: Sequence[str]) -> Targets:
    """`weight`, in hundredths, and `refused`, `[rows, functions]` of 0/1, where rows came from daily work."""
    if "weight" not in rows:
        return {}
    refused: list[list[str]] = [row or [] for row in rows["refused"]]
    _refuse_unknown([name for row in refused for name in row], functions, "职能")
    return {
        "weight": np.array([round(100 * weight) for weight in rows["weight"]], dtype=np.int64),
        "refused": np.array([[name in row for name in functions] for row in refused], dtype=np.int64),
    }
