from importlib.resources import files
from pathlib import Path

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from training.config import load_config

SHIPPED = files("configs").joinpath("training.toml").read_text(encoding="utf-8")


def written(folder: Path, old: str = "", new: str = "") -> Path:
    """The shipped configuration with one piece of it replaced."""
    assert old in SHIPPED
    path = folder / "training.toml"
    path.write_text(SHIPPED.replace(old, new, 1), encoding="utf-8")
    return path


def refused(path: Path | None = None, *overrides: str) -> DispatchError:
    with pytest.raises(DispatchError) as caught:
        load_config(path, overrides)
    assert caught.value.kind is ErrorKind.INVALID_CONFIG
    return caught.value


def test_the_shipped_file_is_complete() -> None:
    config = load_config()
    assert config.fit.epochs >= 1
    assert config.data.folder == Path("../shared/data")


def test_the_shipped_file_explains_every_key() -> None:
    """A comment on each line; the weights of [loss] share the one on their header."""
    before, loss = SHIPPED.split("[loss]")
    assert "weight of each head" in loss.splitlines()[0]
    keys = [line for line in before.splitlines() if "=" in line.partition("#")[0]]
    assert len(keys) > 20
    assert all("# " in line for line in keys)


def test_a_file_overrides_nothing_it_does_not_say(tmp_path: Path) -> None:
    path = written(tmp_path, "epochs = 5", "epochs = 3")
    assert load_config(path).fit.epochs == 3
    assert load_config(path).model_copy(update={"fit": load_config().fit}) == load_config()


def test_overrides_take_the_type_of_the_key() -> None:
    config = load_config(
        overrides=["fit.epochs=2", "fit.encoder_lr = 1e-3", "data.dialogues=false", "encoder.base= a/b"]
    )
    assert config.fit.epochs == 2
    assert config.fit.encoder_lr == 0.001
    assert config.data.dialogues is False
    assert config.encoder.base == "a/b"


def test_of_two_overrides_the_last_one_counts() -> None:
    assert load_config(overrides=["fit.epochs=2", "fit.epochs=4"]).fit.epochs == 4


@pytest.mark.parametrize(
    ("assignment", "hint"),
    [("fit.epoch=2", "fit.epochs"), ("encoder.layer=4", "encoder.layers"), ("fits.epochs=2", "fit.epochs")],
)
def test_an_unknown_override_names_its_neighbours(assignment: str, hint: str) -> None:
    error = refused(None, assignment)
    assert error.field == assignment.partition("=")[0]
    assert f"是否想写：{hint}" in error.message


@pytest.mark.parametrize("assignment", ["fit.epochs", "epochs=2", "=2", "fit.=2"])
def test_an_override_must_be_an_assignment_to_a_path(assignment: str) -> None:
    assert "段.键=值" in refused(None, assignment).message


def test_an_override_with_a_broken_value_names_key_and_value() -> None:
    error = refused(None, "fit.epochs=two")
    assert error.field == "fit.epochs"
    assert "'two'" in error.message


@pytest.mark.parametrize(
    ("assignment", "field"),
    [
        ("fit.epochs=0", "fit.epochs"),
        ("fit.epochs=1.5", "fit.epochs"),
        ("data.validation_share=0.5", "data.validation_share"),
        ("encoder.max_tokens=513", "encoder.max_tokens"),
        ("encoder.keep=last", "encoder.keep"),
        ("ngrams.svm_c=0", "ngrams.svm_c"),
    ],
)
def test_a_value_out_of_range_names_key_and_value(assignment: str, field: str) -> None:
    error = refused(None, assignment)
    assert error.field == field
    assert assignment.partition("=")[2] in error.details[0]


def test_every_wrong_value_is_listed() -> None:
    details = refused(None, "fit.epochs=0", "encoder.layers=0").details
    assert [line.partition(":")[0] for line in details] == ["encoder.layers", "fit.epochs"]


def test_an_unknown_key_in_a_file_names_its_neighbours(tmp_path: Path) -> None:
    error = refused(written(tmp_path, "epochs = 5", "epochs = 5\nepoch_s = 8"))
    assert error.field == "fit.epoch_s"
    assert "是否想写：fit.epochs" in error.details[0]


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    error = refused(written(tmp_path, "clip_norm = 1.0", ""))
    assert error.field == "fit.clip_norm"
    assert "缺少" in error.details[0]


def test_a_section_that_is_a_number_is_an_error_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "training.toml"
    path.write_text("fit = 3\n", encoding="utf-8")
    assert any(line.startswith("fit:") for line in refused(path).details)
    assert "段.键=值" in refused(path, "fit.epochs=2").message


@pytest.mark.parametrize("content", [b"[fit\nepochs = 7", "# 训练".encode("gbk")])
def test_bad_toml_names_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    assert "broken.toml" in refused(path).message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "nowhere.toml" in refused(tmp_path / "nowhere.toml").message
