"""The invented calls that teach: labelled from the maps, unlike those that judge, and refused with their line."""

import json
from collections import Counter
from pathlib import Path

import pytest

from dispatch_model import privacy
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from dispatch_model.transcript import model_text, parse
from training.invented_calls import load_invented_calls
from training.targets import encode_targets

JUDGES = Path(__file__).with_name("dialogues.jsonl")
CALL = {
    **{"id": "x-1", "city": "", "category": "010203", "function": "教育", "level": "区", "kind": "咨询"},
    "text": "坐席：您好。 市民：我孩子上学的事。",
}


def test_calls_carry_labels_of_the_maps_and_say_nothing_of_the_handler(maps: LabelMaps) -> None:
    rows = load_invented_calls()
    targets = encode_targets({name: list(rows[name]) for name in rows.column_names}, maps)
    assert all((targets[head] >= 0).all() for head in ("category", "function", "level", "kind"))
    assert all((targets[head] < 0).all() for head in ("handler_function", "handler_level", "flags", "taidi"))
    assert set(rows["split"]) == {"train"}
    assert len(set(rows["id"])) == len(rows)


def test_calls_cover_every_top_category_and_most_functions(maps: LabelMaps) -> None:
    rows = load_invented_calls()
    assert {code[:2] for code in rows["category"]} == {leaf[:2] for leaf in maps.leaves}
    assert len(Counter(rows["function"])) >= 30


def test_calls_are_two_sided_and_hold_no_numbers_to_mask() -> None:
    for name, text in zip(*(load_invented_calls()[column] for column in ("id", "text")), strict=True):
        speakers = Counter(turn.speaker for turn in parse(text))
        assert min(speakers["agent"], speakers["citizen"]) >= 4, name
        masked = privacy.mask(text).text
        assert not any(tag in masked for tag in ("[电话]", "[身份证]", "[银行卡]", "[车牌]", "[邮箱]")), name


def test_what_teaches_shares_no_sentence_with_what_judges() -> None:
    judges = [json.loads(line) for line in JUDGES.read_text(encoding="utf-8").splitlines()]
    told = {piece for call in judges for piece in _pieces(call["text"])}
    for name, text in zip(*(load_invented_calls()[column] for column in ("id", "text")), strict=True):
        shared = told & _pieces(text)
        assert not shared, (name, sorted(shared)[:3])


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text("\n".join([json.dumps(CALL), json.dumps({**CALL, "category": "0102"})]), encoding="utf-8")
    with pytest.raises(DispatchError, match="第 2 行") as caught:
        load_invented_calls(file)
    assert caught.value.kind is ErrorKind.INVALID_CONFIG


def _pieces(text: str) -> set[str]:
    """Runs of 24 characters of what the encoder reads: shorter ones are how everybody speaks."""
    told = model_text(parse(text))
    return {told[start : start + 24] for start in range(len(told) - 23)}
