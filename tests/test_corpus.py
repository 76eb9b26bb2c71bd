import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from dispatch_model.cases import Case
from dispatch_model.city import City
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.explain import Cues
from dispatch_model.gazetteer import Gazetteer
from dispatch_model.labels import LabelMaps
from dispatch_model.reading import read
from training.corpus import encoder_text, handling_unit, load_corpus, load_dialogues, read_csv, read_units

CASE = {"id": "a", "source": "haikou", "city": "海口市", "date": "", "title": "", "text": "井盖没了", "split": "train"}
UNITS = "source,unit,function,level,org_type\nhaikou,市政所,市政环卫,区,事业单位\nhaikou,其他单位,其他,市,其他\n"
LABELS = "id,category,function,level,kind,flags\na,030503,市政环卫,区,求助,\n"


def written(folder: Path, *cases: dict[str, Any], labels: str = LABELS, calls: str = "") -> Path:
    with gzip.open(folder / "cases.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(CASE | case, ensure_ascii=False) + "\n" for case in cases)
    (folder / "labels.csv").write_text(labels, encoding="utf-8")
    (folder / "units.csv").write_text(UNITS, encoding="utf-8")
    (folder / "dialogues.jsonl").write_text(calls, encoding="utf-8")
    return folder


def test_who_did_and_who_should_are_kept_apart(tmp_path: Path) -> None:
    row = load_corpus(written(tmp_path, {"unit": "市政所"}, labels=LABELS.replace("市政环卫,区", "城管,镇街")))[0]
    assert (row["handler_function"], row["handler_level"], row["handler_type"]) == ("市政环卫", "区", "事业单位")
    assert (row["function"], row["level"], row["category"], row["kind"]) == ("城管", "镇街", "030503", "求助")


def test_what_a_source_does_not_know_is_none(tmp_path: Path) -> None:
    rows = load_corpus(written(tmp_path, {"id": "b", "unit": "市政所"}, {"id": "a"}))
    assert [rows[0][name] for name in ("category", "function", "level", "kind", "flags")] == [None] * 5
    assert [rows[1][name] for name in ("handler_function", "handler_level", "taidi_label")] == [None] * 3
    assert rows[1]["flags"] == []  # read, and none of the flags applies


def test_flags_are_split(tmp_path: Path) -> None:
    labels = LABELS.replace("求助,", '求助,"urgent,vague"')
    assert load_corpus(written(tmp_path, {}, labels=labels))[0]["flags"] == ["urgent", "vague"]


@pytest.mark.parametrize(
    "case",
    [
        {"followup": True},
        {"split": "drop"},
        {"id": "unlabelled"},
        {"id": "unlabelled", "unit": "其他单位"},
        {"id": "unlabelled", "unit": "谁也不认识"},
        {"id": "unlabelled", "unit": "市政所", "source": "shanghai"},
    ],
)
def test_cases_that_teach_nothing_stay_out(tmp_path: Path, case: dict[str, Any]) -> None:
    rows = load_corpus(written(tmp_path, {}, case))
    assert rows["id"] == ["a"]
    assert len(rows) == 1


def test_a_coarse_class_alone_is_a_label(tmp_path: Path) -> None:
    rows = load_corpus(written(tmp_path, {"id": "t", "source": "taidi", "taidi_label": "交通运输"}))
    assert (rows[0]["taidi_label"], rows[0]["category"]) == ("交通运输", None)


def test_order_text_that_tells_the_answer_is_no_column(tmp_path: Path) -> None:
    rows = load_corpus(written(tmp_path, {"order_text": "井盖没了，请市政所处理"}))
    assert "市政所处理" not in json.dumps(rows[0], ensure_ascii=False)


@pytest.mark.parametrize("name", ["cases.jsonl.gz", "labels.csv", "units.csv"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (written(tmp_path, {}) / name).unlink()
    with pytest.raises(DispatchError, match=name) as caught:
        load_corpus(tmp_path)
    assert caught.value.kind is ErrorKind.INVALID_CONFIG
    assert caught.value.field == "data.folder"


def test_missing_dialogues_are_named(tmp_path: Path) -> None:
    (written(tmp_path, {}) / "dialogues.jsonl").unlink()
    with pytest.raises(DispatchError, match=r"dialogues\.jsonl"):
        load_dialogues(tmp_path)


def test_a_byte_order_mark_is_no_part_of_a_header(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,name\n1,甲\n", encoding="utf-8-sig")
    assert read_csv(path) == [{"id": "1", "name": "甲"}]


def test_calls_take_the_labels_of_their_case(tmp_path: Path) -> None:
    calls = [{"id": name, "city": "海口市", "split": "test", "text": "市民：井盖没了"} for name in ("a", "unlabelled")]
    text = "".join(json.dumps(call, ensure_ascii=False) + "\n" for call in calls)
    rows = load_dialogues(written(tmp_path, {}, calls=text))
    assert rows["id"] == ["a#call"]
    assert (rows[0]["category"], rows[0]["split"], rows[0]["source"]) == ("030503", "test", "dialogue")
    assert rows[0]["handler_function"] is None


def test_a_title_stands_first_unless_the_text_begins_with_it() -> None:
    assert encoder_text("晚上看不见路", "路灯不亮") == "路灯不亮。晚上看不见路"
    assert encoder_text("路灯不亮，晚上看不见路", "路灯不亮") == "路灯不亮，晚上看不见路"


@pytest.mark.parametrize(
    "said",
    [
        "我家楼上漏水，電話13800001111，请回电",
        "坐席：您好请讲。市民：我住八栋2单元301，楼上天天漏水。坐席：好的已记录。市民：电话13800001111",
        "　路灯　不亮\n三天了😀",
    ],
)
def test_training_reads_what_the_service_reads(maps: LabelMaps, said: str) -> None:
    city = City.load("haikou", maps)
    case = Case.model_validate({"case_id": "1", "transcript": said, "received_at": "2025-05-03"})
    moment = case.received_at
    assert moment is not None
    served = read(case, city=city, gazetteer=Gazetteer.load(city), cues=Cues.load(maps), now=moment)
    assert encoder_text(said) == served.model_text
    assert "13800001111" not in encoder_text(said)


def test_a_handler_that_says_nothing_is_none(tmp_path: Path) -> None:
    (written(tmp_path) / "units.csv").write_text(UNITS + "beijing_bus,公交客服,公交轨道,市,国企\n", encoding="utf-8")
    units = read_units(tmp_path)
    told = (("haikou", "市政所"), ("haikou", "其他单位"), ("haikou", None), ("beijing_bus", "公交客服"))
    found = [handling_unit({"source": source, "unit": unit}, units) for source, unit in told]
    assert found == [units["haikou", "市政所"], None, None, None]
