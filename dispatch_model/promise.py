"""What a bundle promises of its answers: how often automatic dispatch may be wrong, and which functions are plausible.

Chosen by `dispatch promise` on cases that neither taught nor chose the model, and kept in `bundle.json`.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Scope = Literal["each", "together", "whole"]


class Kept(BaseModel):
    """One threshold and what the cases above it showed.

    :param n: cases above it.
    :param wrong: of these, dispatched to another function, level or place than the one that handled them.
    :param bound: upper bound of the true share of wrong ones, at the confidence of the promise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: float = Field(ge=0, le=1)
    n: int = Field(ge=1)
    wrong: int = Field(ge=0)
    bound: float = Field(ge=0, le=1)


class PlausibleSets(BaseModel):
    """Class-conditional conformal sets: of the cases of each function, `coverage` have it in their set.

    :param cutoffs: function → probability from which it is in the set.
    :param n: cases the cutoffs rest on.
    :param own: functions with a cutoff of their own; the others share one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    coverage: float = Field(gt=0, lt=1)
    cutoffs: dict[str, float]
    n: int
    own: tuple[str, ...]

    def among(self, functions: Mapping[str, float]) -> tuple[str, ...]:
        """The plausible functions of one case, likeliest first.

        :param functions: probability of each, duty and practice blended.
        """
        kept = [name for name, probability in functions.items() if probability >= self.cutoffs.get(name, 0.0)]
        return tuple(sorted(kept, key=lambda name: -functions[name]))


class Promise(BaseModel):
    """P(wrong | dispatched automatically) ≤ `alpha`, with `confidence`.

    :param scope: `each`: of each function, every one with this confidence; `together`: of all of them at once;
        `whole`: of everything dispatched, not of each function.
    :param city: whose directory and rules the answers went by.
    :param rows: which cases: `promise` (neither taught nor chose the model) or `validation` (chose it).
    :param n: how many, dispatched or not.
    :param functions: with their thresholds; all others never go automatically.
    :param whole: all that is dispatched, counted together; its bound is a promise under `whole` only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    alpha: float = Field(gt=0, lt=1)
    confidence: float = Field(gt=0, lt=1)
    scope: Scope
    city: str
    rows: Literal["promise", "validation"]
    n: int
    functions: dict[str, Kept]
    whole: Kept | None
    sets: PlausibleSets | None = None

    def told(self) -> str:
        """The promise in a sentence, as `bundle.json` tells what a threshold was chosen for."""
        limit = f"以 {self.confidence:.0%} 的置信度保证错派不超过 {self.alpha:.0%}"
        if not self.functions:
            return f"不自动派发：依据 {self.n} 件，没有职能能{limit}"
        whom = {"each": "逐个职能", "together": "所有职能同时", "whole": "全部自动派发的工单合计"}[self.scope]
        unfit = "" if self.rows == "promise" else "；所用工单也参与过选型，只作预演"
        about = f"依据 {self.n} 件{self.city}工单，{len(self.functions)} 个职能"
        return f"{whom}{limit}（错派：职能、层级或区域不符）；{about}{unfit}"
