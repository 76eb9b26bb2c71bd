import sys

import pytest

from serving.give_way import BRISK_SECONDS, giving_way


def test_the_interval_is_short_as_long_as_anyone_is_at_it() -> None:
    before = sys.getswitchinterval()
    one, other = giving_way(), giving_way()
    one.__enter__()
    other.__enter__()
    assert sys.getswitchinterval() == pytest.approx(BRISK_SECONDS)
    one.__exit__(None, None, None)
    assert sys.getswitchinterval() == pytest.approx(BRISK_SECONDS)
    other.__exit__(None, None, None)
    assert sys.getswitchinterval() == pytest.approx(before)


def test_a_failure_ends_it_too() -> None:
    before = sys.getswitchinterval()
    with pytest.raises(ValueError, match="broken"), giving_way():
        raise ValueError("broken")
    assert sys.getswitchinterval() == pytest.approx(before)
