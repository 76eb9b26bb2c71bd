"""Known words found in running text: a fixed word list scanned in one pass, and jieba's word borders."""

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from jieba import Tokenizer


class Hit(NamedTuple):
    """`word` stands at characters [start, end) of the text."""

    start: int
    end: int
    word: str


class Lexicon:
    """Words of two or more characters, looked up by their first two: longest match, left to right."""

    def __init__(self, words: Iterable[str]) -> None:
        self._by_head: dict[str, list[str]] = {}
        for word in sorted(set(words), key=lambda word: (-len(word), word)):
            if len(word) >= 2:
                self._by_head.setdefault(word[:2], []).append(word)

    def scan(self, text: str) -> list[Hit]:
        """Words in the order of the text; none overlaps another."""
        hits: list[Hit] = []
        heads = self._by_head
        at, last = 0, len(text) - 1
        while at < last:
            for word in heads.get(text[at : at + 2], ()):
                if text.startswith(word, at):
                    hits.append(Hit(at, at + len(word), word))
                    at += len(word) - 1
                    break
            at += 1
        return hits


def borders(text: str) -> frozenset[int]:
    """Positions at which jieba begins or ends a word."""
    cuts = [0]
    for word in segmenter().cut(text, HMM=False):
        cuts.append(cuts[-1] + len(word))
    return frozenset(cuts)


def learn(words: Iterable[str]) -> None:
    """Make jieba cut `words` as words; those of its own dictionary keep their frequency."""
    tokenizer = segmenter()
    for word in words:
        if not tokenizer.FREQ.get(word):
            tokenizer.add_word(word)


def is_word(text: str) -> bool:
    """Whether jieba's dictionary knows `text` as a word."""
    return bool(segmenter().FREQ.get(text))


@cache
def segmenter() -> "Tokenizer":
    """The one jieba tokenizer of the process, loaded on first use (half a second).

    Filled by hand: `initialize` would read and write a cache in the shared temporary folder, and log.
    """
    import jieba

    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer
