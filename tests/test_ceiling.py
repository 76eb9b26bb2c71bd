import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from training.ceiling import label_noise

HEADER = "source,unit,function,level,org_type\n"
UNITS = HEADER + (
    "haikou,路灯所,市政环卫,区,政府部门\nhaikou,街道办,属地政府,镇街,属地\nhaikou,城管局,城管,区,政府部门\n"
    "haikou,其他单位,其他,市,其他\nbeijing_bus,公交客服,公交轨道,市,国企\nshanghai,路灯所,市政环卫,区,政府部门\n"
)


def told(folder: Path, cases: Sequence[tuple[str, str, str]]) -> Path:
    """A data folder of (source, text, unit)."""
    (folder / "units.csv").write_text(UNITS, encoding="utf-8")
    with gzip.open(folder / "cases.jsonl.gz", "wt", encoding="utf-8") as file:
        for source, text, unit in cases:
            file.write(json.dumps({"source": source, "text": text, "unit": unit}, ensure_ascii=False) + "\n")
    return folder


def pairs(count: int, second: str) -> list[tuple[str, str, str]]:
    """Texts said twice, first handled by 路灯所, then by `second`."""
    texts = [chr(ord("一") + number) + "巷路灯不亮" for number in range(count)]
    return [("haikou", f"{text}{digit}。", unit) for text in texts for digit, unit in ((1, "路灯所"), (2, second))]


def test_texts_that_always_went_the_same_way_leave_room_for_everything(tmp_path: Path) -> None:
    found = label_noise(told(tmp_path, pairs(20, "路灯所")))
    assert found["all/function"].texts == 20
    assert found["haikou/unit"].best.value == 1.0
    assert found["haikou/unit"].disputed == 0


def test_half_of_two_opposite_answers_can_be_right(tmp_path: Path) -> None:
    found = label_noise(told(tmp_path, pairs(20, "城管局")))
    assert found["all/function"].best.value == 0.5
    assert found["all/function"].agreement.value == 0.0
    assert found["all/level"].best.value == 1.0  # both units are of the district
    assert found["all/function"].best.n == 40


def test_units_that_mean_nothing_and_blank_texts_are_left_out(tmp_path: Path) -> None:
    cases = [*pairs(20, "其他单位"), *[("haikou", "123", "路灯所")] * 30]
    assert label_noise(told(tmp_path, cases)) == {}


def test_a_source_whose_handler_is_always_the_same_is_left_out(tmp_path: Path) -> None:
    buses = [("beijing_bus", text, "公交客服") for _, text, _ in pairs(20, "")]
    found = label_noise(told(tmp_path, [*pairs(20, "城管局"), *buses]))
    assert found["all/function"].texts == 20
    assert {name.partition("/")[0] for name in found} == {"all", "haikou"}


def test_the_same_text_in_two_cities_is_two_texts(tmp_path: Path) -> None:
    cases = [(source, text, "路灯所") for source in ("haikou", "shanghai") for _, text, _ in pairs(20, "")[::2]]
    assert label_noise(told(tmp_path, cases)) == {}


def test_a_few_repeats_say_nothing(tmp_path: Path) -> None:
    assert label_noise(told(tmp_path, pairs(19, "城管局"))) == {}


def test_missing_cases_are_named(tmp_path: Path) -> None:
    (tmp_path / "units.csv").write_text(UNITS, encoding="utf-8")
    with pytest.raises(DispatchError, match=r"cases\.jsonl\.gz") as caught:
        label_noise(tmp_path)
    assert caught.value.kind is ErrorKind.INVALID_CONFIG
