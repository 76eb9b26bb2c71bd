import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from dispatch_model.backend import DEFAULT
from dispatch_model.bundle import MANIFEST, Bundle, Manifest, read_manifest
from dispatch_model.encoder import HEADS, Encoder, Predictions
from dispatch_model.labels import LabelMaps
from dispatch_model.router import Router
from tests.canned import CannedRouter
from tests.test_bundle import edited, sealed
from training import gate_safety
from training.gate_safety import Recalled, masking_finding, parity_finding, violation_finding
from training.graph import CHOICE_HEADS
from training.parity import ParityRow

EVERY = [ParityRow(step, head, 100, 0.002, 0.001) for step in gate_safety.STEPS for head in CHOICE_HEADS]


def manifest(tmp_path: Path, maps: LabelMaps, rows: Sequence[ParityRow]) -> Manifest:
    sealed(tmp_path, maps)
    edited(tmp_path, lambda content: content["metrics"].update(parity=[asdict(row) for row in rows]))
    return read_manifest(tmp_path)


def test_parity_must_be_recorded_for_every_step_and_head(tmp_path: Path, maps: LabelMaps) -> None:
    assert parity_finding(manifest(tmp_path, maps, EVERY)).passed
    lacking = parity_finding(manifest(tmp_path, maps, EVERY[1:]))
    assert not lacking.passed
    assert f"缺：torch→fp32 {CHOICE_HEADS[0]}" in lacking.rule
    assert not parity_finding(manifest(tmp_path, maps, [])).passed


def test_parity_is_held_against_the_bounds_of_today(tmp_path: Path, maps: LabelMaps) -> None:
    worse = ParityRow("torch→int8", CHOICE_HEADS[0], 100, 0.02, 0.0)
    found = parity_finding(manifest(tmp_path, maps, [*EVERY, worse]))
    assert not found.passed
    assert f"超出：torch→int8 {CHOICE_HEADS[0]}" in found.rule
    assert "最多 2.00%" in found.rule


@pytest.mark.parametrize(
    ("card", "report", "said", "told"),
    [
        ("# 模型卡\n强项：路灯", "<p>通过</p>", "note", ""),
        ("联系人 13812345678", "<p>通过</p>", "note", "card.md 有[电话]"),
        ("# 模型卡", "<td>13812345678</td>", "note", "报告 有[电话]"),
        ("# 模型卡", "<p>通过</p>", "请回电13812345678", "bundle.json 有[电话]"),
    ],
)
def test_personal_data_in_card_manifest_or_report_are_found(
    tmp_path: Path, maps: LabelMaps, card: str, report: str, said: str, told: str
) -> None:
    sealed(tmp_path, maps)
    (tmp_path / "card.md").write_text(card, encoding="utf-8")
    edited(tmp_path, lambda content: content.update(bounds={"auto": said}))
    found = masking_finding(tmp_path, report)
    assert found.passed is not bool(told)
    assert told in found.rule
    assert "13812345678" not in found.model_dump_json()


def test_a_digest_is_no_number_of_a_person(tmp_path: Path, maps: LabelMaps) -> None:
    sealed(tmp_path, maps)
    content = json.loads((tmp_path / MANIFEST).read_text(encoding="utf-8"))
    content["sha256"]["model.onnx"] = "ab13812345678" + "c" * 51
    (tmp_path / MANIFEST).write_text(json.dumps(content), encoding="utf-8")
    assert masking_finding(tmp_path, "").passed


def test_violations_are_counted_over_random_pairs() -> None:
    router = cast(Router, CannedRouter())
    good = violation_finding(router, ["路灯不亮"], 70)
    assert (good.passed, good.n) == (True, 70)
    assert "违反 0 件" in good.rule
    bad = violation_finding(router, ["路灯不亮", "越权"], 70)
    assert not bad.passed


def test_pairs_are_of_this_city_and_the_same_each_time() -> None:
    router = cast(Router, CannedRouter())
    cases = list(gate_safety.random_cases(router, ["路灯不亮"], 40))
    assert cases == list(gate_safety.random_cases(router, ["路灯不亮"], 40))
    names = {region.name for region in router.city.regions.values()}
    streets = {case.address.street for case in cases if case.address and case.address.street}
    assert len(streets) > 5
    assert streets <= names


class Counting:
    """An encoder that answers with the length of a text and counts what it is asked."""

    def __init__(self) -> None:
        self.bundle, self.backend_name = cast(Bundle, None), DEFAULT
        self.asked: list[str] = []

    def predict(self, texts: Sequence[str]) -> Predictions:
        self.asked += texts
        columns: dict[str, Any] = dict.fromkeys(HEADS, np.array([[len(text)] for text in texts], dtype=np.float32))
        return Predictions(**columns)


def test_a_recalled_answer_is_not_computed_again() -> None:
    encoder = Counting()
    known = encoder.predict(["一", "二二"])
    recalled = Recalled(cast(Encoder, encoder), ["一", "二二"], known)
    found = recalled.predict(["三三三", "二二", "三三三", "一"])
    assert encoder.asked == ["一", "二二", "三三三"]
    assert found.category[:, 0].tolist() == [3, 2, 3, 1]
