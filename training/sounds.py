"""Which characters and words sound alike to a speech recogniser: same syllable, another tone, or a near syllable.

Drawn from the 3,755 most common characters (GB2312, first level) and jieba's dictionary, the frequent ones first, as
a recogniser writes what is common.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import jieba
from pypinyin import Style, lazy_pinyin

_FIRST_LEVEL = (bytes((high, low)) for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF))
_SAME_TONE, _OTHER_TONE, _NEAR = 3.0, 1.5, 1.0
_RARE_WORD = 20  # of jieba's counts; below are names and terms a recogniser does not come up with
_RETROFLEX = re.compile(r"^([zcs])h")
_NASAL = re.compile(r"(?<=[iea])ng$")


class Choice(NamedTuple):
    """What may be heard instead, and how likely against the others."""

    text: str
    weight: float


def blurred(syllable: str) -> str:
    """The syllable without what southern ears and recognisers mix up: n/l, r/l, f/h, zh/z, ch/c, sh/s, ing/in.

    :param syllable: pinyin without tone.
    """
    plain = _NASAL.sub("n", _RETROFLEX.sub(r"\1", syllable))
    if plain[:1] == "f":
        plain = {"fu": "hu", "fei": "hui", "fen": "hun"}.get(plain, "hu" + plain[1:])
    return "l" + plain[1:] if plain[:1] in {"n", "r"} and len(plain) > 1 else plain


def like(char: str) -> Sequence[Choice]:
    """Characters that sound like `char`; none for what is no common character."""
    return _Sounds.shared().like(char)


def words_like(word: str) -> Sequence[Choice]:
    """Dictionary words of two characters that sound like `word`; none where there is none."""
    return _Sounds.shared().words_like(word)


def words(text: str) -> Iterator[str]:
    """The text cut into words, as jieba knows them."""
    return _dictionary().cut(text)  # type: ignore[no-any-return]


@cache
def _dictionary() -> jieba.Tokenizer:
    jieba.setLogLevel("WARNING")
    tokenizer = jieba.Tokenizer()
    tokenizer.initialize()
    return tokenizer


class _Sounds:
    """Built once, from dictionaries that travel with jieba and pypinyin."""

    def __init__(self) -> None:
        counts: Mapping[str, int] = _dictionary().FREQ
        self.syllables = dict(_syllables())
        self.commonness = self._commonness(counts)
        self.near: dict[str, list[str]] = {}
        for char, said in self.syllables.items():
            self.near.setdefault(blurred(said[:-1]), []).append(char)
        self.words: dict[tuple[str, ...], list[tuple[str, int]]] = {}
        for word, count in counts.items():
            if len(word) == 2 and count >= _RARE_WORD and all(char in self.syllables for char in word):
                self.words.setdefault(self._key(word), []).append((word, count))
        self.known: dict[str, Sequence[Choice]] = {}

    @staticmethod
    @cache
    def shared() -> "_Sounds":
        return _Sounds()

    def _commonness(self, counts: Mapping[str, int]) -> dict[str, float]:
        """How often each character stands in running text."""
        total = dict.fromkeys(self.syllables, 1.0)
        for word, count in counts.items():
            for char in word:
                if char in total:
                    total[char] += count
        return total

    def _key(self, word: str) -> tuple[str, ...]:
        return tuple(blurred(self.syllables[char][:-1]) for char in word)

    def _likeness(self, char: str, other: str) -> float:
        own, heard = self.syllables[char], self.syllables[other]
        if own == heard:
            return _SAME_TONE
        return _OTHER_TONE if own[:-1] == heard[:-1] else _NEAR

    def like(self, char: str) -> Sequence[Choice]:
        if char not in self.syllables:
            return ()
        if char not in self.known:
            others = (other for other in self.near[blurred(self.syllables[char][:-1])] if other != char)
            weighed = (Choice(other, self._likeness(char, other) * self.commonness[other] ** 0.5) for other in others)
            self.known[char] = tuple(weighed)
        return self.known[char]

    def words_like(self, word: str) -> Sequence[Choice]:
        if len(word) != 2 or any(char not in self.syllables for char in word):
            return ()
        if word not in self.known:
            others = ((other, count) for other, count in self.words.get(self._key(word), ()) if other != word)
            self.known[word] = tuple(
                Choice(other, self._likeness(word[0], other[0]) * self._likeness(word[1], other[1]) * count**0.5)
                for other, count in others
            )
        return self.known[word]


def _syllables() -> Iterator[tuple[str, str]]:
    """Each common character with its usual reading, tone number last (5: none)."""
    chars = [code.decode("gb2312", "ignore") for code in _FIRST_LEVEL]
    for char in filter(None, chars):
        said = lazy_pinyin(char, style=Style.TONE3, neutral_tone_with_five=True, v_to_u=False)[0]
        if said[-1:].isdigit():
            yield char, said
