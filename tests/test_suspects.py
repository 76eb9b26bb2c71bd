import csv
import gzip
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dispatch_model.errors import DispatchError
from dispatch_model.settled_label import settle
from dispatch_model.suspect import Suspect, read_suspects
from serving import cli
from tests.test_label_audit import told
from training.config import TrainingConfig
from training.planted import on_copy
from training.prepare import load_splits
from training.suspects import AuditedRows, audit, examine

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def rows(texts: list[str], functions: list[str | None], prefix: str = "c") -> AuditedRows:
    empty: list[str | None] = [None] * len(texts)
    others = dict.fromkeys(("category", "level", "kind", "handler_function", "handler_level"), empty)
    return AuditedRows([f"{prefix}{n}" for n in range(len(texts))], texts, {**others, "function": functions})


def doubted(suspects: list[Suspect]) -> dict[str, Suspect]:
    return {one.id: one for one in suspects}


def test_two_grounds_weigh_more_than_one() -> None:
    texts, functions = told()
    functions[4] = "水务"
    texts += [f"{texts[7]}。", texts[10], texts[10], texts[10]]
    functions += ["城管", functions[10], functions[10], functions[10]]
    functions[10] = "水务"
    found, suspects = examine(rows(texts, functions), ["function"], {})
    by_id = doubted(suspects)
    assert by_id["c4"].why == "model"
    assert by_id["c10"].why == "model|repeat"
    assert by_id["c10"].proposed == "交警"
    assert by_id["c10"].suspicion == pytest.approx(1 - by_id["c10"].given_probability / 4)
    assert by_id["c10"].repeated == {"c46": "交警", "c47": "交警", "c48": "交警"}
    assert by_id["c7"].why == "repeat"
    assert by_id["c7"].proposed == "城管"
    assert found[0].contradicting == 3
    assert found[0].labelled == found[0].judged == len(texts)


def test_what_is_settled_is_not_listed_again() -> None:
    texts, functions = told()
    functions[4] = "水务"
    found, suspects = examine(rows(texts, functions), ["function"], {("c4", "function"): "settled"})
    assert "c4" not in doubted(suspects)
    assert found[0].settled == 1


def test_texts_of_daily_work_stay_in_the_store() -> None:
    texts, functions = told()
    functions[4] = "水务"
    _, suspects = examine(rows(texts, functions, "work-d7-c"), ["function"], {})
    assert doubted(suspects)["work-d7-c4"].text == ""


@pytest.fixture
def planted(tmp_path: Path, tiny_data: Path, tiny_config: TrainingConfig) -> TrainingConfig:
    """The tiny data with 45 more read cases, of which the function of `more-4` is wrong."""
    folder = Path(shutil.copytree(tiny_data, tmp_path / "data"))
    categories = {"城管": "030701", "交警": "050401", "水务": "030501"}
    texts, functions = told()
    with gzip.open(folder / "cases.jsonl.gz", "at", encoding="utf-8") as cases:
        for number, text in enumerate(texts):
            case = {"id": f"more-{number}", "source": "dongguan", "text": text, "split": "train"}
            cases.write(json.dumps(case, ensure_ascii=False) + "\n")
    with (folder / "labels.csv").open("a", encoding="utf-8", newline="") as file:
        for number, function in enumerate(functions):
            given = "水务" if number == 4 else function
            csv.writer(file).writerow([f"more-{number}", categories[function or ""], given, "区", "投诉", ""])
    return tiny_config.model_copy(update={"data": tiny_config.data.model_copy(update={"folder": folder})})


def test_the_wrong_label_leads_the_list_until_it_is_settled(planted: TrainingConfig, tmp_path: Path) -> None:
    output, settled = tmp_path / "suspects.csv", tmp_path / "settled.csv"
    audit(planted, output, fields=["function"], settled=settled)
    first = read_suspects(output)[0]
    assert (first.id, first.given, first.proposed) == ("more-4", "水务", "交警")
    assert first.text
    assert first.others.keys() >= {"category", "level", "kind"}
    settle(settled, first.key, "change", before=first.given, after=first.proposed, by="wang", at=NOW)
    found = audit(planted, output, fields=["function"], settled=settled)
    assert first.key not in [one.key for one in read_suspects(output)]
    assert found[0].settled == 1


def test_no_test_case_and_no_call_is_listed(planted: TrainingConfig, tmp_path: Path) -> None:
    output, tested = tmp_path / "suspects.csv", load_splits(planted)["test"]["id"]
    with (planted.data.folder / "labels.csv").open("a", encoding="utf-8") as file:
        file.write("".join(f"{case},030501,水务,区,投诉,\n" for case in tested))
    audit(planted, output, fields=["function", "level", "handler_function"])
    listed = [one.id for one in read_suspects(output)]
    assert "more-4" in listed
    assert not [one for one in listed if one.endswith("#call")]
    assert set(listed) <= {one for name in ("train", "validation") for one in load_splits(planted)[name]["id"]}


def test_a_field_there_is_not_is_refused(tiny_config: TrainingConfig, tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match="没有标注项 'functoin'"):
        audit(tiny_config, tmp_path / "suspects.csv", fields=["functoin"])


def test_the_command_writes_into_the_data_folder(
    planted: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISPATCH_DATA_DIR", str(tmp_path / "store"))
    arguments = ["data", "audit", "--field", "function", "--set", f"data.folder={planted.data.folder}"]
    with pytest.raises(SystemExit) as caught:
        cli.main([*arguments, "--set", "data.validation_share=0.3"])
    assert caught.value.code == 0
    assert read_suspects(tmp_path / "store" / "suspects.csv")
    assert "应办职能" in capsys.readouterr().out


def test_a_rehearsal_plants_on_a_copy_and_writes_nothing(planted: TrainingConfig) -> None:
    before = (planted.data.folder / "labels.csv").read_bytes()
    trials = on_copy(planted, 60)
    assert {trial.field for trial in trials} >= {"function", "level"}
    assert {trial.rows for trial in trials} == {60}
    assert {trial.planted for trial in trials} == {6}
    assert (planted.data.folder / "labels.csv").read_bytes() == before
