from typing import Any

import numpy as np
import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from training.targets import MISSING, TAIDI_CLASSES, encode_targets, parent_membership, taidi_membership

NOTHING: dict[str, list[Any]] = {
    name: [None]
    for name in ("category", "handler_function", "handler_level", "function", "level", "kind", "flags", "taidi_label")
}


def test_labels_become_their_place_in_the_maps(maps: LabelMaps) -> None:
    columns = NOTHING | {"category": ["030501"], "function": ["城管"], "level": ["镇街"], "kind": ["投诉"]}
    targets = encode_targets(columns, maps)
    assert maps.leaves[targets["category"][0]] == "030501"
    assert list(maps.functions)[targets["function"][0]] == "城管"
    assert maps.levels[targets["level"][0]] == "镇街"
    assert maps.kinds[targets["kind"][0]] == "投诉"
    assert parent_membership(maps)[0][targets["parent"][0]] == "0305"


def test_what_is_not_known_is_missing(maps: LabelMaps) -> None:
    targets = encode_targets(NOTHING, maps)
    assert all((values == MISSING).all() for values in targets.values())
    assert targets["flags"].shape == (1, len(maps.flags))


def test_a_four_digit_category_is_known_at_four_digits_only(maps: LabelMaps) -> None:
    targets = encode_targets(NOTHING | {"category": ["0305"]}, maps)
    assert targets["category"][0] == MISSING
    assert parent_membership(maps)[0][targets["parent"][0]] == "0305"


def test_no_flag_is_not_an_unknown_flag(maps: LabelMaps) -> None:
    columns = {name: values * 3 for name, values in NOTHING.items()} | {"flags": [None, [], ["vague"]]}
    flags = encode_targets(columns, maps)["flags"]
    assert (flags[0] == MISSING).all()
    assert flags[1].tolist() == [0] * len(maps.flags)
    assert np.flatnonzero(flags[2]).tolist() == [maps.flags.index("vague")]


def test_no_rows_give_empty_targets(maps: LabelMaps) -> None:
    targets = encode_targets({name: [] for name in NOTHING}, maps)
    assert targets["flags"].shape == (0, len(maps.flags))
    assert targets["category"].shape == (0,)


@pytest.mark.parametrize(
    ("column", "value", "what", "hint"),
    [
        ("function", "城管局", "职能", "城管"),
        ("handler_function", "城菅", "职能", "城管"),
        ("level", "镇", "层级", "镇街"),
        ("kind", "投述", "诉求类型", "投诉"),
        ("taidi_label", "交通", "泰迪类别", "交通运输"),
        ("category", "030577", "类别", "0307"),
        ("category", "0377", "类别", "03"),
        ("flags", ["urgnt"], "标记", "urgent"),
    ],
)
def test_a_label_in_no_map_stops_with_near_names(
    maps: LabelMaps, column: str, value: Any, what: str, hint: str
) -> None:
    with pytest.raises(DispatchError) as caught:
        encode_targets(NOTHING | {column: [value]}, maps)
    error = caught.value
    assert error.kind is ErrorKind.INVALID_LABEL_MAP
    assert error.field == what
    assert error.value == (value[0] if isinstance(value, list) else value)
    assert "是否想写" in error.message
    assert hint in error.message.partition("是否想写")[2]


def test_every_leaf_has_one_parent(maps: LabelMaps) -> None:
    parents, members = parent_membership(maps)
    assert members.shape == (len(parents), len(maps.leaves))
    assert (members.sum(axis=0) == 1).all()
    assert members[parents.index("0305"), maps.leaves.index("030501")]


def test_every_coarse_class_is_a_set_of_existing_categories(maps: LabelMaps) -> None:
    members = taidi_membership(maps)
    assert members.shape == (len(TAIDI_CLASSES), len(maps.leaves))
    assert members.any(axis=1).all()
    assert all(prefix in maps.categories for prefixes in TAIDI_CLASSES.values() for prefix in prefixes)
    assert members[list(TAIDI_CLASSES).index("交通运输"), maps.leaves.index("050204")]
    assert not members[list(TAIDI_CLASSES).index("交通运输"), maps.leaves.index("080508")]


def test_rows_that_know_class_and_category_refine_the_sets(maps: LabelMaps) -> None:
    leaf, right = maps.leaves.index("050204"), list(TAIDI_CLASSES).index("城乡建设")
    before = taidi_membership(maps)[right, leaf]
    rows = {"taidi": np.full(9, right), "parent": np.full(9, parent_membership(maps)[0].index("0502"))}
    rows["category"] = np.full(9, MISSING)
    refined = taidi_membership(maps, rows)
    assert refined[right, leaf] > max(0.9, before)
    rows["category"] = np.full(9, leaf)
    sharper, sister = taidi_membership(maps, rows), maps.leaves.index("050202")
    assert sharper[right, leaf] > refined[right, leaf]
    assert sharper[right, sister] == pytest.approx(refined[right, sister])
    assert refined.sum(axis=0) == pytest.approx(np.ones(len(maps.leaves)), abs=1e-5)
