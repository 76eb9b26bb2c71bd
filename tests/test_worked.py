import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from dispatch_model.worked_row import WEIGHTS, Provenance, Signal, WorkedRow
from serving import cli
from training.config import LossSection, TrainingConfig
from training.fit import Fit
from training.loss import MultiTaskLoss
from training.manifest import portable
from training.prepare import Part, data_fingerprint, load_parts
from training.targets import MISSING, Targets, encode_targets
from training.wide import fit_wide
from training.worked import load_worked

COLUMNS = ("category", "handler_function", "handler_level", "function", "level", "kind", "flags", "taidi_label")


def row(name: str, text: str, *, signal: Signal = "override", **labels: Any) -> WorkedRow:
    told = {"handler_function": "水务", "handler_level": "区", "category": "030501"} | labels
    provenance = Provenance(case_id=name, signal=signal, at="2026-05-03T08:00:00+08:00")
    return WorkedRow(
        id=name, city="海口市", date="2026-05-01", text=text, weight=WEIGHTS[signal], provenance=provenance, **told
    )


def written(folder: Path, *rows: WorkedRow) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(one.model_dump_json() + "\n" for one in rows), encoding="utf-8")
    return path


def with_rows(config: TrainingConfig, path: Path, **fit: Any) -> TrainingConfig:
    data = config.data.model_copy(update={"worked": str(path)})
    return config.model_copy(update={"data": data, "fit": config.fit.model_copy(update=fit)})


def test_what_was_written_after_deciding_is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path, row("a", "桥头冒水，请水务局核实处理。"), row("b", "请水务局核实处理"))
    assert [one.text for one in load_worked(path)] == ["桥头冒水"]


def test_the_same_row_of_two_exports_teaches_once(tmp_path: Path) -> None:
    path = written(tmp_path, row("a", "桥头冒水"), row("a", "桥头冒水"), row("b", "桥头冒水！", signal="accept"))
    assert [one.id for one in load_worked(path)] == ["a"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "JSON"),
        ('{"text": "桥头冒水"}', "id"),
        (row("a", "我的电话是13800001111").model_dump_json(), "电话"),
        (json.dumps({**json.loads(row("a", "桥头冒水").model_dump_json()), "operator": "甲"}), "operator"),
    ],
)
def test_a_line_that_is_no_such_row_is_named(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(DispatchError) as caught:
        load_worked(path)
    assert (caught.value.kind, caught.value.field) == (ErrorKind.INVALID_CONFIG, "data.worked")
    (detail,) = caught.value.details
    assert "第 2 行" in detail
    assert told in detail
    assert "13800001111" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match="dispatch data export"):
        load_worked(tmp_path / "none.jsonl")


def test_rows_teach_beside_the_corpus_and_nowhere_else(
    tmp_path: Path, tiny_config: TrainingConfig, tiny_parts: dict[str, Part], maps: LabelMaps
) -> None:
    told = tiny_parts["validation"].rows["text"][0], tiny_parts["test"].rows["text"][0]
    rows = [row("a", "桥头冒水", signal="accept"), row("b", "墙边冒水", signal="return", refused=("城管",))]
    path = written(tmp_path, *rows, *(row(f"held-{index}", text) for index, text in enumerate(told)))
    parts = load_parts(with_rows(tiny_config, path), maps)
    train, before = parts["train"], tiny_parts["train"]
    assert train.rows["id"] == [*before.rows["id"], "a", "b"]
    assert train.targets["weight"].tolist() == [100] * len(before) + [50, 100]
    assert train.targets["refused"].sum() == train.targets["refused"][-1, list(maps.functions).index("城管")] == 1
    assert list(maps.functions)[train.targets["handler_function"][-2]] == "水务"
    assert train.targets["kind"][-2] == train.targets["function"][-2] == MISSING
    for name in parts.keys() - {"train"}:
        assert parts[name].rows == tiny_parts[name].rows
    assert data_fingerprint(train) != data_fingerprint(before)


