from typing import get_args

import pytest

from dispatch_model.cases import Disposition, Reason
from serving.cases_wire import State
from serving.words import DISPOSITIONS, SOURCES, STATES


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (DISPOSITIONS, list(Disposition)),
        (STATES, list(State)),
        (SOURCES, get_args(Reason.model_fields["source"].annotation)),
    ],
)
def test_each_value_on_the_wire_has_its_own_word(words: dict[str, str], values: list[str]) -> None:
    assert set(words) == set(values)
    assert len(set(words.values())) == len(words)
