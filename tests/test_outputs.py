import pickle
from dataclasses import fields, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from dispatch_model.bundle import Bundle
from dispatch_model.cases import Case
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.outputs import Origin, StoredOutputs, encode, join
from dispatch_model.router import Router

NOW = datetime(2026, 5, 6, 17, tzinfo=UTC)  # the 7th in China
TEXT = "龙华区金贸街道门口有流动摊贩占道卖烧烤，龙华区城管局一直没来"


@lru_cache(maxsize=1)
def router() -> Router:
    return Router.open()


@lru_cache(maxsize=1)
def stored() -> StoredOutputs:
    cases = [
        Case(case_id="甲-1", transcript=TEXT),
        Case.model_validate({"case_id": "2", "transcript": "路灯坏了", "city": "宁波市", "received_at": "2025-01-31"}),
    ]
    return encode(router(), {0: cases[0], 77: cases[1]}, NOW)


def origin(cases: str = "abc") -> Origin:
    return Origin.of(cases, router().encoder.bundle, router().city)


def test_what_is_known_of_each_case_is_kept() -> None:
    found = stored()
    assert found.case_id.tolist() == ["甲-1", "2"]
    assert found.offset.tolist() == [0, 77]
    assert [str(day) for day in found.day] == ["2026-05-07", "2025-01-31"]
    assert found.known.tolist() == [True, False]
    path = [region.name for region in router().city.ancestors(str(found.region_code[0]))]
    assert path == ["金贸街道", "龙华区", "海口市"]
    assert found.region_code[1] == ""
    assert str(found.named[0]) in router().city.units


def test_log_probabilities_are_those_of_the_router_in_half_precision() -> None:
    found = stored()
    evidence = router().evidence([Case(case_id="甲-1", transcript=TEXT)], NOW)
    assert np.allclose(found.function[0], evidence.functions[0], rtol=1e-3)
    assert np.allclose(found.category[0], evidence.predictions.category[0], rtol=1e-3)
    assert found.level.dtype == np.float16
    assert router().maps.kinds[found.kind[0]] == router().route([Case(case_id="1", transcript=TEXT)])[0].kind


def test_a_file_holds_all_and_no_word_of_a_transcript(tmp_path: Path) -> None:
    path = tmp_path / "outputs.npz"
    stored().save(path, origin())
    read, made_from = StoredOutputs.load(path)
    assert made_from == origin()
    assert len(read) == 2
    for column in fields(read):
        assert np.array_equal(getattr(read, column.name), getattr(stored(), column.name))
    assert [entry.name for entry in tmp_path.iterdir()] == ["outputs.npz"]
    for told in ("烧烤", "路灯"):
        for coding in ("utf-8", "utf-32-le"):
            assert told.encode(coding) not in path.read_bytes()


def test_what_differs_between_origins_is_named() -> None:
    assert origin().differs(origin()) == []
    assert origin().differs(origin("other")) == ["工单文件的内容"]
    assert origin().differs(replace(origin(), bundle="b", format=0)) == ["模型包", "文件格式"]


def test_another_directory_makes_another_origin() -> None:
    city = router().city
    units = dict(list(city.units.items())[1:])
    other = Origin.of("abc", router().encoder.bundle, replace(city, units=units))
    assert origin().differs(other) == ["区域与单位目录"]


def test_parts_are_joined_in_order() -> None:
    both = join([stored(), stored()])
    assert both.offset.tolist() == [0, 77, 0, 77]
    assert both.category.shape == (4, len(router().maps.leaves))


def broken(path: Path, how: str) -> None:
    stored().save(path, origin())
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-3000])
    elif how == "text":
        path.write_text("not an archive")
    elif how == "pickle":
        np.savez(path, origin=np.array([{"cases": 1}], dtype=object))
    elif how == "bare pickle":
        path.write_bytes(pickle.dumps({"origin": 1}))
    elif how == "lengths":
        replace(stored(), day=stored().day[:1]).save(path, origin())
    else:
        np.savez(path, origin=np.array("{}"))


@pytest.mark.parametrize("how", ["cut", "text", "pickle", "bare pickle", "lengths", "empty"])
def test_a_file_that_is_something_else_is_refused_by_name(tmp_path: Path, how: str) -> None:
    path = tmp_path / "x.npz"
    broken(path, how)
    with pytest.raises(DispatchError, match=r"x\.npz") as raised:
        StoredOutputs.load(path)
    assert raised.value.kind is ErrorKind.INVALID_CONFIG
    assert "删去" in raised.value.message


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match="--outputs"):
        stored().save(tmp_path / "none" / "x.npz", origin())


def test_the_version_of_the_bundle_is_part_of_the_origin() -> None:
    assert origin().bundle == Bundle.open().version
