import tempfile
from pathlib import Path

import pytest

from dispatch_model import lexicon
from dispatch_model.lexicon import Hit, Lexicon


def test_longest_word_wins_and_hits_do_not_overlap() -> None:
    found = Lexicon(["占道", "占道经营", "经营"]).scan("占道经营，又占道")
    assert found == [Hit(0, 4, "占道经营"), Hit(6, 8, "占道")]


def test_words_that_share_a_head() -> None:
    assert [hit.word for hit in Lexicon(["停水", "停电"]).scan("停电又停水")] == ["停电", "停水"]


@pytest.mark.parametrize("text", ["", "停", "没有这些词"])
def test_nothing_to_find(text: str) -> None:
    assert Lexicon(["停水", "水"]).scan(text) == []


def test_single_characters_are_ignored() -> None:
    assert Lexicon(["水"]).scan("水水水") == []


def test_word_at_the_very_end() -> None:
    assert Lexicon(["停水"]).scan("又停水") == [Hit(1, 3, "停水")]


def test_borders_are_where_jieba_cuts() -> None:
    cuts = lexicon.borders("办公路段")
    assert {0, 2, 4} <= cuts
    assert 1 not in cuts


@pytest.mark.parametrize(
    "text",
    [
        "办公路段的电动车停在人行道，没人管",
        "研究生命起源，结合成分子；乒乓球拍卖完了",
        "用APP扫码付了12.5元还打不开ETC通道 wifi 也断",
        "",
    ],
)
def test_borders_among_positions_are_those_of_the_whole_text(text: str) -> None:
    positions = range(len(text) + 1)
    assert lexicon.borders_among(text, positions) == lexicon.borders(text).intersection(positions)
    for position in positions:
        assert (position in lexicon.borders_among(text, [position])) == (position in lexicon.borders(text))


def test_no_word_is_longer_than_stated() -> None:
    words = [word for word, frequency in lexicon.segmenter().FREQ.items() if frequency]
    assert max(map(len, words)) == lexicon.LONGEST_WORD


def test_learnt_words_are_cut_as_words() -> None:
    assert not lexicon.segmenter().FREQ.get("蕉林税")
    lexicon.learn(["蕉林税", "路线"])
    assert {1, 4} <= lexicon.borders("有蕉林税吗")


def test_segmenter_is_built_once() -> None:
    assert lexicon.segmenter() is lexicon.segmenter()


def test_loading_jieba_is_silent_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    fresh = lexicon.segmenter.__wrapped__()
    assert list(fresh.cut("停水", HMM=False)) == ["停水"]
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []
