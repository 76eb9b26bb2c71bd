import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from dispatch_model.ngrams import NgramVocabulary, ngram_keys
from training.wide import choose_vocabulary

TEXTS = (
    "橡树湾门口的路灯不亮了，晚上漆黑一片",
    "我在荷塘村工地做木工，包工头压着三个月工钱不给",
    "路灯路灯路灯不亮，WIFI也没有",
    "希望给竹溪里加一趟早班公交",
)
visible = st.characters(codec="utf-8", exclude_characters="\x00")


def grams(text: str) -> list[str]:
    squeezed = "".join(text.lower().split())
    return [squeezed[at : at + size] for size in (1, 2, 3) for at in range(len(squeezed) - size + 1)]


def key(gram: str) -> int:
    (found,) = ngram_keys(gram)[-1:]
    return int(found)


@given(st.text(visible, min_size=1, max_size=12))
@example("\x01\U00100000")  # collides where a character gets 20 bits
def test_every_n_gram_has_its_own_key(text: str) -> None:
    keys, names = ngram_keys(text).tolist(), grams(text)
    assert len(keys) == len(names)
    pairs = set(zip(keys, names, strict=True))
    assert len(pairs) == len(set(keys)) == len(set(names))


def test_the_largest_code_points_fit() -> None:
    keys = ngram_keys("\U0010ffff\U0010ffff\U0010fffe")
    assert (keys > 0).all()
    assert len(set(keys.tolist())) == 5  # the first character occurs twice


def test_case_and_blanks_do_not_count() -> None:
    np.testing.assert_array_equal(ngram_keys("Wi Fi\t坏了\u3000"), ngram_keys("wifi坏了"))


@pytest.mark.parametrize(("text", "count"), [("", 0), (" ", 0), ("灯", 1), ("路灯", 3), ("路灯坏", 6)])
def test_short_texts_have_few(text: str, count: int) -> None:
    assert len(ngram_keys(text)) == count


def test_half_a_character_does_not_stop_it() -> None:
    assert len(ngram_keys("路\ud83d灯")) == 6


@pytest.mark.parametrize("text", [*TEXTS, "路灯 工钱", "全都没见过吗"])
def test_values_equal_scikit_learns(text: str) -> None:
    vectorizer = TfidfVectorizer(analyzer=grams, sublinear_tf=True).fit(TEXTS)
    names = vectorizer.get_feature_names_out()
    order = np.argsort([key(name) for name in names])
    ours = NgramVocabulary(np.array([key(name) for name in names])[order], vectorizer.idf_[order].astype(np.float32))
    index, values = ours.encode(text)
    dense = np.zeros(len(names), dtype=np.float32)
    dense[order[index]] = values
    np.testing.assert_allclose(dense, vectorizer.transform([text]).toarray()[0], atol=1e-6)


def test_the_chosen_vocabulary_is_that_of_a_character_analyzer() -> None:
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True).fit(TEXTS)
    everything = choose_vocabulary(TEXTS, size=10_000)
    expected = {key(name): idf for name, idf in zip(vectorizer.get_feature_names_out(), vectorizer.idf_, strict=True)}
    assert dict(zip(everything.keys.tolist(), everything.idf.tolist(), strict=True)) == pytest.approx(expected)


def test_a_text_without_a_known_n_gram_adds_nothing() -> None:
    index, values = choose_vocabulary(TEXTS, size=50).encode("qqq")
    assert index.tolist() == [0]
    assert values.tolist() == [0.0]


def test_keys_beyond_the_last_are_unknown() -> None:
    vocabulary = NgramVocabulary(np.array([ord("灯")]), np.array([1.5], dtype=np.float32))
    index, values = vocabulary.encode("\U0010ffff灯")
    assert index.tolist() == [0]
    assert values.tolist() == [1.0]
