from pathlib import Path

from tokenizers import Tokenizer

from dispatch_model.labels import LabelMaps
from training.config import TrainingConfig
from training.invented_calls import load_invented_calls
from training.prepare import Part, data_fingerprint, load_parts
from training.splits import text_group
from training.targets import MISSING


def test_parts_are_disjoint_and_named(tiny_parts: dict[str, Part]) -> None:
    assert list(tiny_parts) == ["train", "validation", "test", "calls"]
    ids = [name for part in tiny_parts.values() for name in part.rows["id"]]
    assert len(ids) == len(set(ids))


def test_texts_and_targets_go_row_by_row(tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    for part in tiny_parts.values():
        assert len(part) == len(part.texts) == len(part.bare) == len(part.rows["id"])
        for row, code in enumerate(part.rows["category"]):
            found = part.targets["category"][row]
            assert (maps.leaves[found] if found != MISSING else None) == code


def test_the_title_is_in_the_text_and_not_in_the_bare_one(tiny_parts: dict[str, Part]) -> None:
    titles = [bool(title) for title in tiny_parts["train"].rows["title"]]
    assert 0 < sum(titles) < len(titles)
    for titled, text, bare in zip(titles, tiny_parts["train"].texts, tiny_parts["train"].bare, strict=True):
        assert text.startswith("反映问题。") == titled
        assert not bare.startswith("反映问题。")


def test_a_call_never_teaches_a_case_of_another_part(tiny_parts: dict[str, Part]) -> None:
    held_out = {*tiny_parts["validation"].rows["id"], *tiny_parts["test"].rows["id"]}
    taught = [name for name in tiny_parts["train"].rows["id"] if name.endswith("#call")]
    assert taught
    assert not {name.removesuffix("#call") for name in taught} & held_out


def test_some_call_was_left_out_for_its_case_is_in_validation(tiny_parts: dict[str, Part], tiny_data: Path) -> None:
    lines = (tiny_data / "dialogues.jsonl").read_text(encoding="utf-8").splitlines()
    used = [name for part in tiny_parts.values() for name in part.rows["id"] if name.endswith("#call")]
    assert len(used) < len(lines)


def test_no_text_group_is_in_train_and_validation(tiny_parts: dict[str, Part]) -> None:
    train, validation = (
        {text_group(text) for text in tiny_parts[name].rows["text"]} for name in ("train", "validation")
    )
    assert not train & validation


def test_without_dialogues_there_are_no_calls(tiny_config: TrainingConfig, maps: LabelMaps) -> None:
    data = tiny_config.data.model_copy(update={"dialogues": False})
    parts = load_parts(tiny_config.model_copy(update={"data": data}), maps)
    assert list(parts) == ["train", "validation", "test"]
    assert not any(name.endswith("#call") for name in parts["train"].rows["id"])


def test_titles_are_dropped_from_a_share_of_the_rows(tiny_parts: dict[str, Part], tiny_base: Path) -> None:
    part, tokenizer = tiny_parts["train"], Tokenizer.from_file(str(tiny_base / "tokenizer.json"))
    full = part.token_ids(tokenizer, 48)
    assert part.mixed_ids(tokenizer, 48, 0.0, seed=1) == full
    bare = part.mixed_ids(tokenizer, 48, 1.0, seed=1)
    half = part.mixed_ids(tokenizer, 48, 0.5, seed=1)
    assert bare != full
    assert half not in (full, bare)
    assert all(mixed in pair for mixed, *pair in zip(half, full, bare, strict=True))
    assert half == part.mixed_ids(tokenizer, 48, 0.5, seed=1)
    assert half != part.mixed_ids(tokenizer, 48, 0.5, seed=2)


def test_the_data_fingerprint_follows_ids_and_every_label(tiny_parts: dict[str, Part]) -> None:
    part = tiny_parts["train"]
    names = [head for head in part.targets if head in part.rows] + ["id", "taidi_label"]
    prints = {
        data_fingerprint(Part({**part.rows, name: [*part.rows[name][:-1], "另一个"]}, [], [], {})) for name in names
    }
    assert {"kind", "flags", "category", "handler_level"} < set(names)
    assert len(prints | {data_fingerprint(part)}) == len(names) + 1
    assert data_fingerprint(part) == data_fingerprint(Part(dict(part.rows), [], [], {}))


def test_no_call_teaches_a_case_that_is_kept_for_promises(tiny_config: TrainingConfig, maps: LabelMaps) -> None:
    data = tiny_config.data.model_copy(update={"promise_share": 0.4})
    parts = load_parts(tiny_config.model_copy(update={"data": data}), maps)
    assert list(parts) == ["train", "validation", "test", "promise", "calls"]
    kept = set(parts["promise"].rows["id"])
    assert kept
    assert not {name.removesuffix("#call") for name in parts["train"].rows["id"]} & kept


def test_invented_calls_teach_and_nothing_else(tiny_config: TrainingConfig, maps: LabelMaps) -> None:
    data = tiny_config.data.model_copy(update={"invented_calls": True})
    without = load_parts(tiny_config, maps)
    parts = load_parts(tiny_config.model_copy(update={"data": data}), maps)
    added = set(parts["train"].rows["id"]) - set(without["train"].rows["id"])
    assert added == set(load_invented_calls()["id"])
    assert all(parts[name].rows["id"] == without[name].rows["id"] for name in without if name != "train")
