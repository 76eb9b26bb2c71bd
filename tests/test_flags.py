from dataclasses import replace

import numpy as np
import pytest

from dispatch_model.cases import Disposition
from dispatch_model.disposition import ORDER, Thresholds
from dispatch_model.encoder import Floats
from dispatch_model.labels import LabelMaps
from dispatch_model.triggers import HINT, Trigger, Triggers
from training.flags import Judge, flag_figures, service_text, wilson
from training.prepare import Part
from training.scorecard import FlagFigure
from training.targets import MISSING

FLAGS = ("urgent", "refuse", "vague", "multi", "status")
TRIGGERS = Triggers(
    [
        Trigger("E", Disposition.EMERGENCY, "着火", "上次", "119", "火情", "依据"),
        Trigger("D", Disposition.DECLINE, "判决", "", "法院", "诉讼", "依据"),
        Trigger("A", Disposition.ASK, "打错", "", "诉求内容", "没有内容", "依据"),
        Trigger("S", Disposition.ASK, "催单", "", f"{ORDER}或工号", "催办", "依据"),
        Trigger("H", HINT, "流血", "", "120", "危险", "依据"),
    ]
)
JUDGE = Judge(TRIGGERS, Thresholds(), {"", "海口市"})


def says(text: str, *, city: str = "海口市", **flags: float) -> dict[str, tuple[bool, bool, bool]]:
    given = {flag: flags.get(flag, 0.0) for flag in FLAGS}
    return {flag: said for flag, said in JUDGE.says(text, city, given) if any(said)}


@pytest.mark.parametrize(
    ("text", "flag"), [("着火了", "urgent"), ("判决不公", "refuse"), ("打错了", "vague"), ("催单", "status")]
)
def test_a_trigger_says_the_flag_of_its_disposition(text: str, flag: str) -> None:
    assert says(text) == {flag: (True, False, True)}
    assert says("占道", city="海口市", **{flag: 0.5}) == {flag: (False, True, True)}


def test_elsewhere_only_danger_counts() -> None:
    assert says("着火了，判决不公，打错了", city="上海市") == {"urgent": (True, False, True)}
    assert set(says("着火了，判决不公", city="")) == {"urgent", "refuse"}


def test_both_together_are_more_than_either() -> None:
    assert says("流血", urgent=0.2) == {"urgent": (False, False, True)}
    judge = replace(JUDGE, thresholds=Thresholds(urgent=0.2))
    assert dict(judge.says("上次着火", "海口市", {"urgent": 0.3}))["urgent"] == (False, True, False)


def test_the_service_looks_at_all_that_was_said() -> None:
    assert service_text("路灯坏了，电话13812345678", "反映路灯") == "反映路灯。路灯坏了，电话[电话]"
    assert service_text("坐席：请讲。市民：着火了", "") == "坐席：请讲。 市民：着火了"


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (0, 0, 0, 1)]
)
def test_wilson_intervals(hits: int, n: int, low: float, high: float) -> None:
    score = wilson(hits, n)
    assert (score.low, score.high) == pytest.approx((low, high), abs=1e-4)
    assert score.n == n


def figure(figures: list[FlagFigure], flag: str, source: str) -> FlagFigure:
    return next(each for each in figures if (each.flag, each.source) == (flag, source))


def test_figures_count_what_is_said_and_what_is_true(tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    part = tiny_parts["test"]
    read = part.targets["flags"][:, 0] != MISSING
    truth = (part.targets["flags"] == 1) & read[:, None]
    flags: Floats = np.where(truth, 0.9, 0.0)
    flags[np.flatnonzero(read)[0]] = 0.9  # one case is said to be everything
    figures = list(flag_figures("test", part, flags, JUDGE, maps))
    flag = maps.flags[int(truth.any(axis=0).argmax())]
    positives = int(truth[:, list(maps.flags).index(flag)].sum())
    model, triggers = figure(figures, flag, "model"), figure(figures, flag, "triggers")
    assert (model.n, model.recall.n, model.recall.value) == (read.sum(), positives, 1.0)
    assert model.precision.value == pytest.approx(positives / model.precision.n)
    assert (triggers.precision.n, triggers.recall.value, triggers.f1) == (0, 0.0, 0.0)
    assert {each.flag for each in figures} == {
        name for name, seen in zip(maps.flags, truth.any(axis=0), strict=True) if seen
    }


def test_the_judge_of_a_bundle_uses_the_rules_that_travel_with_the_package() -> None:
    from dispatch_model.encoder import Encoder

    judge = Judge.of(Encoder.open(None).bundle.manifest)
    assert {"海口", "海口市", ""} <= set(judge.own)
    assert judge.triggers.fire("楼上着火了")
