import ctypes
import sys

import pytest

from serving.bundles.give_back import give_back


def test_it_is_asked_of_a_library_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        asked: list[int] = []  # noqa: RUF012 - a stand-in that lives as long as this test

        def __init__(self, _: object) -> None:
            self.malloc_trim = self.asked.append

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", Library)
    assert give_back()
    assert Library.asked == [0]


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not give_back()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not give_back()
