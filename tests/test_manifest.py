from pathlib import Path

import numpy as np
import pytest

from dispatch_model.bundle import Bundle
from training.config import TrainingConfig
from training.graph import CHOICE_HEADS
from training.manifest import portable, practised_cities, validation_scores
from training.prepare import Part
from training.targets import MISSING


def test_no_path_of_this_machine_travels(tiny_bundle: Path) -> None:
    config = Bundle.open(tiny_bundle).manifest.config
    assert not any(Path(str(value)).is_absolute() for section in config.values() for value in section.values())


def test_of_an_absolute_path_only_the_name_stays(tiny_config: TrainingConfig) -> None:
    encoder = tiny_config.encoder.model_copy(update={"base": "hfl/rbt6"})
    fit = tiny_config.fit.model_copy(update={"teacher": str(Path("/srv/models/teacher"))})
    tree = portable(tiny_config.model_copy(update={"encoder": encoder, "fit": fit}))
    assert tree["encoder"]["base"] == "hfl/rbt6"
    assert tree["fit"]["teacher"] == "teacher"


def test_practised_cities_are_those_that_tell_who_handled(tiny_parts: dict[str, Part]) -> None:
    assert practised_cities(tiny_parts["train"]) == ["海口市"]
    rows: dict[str, list[str | None]] = {"city": ["海口市", "宁波市", ""], "handler_function": ["城管", None, "住建"]}
    assert practised_cities(Part(rows, [], [], {})) == ["海口市"]


def test_scores_count_only_what_is_known() -> None:
    outputs = {head: np.log([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]) for head in CHOICE_HEADS}
    targets = {head: np.array([0, 1, MISSING]) for head in CHOICE_HEADS} | {"kind": np.full(3, MISSING)}
    found = validation_scores(outputs, targets)
    assert found["function"]["value"] == pytest.approx(0.5)
    assert found["function"]["n"] == 2
    assert "kind" not in found


def test_the_reference_tells_how_the_best_labels_are_spread(tiny_bundle: Path) -> None:
    reference = Bundle.open(tiny_bundle).manifest.reference
    assert reference is not None
    assert set(reference.labels) == {"category", "function", "level", "kind"}
    for shares in (*(labels.values() for labels in reference.labels.values()), reference.scores):
        assert sum(shares) == pytest.approx(1.0, abs=0.01)
    assert all(len(code) == 2 for code in reference.labels["category"])