def test_the_weight_is_part_of_the_fingerprint(tmp_path: Path, tiny_config: TrainingConfig, maps: LabelMaps) -> None:
    found = set()
    for signal in ("accept", "override"):
        path = written(tmp_path, row("a", "桥头冒水", signal=signal))
        found.add(data_fingerprint(load_parts(with_rows(tiny_config, path), maps)["train"]))
    assert len(found) == 2


def test_without_rows_nothing_is_other_than_before(tiny_parts: dict[str, Part]) -> None:
    assert not {"weight", "refused"} & (set(tiny_parts["train"].targets) | set(tiny_parts["train"].rows))


def test_the_path_stays_out_of_the_bundle(tmp_path: Path, tiny_config: TrainingConfig) -> None:
    assert portable(with_rows(tiny_config, tmp_path / "rows.jsonl"))["data"]["worked"] == "rows.jsonl"


def targets(maps: LabelMaps, rows: int, **columns: Any) -> Targets:
    return encode_targets({name: columns.pop(name, [None] * rows) for name in COLUMNS} | columns, maps)


def loss(maps: LabelMaps, truth: Targets, logits: dict[str, torch.Tensor]) -> float:
    weights = LossSection(**dict.fromkeys(LossSection.model_fields, 1.0))
    return float(
        MultiTaskLoss(weights, maps, 0.05, truth)(logits, {name: torch.from_numpy(one) for name, one in truth.items()})
    )


def zeros(maps: LabelMaps, rows: int) -> dict[str, torch.Tensor]:
    functions, levels = len(maps.functions), len(maps.levels)
    sizes = {"category": len(maps.leaves), "kind": len(maps.kinds), "flags": len(maps.flags)}
    sizes |= {f"{prefix}function": functions for prefix in ("", "handler_")}
    sizes |= {f"{prefix}level": levels for prefix in ("", "handler_")}
    torch.manual_seed(3)
    return {head: torch.randn(rows, size) for head, size in sizes.items()}


LABELLED: dict[str, Any] = {
    "category": ["030501"],
    "handler_function": ["城管"],
    "handler_level": ["区"],
    "function": ["城管"],
    "level": ["区"],
}


def test_a_row_counts_by_its_weight(maps: LabelMaps) -> None:
    logits = zeros(maps, 1)
    plain = loss(maps, targets(maps, 1, **LABELLED), logits)
    full, half = (
        loss(maps, targets(maps, 1, weight=[weight], refused=[None], **LABELLED), logits) for weight in (1.0, 0.5)
    )
    assert full == pytest.approx(plain, rel=1e-5)
    assert half == pytest.approx(plain / 2, rel=1e-5)


def test_what_was_refused_is_pushed_away_on_both_heads(maps: LabelMaps) -> None:
    logits = {head: values.requires_grad_() for head, values in zeros(maps, 2).items()}
    truth = targets(maps, 2, weight=[1.0, 1.0], refused=[["城管"], None])
    column = list(maps.functions).index("城管")
    expected = 0.0
    for head in ("handler_function", "function"):
        expected -= float(torch.log(1 - torch.softmax(logits[head][0].detach(), 0)[column])) / 2
    weights = LossSection(**dict.fromkeys(LossSection.model_fields, 1.0))
    value = MultiTaskLoss(weights, maps, 0.0, truth)(
        logits, {name: torch.from_numpy(one) for name, one in truth.items()}
    )
    assert float(value.detach()) == pytest.approx(expected, rel=1e-4)
    value.backward()
    gradient = logits["function"].grad
    assert gradient is not None
    assert gradient[0, column] > 0
    assert not gradient[1].any()


def test_a_refused_function_must_be_one(maps: LabelMaps) -> None:
    with pytest.raises(DispatchError, match="城菅"):
        targets(maps, 1, weight=[1.0], refused=[["城菅"]])


