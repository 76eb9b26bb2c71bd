import random
from collections.abc import Sequence

from datasets import Dataset

from training.splits import split_corpus, text_group

WORDS = ("路灯", "井盖", "油烟", "工资", "公交", "医保", "学区", "停水", "噪声", "垃圾")


def corpus(texts: Sequence[str], splits: Sequence[str] | None = None) -> Dataset:
    ids = [str(number) for number in range(len(texts))]
    return Dataset.from_dict({"id": ids, "text": list(texts), "split": list(splits or ["train"] * len(texts))})


def invented(count: int) -> list[str]:
    rng = random.Random(7)
    return ["".join(rng.choices(WORDS, k=8)) for _ in range(count)]


def test_every_row_goes_to_exactly_one_part() -> None:
    texts = invented(300)
    parts = split_corpus(corpus(texts, ["test" if n % 5 == 0 else "train" for n in range(300)]), 0.2)
    assert sorted(parts) == ["test", "train", "validation"]
    assert sorted(name for part in parts.values() for name in part["id"]) == sorted(map(str, range(300)))


def test_the_test_split_is_the_datas_own() -> None:
    parts = split_corpus(corpus(invented(40), ["test"] * 10 + ["train"] * 30), 0.4)
    assert list(parts["test"]["id"]) == [str(number) for number in range(10)]


def test_texts_that_differ_in_digits_and_marks_share_a_group() -> None:
    assert text_group("3 号楼，没水！") == text_group("12号楼没水")
    assert text_group("3 号楼没水") != text_group("3 号楼没电")


def test_repeats_never_stand_on_both_sides() -> None:
    texts = invented(100)
    parts = split_corpus(corpus([f"{n % 7}号：{text}" for n, text in enumerate(texts * 3)]), 0.3)
    train, validation = ({text_group(text) for text in parts[name]["text"]} for name in ("train", "validation"))
    assert train
    assert validation
    assert not train & validation


def test_the_cut_is_about_the_share_and_grows_with_it() -> None:
    texts = invented(2000)
    small, large = (set(split_corpus(corpus(texts), share)["validation"]["text"]) for share in (0.1, 0.3))
    assert 0.08 < len(small) / len(set(texts)) < 0.12
    assert small < large


def test_the_cut_does_not_depend_on_the_order_of_rows() -> None:
    texts = invented(60)
    there = set(split_corpus(corpus(texts), 0.3)["validation"]["text"])
    back = set(split_corpus(corpus(texts[::-1]), 0.3)["validation"]["text"])
    assert there == back


def test_a_text_of_test_is_in_no_other_part() -> None:
    texts = invented(60)
    told = [*texts[:20], *(f"{n}，{text}！" for n, text in enumerate(texts))]
    parts = split_corpus(corpus(told, ["test"] * 20 + ["train"] * 60), 0.3)
    groups = {name: {text_group(text) for text in part["text"]} for name, part in parts.items()}
    assert not groups["test"] & (groups["train"] | groups["validation"])
    assert list(parts["test"]["id"]) == [str(number) for number in range(20)]
    assert sorted(map(int, [*parts["train"]["id"], *parts["validation"]["id"]])) == list(range(40, 80))


def test_what_is_kept_for_promises_is_taken_from_train_alone() -> None:
    texts = corpus(invented(2000))
    without, kept = split_corpus(texts, 0.1), split_corpus(texts, 0.1, 0.2)
    assert list(kept["validation"]["id"]) == list(without["validation"]["id"])
    train, promise = set(kept["train"]["id"]), set(kept["promise"]["id"])
    assert train | promise == set(without["train"]["id"])
    assert not train & promise
    assert 0.17 < len(promise) / 2000 < 0.23


def test_repeats_are_never_on_both_sides_of_a_promise() -> None:
    parts = split_corpus(corpus([f"{n % 7}号：{text}" for n, text in enumerate(invented(100) * 3)]), 0.2, 0.3)
    groups = {name: {text_group(text) for text in part["text"]} for name, part in parts.items()}
    assert groups["promise"]
    assert not groups["promise"] & (groups["train"] | groups["validation"])
