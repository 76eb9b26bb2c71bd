import numpy as np

from training.label_audit import LEAST_ROWS, Judged, features_of, folds_of, judge

MATTERS = {"城管": "占道摆摊夜里很吵", "交警": "红绿灯坏了车堵成一片", "水务": "自来水停了一整天没有通知"}
PLACES = (
    "东门",
    "西门",
    "南门",
    "北门",
    "桥头",
    "码头",
    "车站",
    "学校",
    "医院",
    "公园",
    "市场",
    "河边",
    "山脚",
    "巷口",
    "广场",
)


def told() -> tuple[list[str], list[str | None]]:
    """45 invented texts, 15 of each function."""
    pairs = [(f"{place}{matter}", function) for place in PLACES for function, matter in MATTERS.items()]
    return [text for text, _ in pairs], [function for _, function in pairs]


def test_a_wrong_label_is_the_most_suspect_and_the_right_one_is_proposed() -> None:
    texts, labels = told()
    labels[4] = "水务"
    judged = judge(features_of(texts), folds_of(texts), {"function": labels}, "function")
    assert judged is not None
    assert judged.suspicion.argmax() == 4
    assert judged.names[judged.proposed[4]] == "交警"
    assert judged.off_diagonal.nonzero()[0].tolist() == [4]


def test_another_label_of_the_row_is_evidence() -> None:
    texts, labels = told()
    beside = {"城管": "0307", "交警": "0504", "水务": "0305"}
    categories: list[str | None] = [beside[label or ""] for label in labels]
    texts[0], labels[0] = "请尽快处理", "水务"
    features, folds = features_of(texts), folds_of(texts)
    alone = judge(features, folds, {"function": labels}, "function")
    both = judge(features, folds, {"function": labels, "category": categories}, "function")
    assert alone is not None
    assert both is not None
    assert both.suspicion[0] > alone.suspicion[0] + 0.1
    assert both.names[both.proposed[0]] == "城管"


def test_rows_of_one_text_stand_in_one_fold_and_do_not_vouch_for_each_other() -> None:
    texts, labels = told()
    texts += ["3号楼的桥塌了。", "5号楼的桥塌了"]
    labels += ["水务", "水务"]
    folds = folds_of(texts)
    assert folds[-1] == folds[-2]
    assert len(set(folds.tolist())) == 5
    judged = judge(features_of(texts), folds, {"function": labels}, "function")
    assert judged is not None
    assert judged.suspicion[-1] > 0.5


def test_a_label_of_too_few_rows_and_a_missing_one_are_not_judged() -> None:
    texts, labels = told()
    labels[: LEAST_ROWS - 1] = ["气象"] * (LEAST_ROWS - 1)
    labels[20] = None
    judged = judge(features_of(texts), folds_of(texts), {"function": labels}, "function")
    assert judged is not None
    assert "气象" not in judged.names
    assert not judged.suspicion[: LEAST_ROWS - 1].any()
    assert judged.suspicion[20] == 0
    assert not judged.off_diagonal[20]


def test_with_one_label_there_is_nothing_to_judge() -> None:
    texts, _ = told()
    assert judge(features_of(texts), folds_of(texts), {"function": ["城管"] * len(texts)}, "function") is None


def test_the_confident_joint_counts_what_passes_the_thresholds_of_its_classes() -> None:
    """By hand: thresholds 0.6 (mean of 0.9, 0.8, 0.1) and 0.7."""
    given = np.array([0, 0, 0, 1, -1])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7], [0.0, 1.0]])
    judged = Judged(("甲", "乙"), given, probabilities)
    assert judged.thresholds.round(6).tolist() == [0.6, 0.7]
    assert judged.off_diagonal.tolist() == [False, False, True, False, False]
    assert judged.suspicion.round(6).tolist() == [0.1, 0.2, 0.9, 0.3, 0.0]
