"""What speech recognition does to a text, to train and to judge with: seeded, at a character error rate asked for.

    heard("小区门口的路灯坏了三天", 0.1, random.Random(1))   # 小区门口的路登坏了三天

Errors of sound (homophones, near tones, n/l, zh/z, f/h …), words dropped and said twice, fillers and spoken digits
count for the rate. Missing punctuation and merged speakers come on top: recognisers are not judged by them.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from dispatch_model.transcript import normalise
from training import sounds

UNPUNCTUATED = 0.5  # share of texts that lose all punctuation; the others lose some
SOME = 0.3
TAUGHT = (0.02, 0.15)  # rates to learn from
MERGED = 0.3  # share of turns whose speaker goes unnoticed
FILLERS = ("嗯", "呃", "啊", "那个", "这个", "就是", "就是说", "然后", "那", "对", "哎", "的话")
_LABEL = r"[【\[(（]?(?:坐席|座席|话务员|接线员|客服|市民|来电人|来电者|诉求人|群众|用户)[】\])）]?[:：]"
_KEPT = re.compile(rf"\[[^\[\]]{{1,6}}\]|{_LABEL}")
_LABELS = re.compile(_LABEL)
_DIGITS = str.maketrans("0123456789", "零一二三四五六七八九")
_PLACES = ("", "十", "百", "千")
_TRIES = 40


class Slip(StrEnum):
    """A kind of error."""

    SOUND = "sound"
    DROPPED = "dropped"
    REPEATED = "repeated"
    FILLER = "filler"
    DIGITS = "digits"


SHARES = {Slip.SOUND: 0.62, Slip.DROPPED: 0.12, Slip.REPEATED: 0.06, Slip.FILLER: 0.12, Slip.DIGITS: 0.08}


def spoken(text: str) -> str:
    """The characters an error rate counts: no punctuation, no blanks, no names of speakers."""
    return "".join(char for char in _LABELS.sub("", normalise(text)) if char.isalnum())


def distance(first: str, second: str) -> int:
    """Levenshtein's edit distance, all columns of a row at once (Hyyrö 2003)."""
    if not first:
        return len(second)
    matches: dict[str, int] = {}
    for place, char in enumerate(first):
        matches[char] = matches.get(char, 0) | 1 << place
    full, last = (1 << len(first)) - 1, 1 << (len(first) - 1)
    up, down, found = full, 0, len(first)
    for char in second:
        match = matches.get(char, 0)
        zero = (((match & up) + up) ^ up) | match | down
        right, left = down | (full & ~(zero | up)), up & zero
        found += bool(right & last) - bool(left & last)
        right, left = (right << 1 | 1) & full, (left << 1) & full
        up, down = left | (full & ~(zero | right)), right & zero
    return found


def error_rate(clean: Sequence[str], noisy: Sequence[str]) -> float:
    """Character error rate over many texts."""
    pairs = [(spoken(one), spoken(other)) for one, other in zip(clean, noisy, strict=True)]
    return sum(distance(*pair) for pair in pairs) / max(1, sum(len(one) for one, _ in pairs))


def heard(text: str, rate: float, rng: random.Random, slips: Sequence[Slip] = tuple(Slip)) -> str:
    """The text as a recogniser might have written it.

    :param rate: share of `spoken` characters that are wrong, 0–0.5; 0 leaves the text as it is.
    :param slips: kinds of error to draw from.
    """
    if rate <= 0:
        return text
    draft = _Draft(_words(normalise(text)), rng, tuple(slips))
    count = sum(len(spoken(word.text)) for word in draft.words)
    draft.spoil(int(rate * count + rng.random()))
    return _unmarked(draft.words, rng)


def mixed(texts: Sequence[str], share: float, seed: int) -> list[str]:
    """Texts to learn from, of which about `share` are noisy, each at a rate of its own."""
    rng = random.Random(f"noise/{seed}")
    return [heard(text, rng.uniform(*TAUGHT), rng) if rng.random() < share else text for text in texts]


@dataclass
class _Word:
    """One word, mark or tag; `now` is what was heard."""

    text: str
    now: str
    open: bool = True


