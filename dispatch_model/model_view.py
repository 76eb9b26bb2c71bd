"""What the model alone says of a case, shown beside what the rules made of it."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dispatch_model.cases import ModelView, Reason, Suggestion
from dispatch_model.encoder import Predictions
from dispatch_model.labels import LabelMaps
from dispatch_model.promise import PlausibleSets

TOP = 5
SURE_OF_DUTY = 0.6  # from here on a different duty is worth a line to the operator

Floats = NDArray[np.floating]


def model_view(maps: LabelMaps, predictions: Predictions, row: int, functions: Floats, levels: Floats) -> ModelView:
    """Top five per head for one case.

    :param row: of the case among `predictions`.
    :param functions: [F] log-probabilities, duty and practice blended; `levels`: [L], the same.
    """
    flags = zip(maps.flags, predictions.flags[row].tolist(), strict=True)
    return ModelView(
        function=_top(tuple(maps.functions), functions),
        level=_top(maps.levels, levels),
        duty_function=_top(tuple(maps.functions), predictions.function[row]),
        duty_level=_top(maps.levels, predictions.level[row]),
        category=_top(maps.leaves, predictions.category[row]),
        kind=_top(maps.kinds, predictions.kind[row]),
        flags=tuple((flag, round(p, 4)) for flag, p in flags),
    )


def duty_note(suggestions: Sequence[Suggestion], view: ModelView) -> tuple[Reason, ...]:
    """Says so when practice and duty point to different functions."""
    function, probability = view.duty_function[0]
    if not suggestions or suggestions[0].unit.function == function or probability < SURE_OF_DUTY:
        return ()
    told = f"按职责更像由{function}·{view.duty_level[0][0]}主办（{probability:.2f}），以往同类多由首选单位办理；请留意"
    return (Reason(source="model", text=told),)


def plausible_note(sets: PlausibleSets | None, functions: Mapping[str, float]) -> tuple[Reason, ...]:
    """Names the functions that cannot be ruled out, where there is more than one.

    :param functions: probability of each, duty and practice blended.
    """
    names = sets.among(functions) if sets else ()
    if sets is None or len(names) < 2:
        return ()
    listed = "、".join(names[:TOP]) + (f" 等 {len(names)} 个" if len(names) > TOP else "")
    told = f"不能排除的职能：{listed}（各职能的工单有 {sets.coverage:.0%} 落在这样的集合里）"
    return (Reason(source="model", text=told),)


def _top(labels: Sequence[str], log_probability: Floats) -> tuple[tuple[str, float], ...]:
    best = np.argsort(-log_probability, kind="stable")[:TOP]
    probabilities = np.exp(log_probability[best]).tolist()
    return tuple((labels[index], round(p, 6)) for index, p in zip(best.tolist(), probabilities, strict=True))
