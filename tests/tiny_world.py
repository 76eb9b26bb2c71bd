"""A tiny invented world to train in: data, encoder, finished run, bundle."""

import csv
import gzip
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dispatch_model.labels import LabelMaps

if TYPE_CHECKING:  # torch and datasets are loaded only by the tests that train
    from training.config import TrainingConfig
    from training.prepare import Part

# code, function, level, kind, unit, the unit's function and level, what is said
MATTERS = (
    ("030501", "市政环卫", "区", "求助", "路灯所", "市政环卫", "区", "{}门口的路灯不亮了，晚上漆黑一片，老人摔跤"),
    ("030705", "城管", "镇街", "投诉", "青藤街道", "属地政府", "镇街", "{}楼下烤串的把炉子摆在人行道，油烟往窗里灌"),
    ("080508", "人社", "区", "举报", "劳动监察队", "人社", "区", "我在{}工地做木工，包工头压着三个月工钱不给"),
    ("050204", "公交轨道", "市", "建议", "公交集团", "公交轨道", "市", "希望给{}加一趟早班公交，上学的孩子等车太久"),
    ("080102", "医保", "市", "咨询", "医保局", "医保", "市", "住在{}，想问外地看病的钱医保怎么报销，要带什么"),
)
PLACES = (
    "橡树湾",
    "银杏里",
    "望海村",
    "松涛园",
    "碧螺苑",
    "晨曦园",
    "南门街",
    "竹溪里",
    "丹枫居",
    "云顶楼",
    "荷塘村",
    "星河镇",
)
FLAGS = ("urgent", "refuse", "vague", "")
CASE_FIELDS = ("id", "source", "city", "date", "title", "text", "split", "unit")


def _told() -> Iterator[dict[str, Any]]:
    """60 cases: every sixth place is the test split, every fourth case says only who handled it."""
    for number, place in enumerate(PLACES):
        for code, function, level, kind, unit, _, _, said in MATTERS:
            yield {
                "case": dict(
                    zip(
                        CASE_FIELDS,
                        (f"{code}-{number}", "haikou", "海口市", "2018-01", "", said.format(place), "train", unit),
                        strict=True,
                    )
                )
                | {"title": "反映问题" if number % 2 else "", "split": "test" if number % 6 == 5 else "train"},
                "label": None if number % 4 == 3 else (code, function, level, kind, FLAGS[number % 4]),
            }


def _table(path: Path, header: str, rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder as training reads it: 60 invented cases, 4 of them also as calls, 3 of seven coarse classes."""
    folder = tmp_path_factory.mktemp("data")
    told = list(_told())
    coarse = [("交通运输", "公交车总是不到站"), ("教育文体", "学校补课收费"), ("环境保护", "河水发黑发臭")]
    cases = [one["case"] for one in told] + [
        {"id": f"coarse-{text}", "source": "taidi", "text": text, "split": "train", "taidi_label": label}
        for label, text in coarse
    ]
    with gzip.open(folder / "cases.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(case, ensure_ascii=False) + "\n" for case in cases)
    labels = [(one["case"]["id"], *one["label"]) for one in told if one["label"]]
    _table(folder / "labels.csv", "id,category,function,level,kind,flags", labels)
    units = [("haikou", unit, function, level, "政府部门") for _, _, _, _, unit, function, level, _ in MATTERS]
    _table(folder / "units.csv", "source,unit,function,level,org_type", units)
    calls = [
        {
            "id": one["case"]["id"],
            "city": "海口市",
            "split": one["case"]["split"],
            "text": f"坐席：您好请讲。市民：{one['case']['text']}。坐席：好的已记录。市民：谢谢。",
        }
        for one in told[:20:5] + told[25:30:4]
    ]
    text = "".join(json.dumps(call, ensure_ascii=False) + "\n" for call in calls)
    (folder / "dialogues.jsonl").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of two layers with a character tokenizer, saved as a pre-trained encoder is."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("base")
    marks = ["<s>", "<pad>", "</s>", "<unk>"]
    characters = sorted({character for one in _told() for character in one["case"]["text"] + "，。？反映问题坐席市民"})
    vocabulary = {token: index for index, token in enumerate([*marks, *characters, "<mask>"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    shape = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        pad_token_id=1,
    )
    BertModel(shape, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_config(tiny_data: Path, tiny_base: Path) -> "TrainingConfig":
    """The shipped recipe, cut down to the tiny world."""
    from training.config import load_config

    changes = (
        f"data.folder={tiny_data}",
        "data.validation_share=0.3",
        "data.promise_share=0",
        "data.invented_calls=false",
        f"encoder.base={tiny_base}",
        "encoder.layers=2",
        "encoder.halve_after=1",
        "encoder.max_tokens=48",
        "pretrain.epochs=1",
        "pretrain.tokens_per_batch=256",
        "fit.epochs=2",
        "fit.tokens_per_batch=256",
        "fit.average_decay=0.5",
        "ngrams.size=400",
    )
    return load_config(overrides=changes)


@pytest.fixture(scope="session")
def tiny_parts(tiny_config: "TrainingConfig", maps: LabelMaps) -> "dict[str, Part]":
    """The tiny data as training sees it."""
    from training.prepare import load_parts

    return load_parts(tiny_config, maps)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, tiny_config: "TrainingConfig") -> Path:
    """A finished run: two epochs of the tiny encoder on the tiny data."""
    from training.fit import fit

    folder = tmp_path_factory.mktemp("run")
    fit(tiny_config, folder)
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory, tiny_run: Path) -> Path:
    """The bundle of the tiny run; the parity gate stands open, as its limits suit hundreds of rows, not ten."""
    from training import parity
    from training.export import export

    folder = tmp_path_factory.mktemp("bundle")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the ONNX exporter's own, about tracing and its age
        patch.setattr(parity, "MAX_FLIPS", 1.0)
        patch.setattr(parity, "MAX_F1_LOSS", 1.0)
        export(tiny_run, folder, name="tiny")
    return folder