@dataclass
class _Draft:
    """A text while it is being spoilt; each word at most once."""

    words: list[_Word]
    rng: random.Random
    slips: tuple[Slip, ...]

    def spoil(self, errors: int) -> None:
        """Spoil words until just so many characters are wrong, or none is left to spoil."""
        left, clean = errors, spoken("".join(word.text for word in self.words))
        for _ in range(4):
            self._spend(left)
            # neighbours that were dropped and added tell for less together
            left = errors - distance(clean, spoken("".join(word.now for word in self.words)))
            if left <= 0:
                return

    def _spend(self, left: int) -> None:
        free = [word for word in self.words if word.open and any(char.isalnum() for char in word.text)]
        failed = 0
        while left > 0 and free and failed < _TRIES:
            word = free[self.rng.randrange(len(free))]
            slip = self.rng.choices(self.slips, [SHARES[slip] for slip in self.slips])[0]
            now = _spoilt(word.text, slip, left, self.rng)
            cost = distance(word.text, now)
            if 0 < cost <= left:
                word.now, word.open = now, False
                free.remove(word)
                left, failed = left - cost, 0
            else:
                failed += 1


def _spoilt(word: str, slip: Slip, left: int, rng: random.Random) -> str:
    """The word after one slip; itself where the slip does not fit it."""
    if slip is Slip.SOUND:
        return _misheard(word, left, rng)
    if slip is Slip.DIGITS:
        return _said(word, rng) if word.isdigit() and word.isascii() else word
    if slip is Slip.DROPPED:
        return "" if len(word) <= 2 else word
    if slip is Slip.FILLER:
        return rng.choice(FILLERS) + word
    return (word if len(word) <= 2 and rng.random() < 0.6 else word[0]) + word


def _misheard(word: str, left: int, rng: random.Random) -> str:
    """Another word of that sound, or one character of it misheard."""
    choices = sounds.words_like(word) if left > 1 and rng.random() < 0.5 else ()
    if choices:
        return _draw(choices, rng)
    place = rng.randrange(len(word))
    choices = sounds.like(word[place])
    return word[:place] + _draw(choices, rng) + word[place + 1 :] if choices else word


def _draw(choices: Sequence[sounds.Choice], rng: random.Random) -> str:
    return rng.choices(choices, [choice.weight for choice in choices])[0].text


def _said(digits: str, rng: random.Random) -> str:
    """A number as it is said: 30 三十, 2018 二零一八, 138 幺三八."""
    if len(digits) <= 4 and digits[0] != "0" and rng.random() < 0.6:
        return _value(digits)
    said = digits.translate(_DIGITS)
    return said.replace("一", "幺") if len(digits) > 2 and rng.random() < 0.5 else said


def _value(digits: str) -> str:
    places = reversed(range(len(digits)))
    told = "".join(
        digit.translate(_DIGITS) + (_PLACES[place] if digit != "0" else "")
        for digit, place in zip(digits, places, strict=True)
    )
    told = re.sub("零+", "零", told).rstrip("零") or "零"
    return told.removeprefix("一") if told.startswith("一十") else told


def _words(text: str) -> list[_Word]:
    """Words, marks, tags; a tag or a speaker's name is never spoilt."""
    words, at = [], 0
    for kept in [*_KEPT.finditer(text), None]:
        words += [_Word(cut, cut) for cut in _cut(text[at : kept.start() if kept else len(text)])]
        if kept:
            words.append(_Word(kept[0], kept[0], open=False))
            at = kept.end()
    return words


def _cut(text: str) -> Iterator[str]:
    """Words; letters and digits that were cut as one apart."""
    for word in sounds.words(text):
        if word.isalnum() and not word.isascii():
            yield word
        else:
            yield from ("".join(run) for _, run in groupby(word, key=_sort))


def _sort(char: str) -> int:
    return 1 if char.isdigit() else 2 if char.isalnum() else 3


def _unmarked(words: Sequence[_Word], rng: random.Random) -> str:
    """The words written down, with the marks and speakers that were noticed."""
    share = 1.0 if rng.random() < UNPUNCTUATED else SOME
    told = []
    for place, word in enumerate(words):
        label = _LABELS.fullmatch(word.now) is not None
        mark = word.open and not any(char.isalnum() for char in word.now)
        lost = (label and place and rng.random() < MERGED) or (mark and word.now and rng.random() < share)
        told.append("" if lost else word.now)
    return "".join(told)
