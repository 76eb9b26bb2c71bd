import json
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from dispatch_model.encoder import HEADS, Predictions
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from tests.new_city import division
from training import transfer
from training.metrics import Score
from training.prepare import Part
from training.targets import encode_targets
from training.transfer import EVERYTHING, WITHOUT_CITY, WITHOUT_DISTRICTS, Figure

MAPS = LabelMaps.load()
CITY = "云梦市"
MATTERS = (("路灯不亮", "市政环卫"), ("学校招生", "教育"))
ROWS = [(district, text, function) for district in ("江东新区", "安澜区") for text, function in MATTERS] * 12


def part(rows: list[tuple[str, str, str]], city: str = CITY) -> tuple[Part, dict[str, str]]:
    """Cases, and the place of the unit that handled each."""
    texts = [f"{district}{text}" for district, text, _ in rows]
    count = len(rows)
    names = [f"{city}{i}" for i in range(count)]
    columns: dict[str, list[Any]] = {
        "id": names,
        "city": [city] * count,
        **{name: [function for _, _, function in rows] for name in ("handler_function", "function")},
        **{name: ["区"] * count for name in ("handler_level", "level")},
        **{name: [None] * count for name in ("category", "kind", "flags", "taidi_label")},
    }
    made = Part(columns, texts, texts, encode_targets(columns, MAPS))
    return made, dict(zip(names, (district for district, _, _ in rows), strict=True))


def answers(made: Part) -> Predictions:
    """Right about functions, wrong about every level."""
    sizes = {"category": len(MAPS.leaves), "kind": 6, "flags": 5}
    scores: dict[str, Any] = {}
    for head in HEADS:
        labels = len(MAPS.functions) if "function" in head else 4 if "level" in head else sizes[head]
        scores[head] = np.full((len(made), labels), -9.0, dtype=np.float32)
        if "function" in head:
            scores[head][np.arange(len(made)), made.targets["function"]] = 0.0
    return Predictions(**scores)


def found(figures: list[Figure], answer: str, question: str, where: str = "all") -> Score:
    (one,) = [f for f in figures if (f.answers, f.question, f.where, f.top) == (answer, question, where, 1)]
    return one.score


def test_the_bundle_is_judged_by_place() -> None:
    made, places = part(ROWS)
    rows = transfer._rows(made, CITY, places)
    figures = list(transfer.bundle_figures(answers(made), made, rows, frozenset({"安澜区"})))
    assert found(figures, "bundle", "function") == Score(1.0, 1.0, 1.0, len(ROWS))
    assert found(figures, "bundle", "handler_level").value == 0.0
    seen, unseen = (found(figures, "bundle", "function", f"place_{which}").n for which in ("seen", "unseen"))
    assert (seen, unseen) == (24, 24)
    assert found(figures, "bundle", "function", "江东新区").n == 24


def test_what_nobody_told_the_linear_model_it_does_not_know() -> None:
    ours, places = part(ROWS)
    others, _ = part([("安澜区", text, "教育") for text in ("路灯不亮", "学校招生", "停水")] * 8, "星沙市")
    columns = {name: [*values, *others.rows[name]] for name, values in ours.rows.items()}
    texts = [*ours.texts, *others.texts]
    train = Part(columns, texts, texts, encode_targets(columns, MAPS))
    rows = transfer._rows(ours, CITY, places)
    figures = list(transfer.linear_figures({"train": train, "test": ours}, CITY, rows, places, MAPS))
    known = found(figures, EVERYTHING, "handler_function").value
    assert known > found(figures, WITHOUT_CITY, "handler_function").value
    (change,) = [
        f.change for f in figures if f.answers == WITHOUT_CITY and f.question == "handler_function" and f.top == 1
    ]
    assert change is not None
    assert change.value < 0
    assert found(figures, WITHOUT_DISTRICTS, "handler_function").n == len(ROWS)


def test_rows_about_a_district_are_those_it_handled_or_that_name_it() -> None:
    made, places = part([("江东新区", "路灯", "城管"), ("安澜区", "学校", "教育"), ("", "江东路灯", "城管")])
    assert transfer.about(made, frozenset({"江东新区"}), places).tolist() == [True, False, True]


def test_places_are_read_by_a_drafted_directory(tmp_path: Path) -> None:
    made, places = part(ROWS)
    rows = transfer._rows(made, CITY, places)
    figures = list(transfer.place_figures(division(tmp_path), CITY, made, rows, MAPS))
    assert found(figures, "place", "district", "found").value == 1.0
    assert not [one for one in figures if one.question == "street"]


def test_a_city_without_test_rows_is_refused() -> None:
    made, places = part(ROWS)
    with pytest.raises(DispatchError, match="没有“星沙市”的工单，有工单的城市：云梦市") as caught:
        transfer._rows(made, "星沙市", places)
    assert caught.value.kind is ErrorKind.INVALID_CONFIG


def test_figures_are_shown_with_interval_and_change() -> None:
    shown = StringIO()
    one = Figure(WITHOUT_CITY, "all", "level", 1, Score(0.5, 0.4, 0.6, 90), Score(-0.1, -0.2, 0.0, 90))
    transfer.show([one], Console(file=shown, width=200))
    assert "0.500 [0.400, 0.600]" in shown.getvalue()
    assert "-10.0 [-20.0, +0.0]" in shown.getvalue()
    assert json.loads(json.dumps(transfer.told([one])))[0]["score"]["n"] == 90
