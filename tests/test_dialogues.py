"""The invented calls of `dialogues.jsonl`, and what the shipped bundle loses on them against their summaries."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from dispatch_model import privacy
from dispatch_model.encoder import Encoder
from dispatch_model.labels import LabelMaps
from dispatch_model.transcript import model_text, parse

CALLS = Path(__file__).with_name("dialogues.jsonl")
# Measured 0.123 of 211; the must is 0.04, missed (docs/experiments.md). This only notices when it gets worse.
MOST_LOST = 0.14


@pytest.fixture(scope="module")
def calls() -> list[dict[str, str]]:
    return [json.loads(line) for line in CALLS.read_text(encoding="utf-8").splitlines()]


def test_calls_cover_every_top_category_with_labels_of_the_maps(calls: list[dict[str, str]], maps: LabelMaps) -> None:
    assert len(calls) >= 60
    assert len({call["id"] for call in calls}) == len(calls)
    assert {call["category"][:2] for call in calls} == {leaf[:2] for leaf in maps.leaves}
    for call in calls:
        assert call["category"] in maps.leaves, call["id"]
        assert call["function"] in maps.functions, call["id"]
        assert call["level"] in maps.levels, call["id"]
        assert call["kind"] in maps.kinds, call["id"]


def test_calls_are_two_sided_and_long(calls: list[dict[str, str]]) -> None:
    for call in calls:
        speakers = Counter(turn.speaker for turn in parse(call["text"]))
        assert min(speakers["agent"], speakers["citizen"]) >= 8, call["id"]
        assert 800 <= len(call["text"]) <= 3000, call["id"]
        assert len(call["summary"]) < 150, call["id"]


def test_calls_hold_no_numbers_to_mask(calls: list[dict[str, str]]) -> None:
    for call in calls:
        masked = privacy.mask(call["text"]).text
        assert not any(tag in masked for tag in ("[电话]", "[身份证]", "[银行卡]", "[车牌]", "[邮箱]")), call["id"]


def test_a_call_is_read_nearly_as_well_as_its_summary(calls: list[dict[str, str]]) -> None:
    encoder = Encoder.open()
    right = {kind: _right(encoder, calls, kind) for kind in ("text", "summary")}
    assert right["text"] >= right["summary"] - MOST_LOST


def _right(encoder: Encoder, calls: list[dict[str, str]], kind: str) -> float:
    """Share of the calls whose function comes first."""
    functions = encoder.bundle.manifest.heads["function"]
    texts = [privacy.mask(model_text(parse(call[kind]))).text for call in calls]
    best = encoder.predict(texts).function.argmax(axis=-1)
    return float(np.mean([functions[index] == call["function"] for index, call in zip(best, calls, strict=True)]))
