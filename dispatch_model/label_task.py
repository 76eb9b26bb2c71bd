"""A case to be labelled by reading, and what was answered: between store, model and annotation tools.

It names no person and holds masked text only.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from dispatch_model.worked_row import Signal, WorkedRow

QUESTIONS = ("category", "function", "level", "kind", "flags")
ONE_ANSWER = ("category", "function", "level", "kind")
DISPUTED: frozenset[Signal] = frozenset({"override", "redispatch", "return"})


class Candidate(BaseModel):
    """A case that could be labelled.

    :param id: number of the case.
    :param signal: what people made of it; None: nobody decided.
    :param told: function that people sent it to; '' where nobody did.
    :param refused: functions that an upheld return says it is not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    city: str = ""
    date: str = ""
    text: str = Field(min_length=1)
    signal: Signal | None = None
    told: str = ""
    refused: tuple[str, ...] = ()

    @classmethod
    def of(cls, row: WorkedRow) -> "Candidate":
        """A case that was decided."""
        return cls(
            id=row.provenance.case_id,
            city=row.city,
            date=row.date,
            text=row.text,
            signal=row.provenance.signal,
            told=row.handler_function or "",
            refused=row.refused,
        )

    @property
    def disputed(self) -> bool:
        """Whether an operator overrode the suggestion, or a unit's return was upheld: these are read first."""
        return self.signal in DISPUTED


class LabelTask(BaseModel):
    """A case that was chosen.

    :param rank: 1 for the most wanted.
    :param worth: how much was hoped from it when it was chosen, 0–1.
    :param guess: the model's answer by question, for the annotator to correct; empty: he is to read unled.
    :param bundle: version of the model that chose.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    case: Candidate
    rank: int = Field(ge=1)
    worth: float = Field(ge=0, le=1)
    guess: dict[str, str] = {}
    bundle: str = ""


class Answer(NamedTuple):
    """One annotator's reading of a case, by question; flags none, one or several, all others one each."""

    values: dict[str, tuple[str, ...]]


class Answered(NamedTuple):
    """A task and its readings."""

    task: LabelTask
    answers: tuple[Answer, ...] = ()


def agreed(answers: Sequence[Answer], question: str) -> tuple[str, ...] | None:
    """What more than half of those who answered a question said; None where there is no such answer."""
    said = [answer.values[question] for answer in answers if question in answer.values]
    return next((value for value in _distinct(said) if 2 * said.count(value) > len(said)), None)


def _distinct(said: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return list(dict.fromkeys(said))
