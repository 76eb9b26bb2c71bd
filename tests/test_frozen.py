from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from dispatch_model.bundle import Bundle, BundleRef
from dispatch_model.encoder import Encoder
from dispatch_model.errors import DispatchError
from dispatch_model.labels import LabelMaps
from dispatch_model.worked_row import Provenance, WorkedRow
from tests.test_gate_safety import Counting
from training import frozen

if TYPE_CHECKING:
    from training.config import TrainingConfig
    from training.prepare import Part


def worked(number: int, text: str, **told: Any) -> WorkedRow:
    given = {"id": f"work-{number}", "city": "海口市", "date": "2026-11-01", "text": text, "weight": 0.5}
    proof = Provenance(case_id=f"HK-{number}", signal="accept", at="2026-11-01T09:00:00+08:00")
    return WorkedRow.model_validate({**given, "provenance": proof, **told})


def written(path: Path, *rows: WorkedRow) -> Path:
    path.write_text("\n".join(row.model_dump_json() for row in rows), encoding="utf-8")
    return path


def test_the_frozen_test_is_the_one_evaluations_read(
    tiny_config: "TrainingConfig", tiny_parts: "dict[str, Part]", maps: LabelMaps
) -> None:
    part = frozen.frozen_test(tiny_config, maps)
    assert part.rows["id"] == tiny_parts["test"].rows["id"]
    assert part.texts == tiny_parts["test"].texts
    assert frozen.fingerprint(part) == frozen.fingerprint(tiny_parts["test"])
    assert frozen.fingerprint(part) != frozen.fingerprint(part.untitled()), "titles are part of what is read"


def test_decisions_bring_the_labels_they_know(tmp_path: Path, maps: LabelMaps) -> None:
    path = written(
        tmp_path / "rows.jsonl",
        worked(1, "巷口的井盖松了", handler_function="市政环卫", handler_level="区"),
        worked(2, "工地半夜打桩", function="城管", level="区", handler_function="城管", handler_level="区"),
    )
    part = frozen.decided(path, maps)
    assert part.rows["id"] == ["work-1", "work-2"]
    functions = list(maps.functions)
    assert part.targets["handler_function"].tolist() == [functions.index("市政环卫"), functions.index("城管")]
    assert part.targets["function"].tolist()[1] == functions.index("城管")
    assert part.targets["function"][0] < 0


def test_what_the_challenger_learned_is_no_test_of_it(tmp_path: Path, maps: LabelMaps) -> None:
    told = {"handler_function": "城管", "handler_level": "区"}
    path = written(tmp_path / "rows.jsonl", worked(1, "门口3棵树倒了", **told), worked(2, "摊贩占道", **told))
    learned = written(tmp_path / "learned.jsonl", worked(3, "门口 5 棵树倒了。", **told))
    assert len(frozen.decided(path, maps)) == 2
    assert frozen.decided(path, maps, learned=learned).rows["text"] == ["摊贩占道"]
    with pytest.raises(DispatchError, match="共 2 行"):
        frozen.decided(path, maps, learned=path)


def test_a_row_that_is_none_or_not_masked_is_told_by_its_line(tmp_path: Path, maps: LabelMaps) -> None:
    path = written(tmp_path / "rows.jsonl", worked(1, "回电13812345678"))
    with pytest.raises(DispatchError, match="第 1 行") as caught:
        frozen.decided(path, maps)
    assert "[电话]" in str(caught.value)
    assert "13812345678" not in str(caught.value)


def test_a_bundle_answers_a_part_once(tmp_path: Path, tiny_parts: "dict[str, Part]") -> None:
    encoder = Counting()
    ref = BundleRef("tiny+1", tmp_path, "a" * 64)
    encoder.bundle = cast(Bundle, type("Known", (), {"ref": ref, "version": ref.version}))
    part = tiny_parts["test"]
    first = frozen.answers(cast(Encoder, encoder), part, tmp_path / "kept")
    again = frozen.answers(cast(Encoder, encoder), part, tmp_path / "kept")
    assert encoder.asked == part.texts
    assert np.array_equal(first.category, again.category)
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.name == f"{'a' * 12}-{frozen.fingerprint(part)}.npz"


def test_a_data_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match=r"cases\.jsonl\.gz"):
        frozen.data_files(tmp_path)