def test_the_wide_branch_counts_by_weight(maps: LabelMaps) -> None:
    texts = ["桥头冒水"] * 3 + ["井盖没了"] * 3 + ["桥头冒水"] * 2
    names = ["水务"] * 3 + ["市政环卫"] * 3 + ["城管"] * 2
    sizes = dict.fromkeys(("handler_function", "function"), len(maps.functions)) | {"kind": 6, "parent": 99}
    sizes |= dict.fromkeys(("handler_level", "level"), 4)
    found = {}
    for weight in (1.0, 0.01):
        truth = targets(maps, 8, handler_function=names, weight=[1.0] * 6 + [weight] * 2, refused=[None] * 8)
        margins = fit_wide(texts, truth, sizes, 100, 0.5).margins(["桥头冒水"])["handler_function"][0]
        found[weight] = margins[list(maps.functions).index("城管")]
    assert found[0.01] < found[1.0]


def test_training_learns_from_what_was_decided(tmp_path: Path, tiny_config: TrainingConfig, maps: LabelMaps) -> None:
    """The corpus knows no 水务 and calls stalls 属地政府; people's decisions say otherwise."""
    said = ("{}门口的路灯不亮了", "{}楼下烤串的把炉子摆在人行道", "住在{}，外地看病的钱医保怎么报销")
    places = ("柳", "荷", "竹", "松", "梅", "兰", "桂", "桃")
    taught: tuple[tuple[int, str, Signal], ...] = (
        (0, "水务", "override"),
        (1, "城管", "redispatch"),
        (2, "税务", "accept"),
    )
    rows = [
        row(f"{kind}-{place}", said[kind].format(place), signal=signal, handler_function=name)
        for kind, name, signal in taught
        for place in places[:6]
    ]
    config = with_rows(
        tiny_config, written(tmp_path, *rows), epochs=20, encoder_lr=2e-3, head_lr=1e-2, label_smoothing=0.0
    )
    parts = load_parts(config, maps)
    right = {}
    asked = [said[kind].format(place) for kind in range(3) for place in places[6:]]
    for name, part in (("with", parts["train"]), ("without", load_parts(tiny_config, maps)["train"])):
        folder = tmp_path / name
        folder.mkdir()
        run = Fit(config, maps, folder, {**parts, "train": part})
        run.run()
        right[name] = _answers(run, asked, maps)
    assert not {"水务", "税务"} & set(right["without"])
    assert (
        sum(a == b for a, b in zip(right["with"], ["水务", "水务", "城管", "城管", "税务", "税务"], strict=True)) >= 4
    )


def _answers(run: Fit, texts: list[str], maps: LabelMaps) -> list[str]:
    from training.batches import tokenize
    from training.predict import predict

    ids = tokenize(run.tokenizer, texts, 48)
    logits = predict(run.average.module, ids, run.pad_id, 4096)["handler_function"]
    return [list(maps.functions)[best] for best in np.argmax(logits, axis=1)]


def test_the_command_takes_the_rows(tmp_path: Path, tiny_config: TrainingConfig) -> None:
    path, out = written(tmp_path, row("a", "桥头冒水")), tmp_path / "run"
    settings = [
        f"data.folder={tiny_config.data.folder}",
        f"data.worked={path}",
        f"encoder.base={tiny_config.encoder.base}",
        "encoder.layers=2",
        "encoder.halve_after=1",
        "encoder.max_tokens=48",
        "data.validation_share=0.3",
        "fit.epochs=1",
        "fit.tokens_per_batch=512",
    ]
    arguments = ["train", "--out", str(out), *(part for one in settings for part in ("--set", one))]
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert not caught.value.code
    kept = TrainingConfig.model_validate_json((out / "config.json").read_text(encoding="utf-8"))
    assert kept.data.worked == str(path)
    assert (out / "network.safetensors").is_file()
