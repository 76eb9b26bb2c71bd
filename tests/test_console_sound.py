import subprocess
import sys

import pytest

from serving.console.sound import sounds


@pytest.mark.parametrize(("character", "expected"), [("重", {"zhong", "chong"}), ("绿", {"lv"}), ("龙", {"long"})])
def test_every_reading_is_given(character: str, expected: set[str]) -> None:
    assert expected <= set(sounds(character))
    assert all(sound.isascii() and sound.islower() for sound in sounds(character))


@pytest.mark.parametrize("character", ["a", "3", "，", "（", "!"])
def test_what_is_no_chinese_character_has_no_reading(character: str) -> None:
    assert sounds(character) == ()


def test_the_dictionary_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys, serving.console.mount; print('pypinyin' in sys.modules)"
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
