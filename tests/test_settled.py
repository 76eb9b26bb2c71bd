from datetime import UTC, datetime
from pathlib import Path

import pytest

from dispatch_model.errors import DispatchError
from dispatch_model.labels import LabelMaps
from dispatch_model.settled_label import settle
from training.config import TrainingConfig
from training.prepare import data_fingerprint, load_parts, load_splits
from training.settled import with_settled

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def config_with(config: TrainingConfig, path: Path) -> TrainingConfig:
    return config.model_copy(update={"data": config.data.model_copy(update={"settled": str(path)})})


def first_of(config: TrainingConfig, name: str) -> tuple[str, str]:
    """A read case of a split that was not retold as a call, and its function."""
    splits = load_splits(config)
    called = {one.removesuffix("#call") for part in splits.values() for one in part["id"] if one.endswith("#call")}
    rows = splits[name]
    return next(
        (case, label)
        for case, label in zip(rows["id"], rows["function"], strict=True)
        if label and case.removesuffix("#call") not in called
    )


def test_settled_labels_teach_in_place_of_those_of_the_data(
    tmp_path: Path, tiny_config: TrainingConfig, maps: LabelMaps
) -> None:
    path = tmp_path / "settled.csv"
    changed, was = first_of(tiny_config, "train")
    dropped, held = first_of(tiny_config, "validation")
    settle(path, (changed, "function"), "change", before=was, after="燃气", by="wang", at=NOW)
    settle(path, (dropped, "function"), "drop", before=held, after="", by="wang", at=NOW)
    parts = load_parts(config_with(tiny_config, path), maps)
    plain = load_parts(tiny_config, maps)
    now = dict(zip(parts["train"].rows["id"], parts["train"].rows["function"], strict=True))
    assert now[changed] == "燃气"
    assert dict(zip(parts["validation"].rows["id"], parts["validation"].rows["function"], strict=True))[dropped] is None
    assert data_fingerprint(parts["train"]) != data_fingerprint(plain["train"])
    differing = sum(a != b for a, b in zip(now.values(), plain["train"].rows["function"], strict=True))
    assert differing == 1


def test_a_call_gets_the_label_of_its_case(tmp_path: Path, tiny_config: TrainingConfig) -> None:
    path = tmp_path / "settled.csv"
    splits = load_splits(tiny_config)
    call = next(one for one in splits["train"]["id"] if one.endswith("#call"))
    was = splits["train"]["level"][splits["train"]["id"].index(call)]
    settle(path, (call.removesuffix("#call"), "level"), "change", before=was, after="村居", by="wang", at=NOW)
    train = with_settled(splits, path)["train"]
    assert train["level"][train["id"].index(call)] == "村居"


def test_a_label_that_is_no_longer_what_was_settled_stays(tmp_path: Path, tiny_config: TrainingConfig) -> None:
    path = tmp_path / "settled.csv"
    case, was = first_of(tiny_config, "train")
    settle(path, (case, "function"), "change", before="从前的", after="燃气", by="wang", at=NOW)
    train = with_settled(load_splits(tiny_config), path)["train"]
    assert train["function"][train["id"].index(case)] == was


def test_a_label_that_was_kept_or_taken_back_changes_nothing(tmp_path: Path, tiny_config: TrainingConfig) -> None:
    path = tmp_path / "settled.csv"
    case, was = first_of(tiny_config, "train")
    line = settle(path, (case, "function"), "change", before=was, after="燃气", by="wang", at=NOW)
    settle(path, line.key, "undo", before="燃气", after=was, by="wang", at=NOW, seen=line)
    settle(path, line.key, "keep", before=was, after=was, by="wang", at=NOW)
    splits = load_splits(tiny_config)
    assert with_settled(splits, path)["train"]["function"] == splits["train"]["function"]


def test_the_test_split_is_frozen(tmp_path: Path, tiny_config: TrainingConfig) -> None:
    path = tmp_path / "settled.csv"
    case, was = first_of(tiny_config, "test")
    settle(path, (case, "function"), "change", before=was, after="燃气", by="wang", at=NOW)
    with pytest.raises(DispatchError, match=f"测试集的工单 {case}"):
        load_splits(config_with(tiny_config, path))


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path, tiny_config: TrainingConfig) -> None:
    with pytest.raises(DispatchError, match="没有定案标注"):
        load_splits(config_with(tiny_config, tmp_path / "settled.csv"))
