import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest

from dispatch_model import backend_openvino
from dispatch_model.backend import Backend, BackendName, open_backend
from dispatch_model.encoder import HEADS, Encoder, Predictions
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.float_products import float_products
from dispatch_model.gate_record import Check
from dispatch_model.router import Router
from training.config import TrainingConfig
from training.frozen import answers
from training.gate import Order, gate
from training.gate_safety import backend_finding
from training.prepare import Part

TEXTS = (
    "松涛里五号楼的电梯停了三天，老人下不了楼，物业说零件没到，请督促尽快修好",
    "夜里两点还有人在广场放音响跳舞，打过电话也没人管",
    "想问新生儿落户要带哪些材料，周末窗口开不开",
    "路灯",
    "",
)
NAMES: tuple[BackendName, ...] = ("onnxruntime", "openvino")


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> BackendName:
    """Each backend that is installed."""
    if request.param == "openvino":
        _need_openvino()
    chosen: BackendName = request.param
    return chosen


def _need_openvino() -> None:
    if find_spec("openvino") is None:
        pytest.skip("the extra `openvino` is not installed")


@pytest.fixture(scope="module")
def default() -> Encoder:
    """The shipped bundle on the default backend."""
    return Encoder.open()


def test_a_backend_answers_every_head_by_name(name: BackendName, default: Encoder) -> None:
    backend: Backend = open_backend(default.bundle.folder / "model.onnx", name)
    for text in TEXTS:
        answer = backend.run(default.feeds(text))
        assert set(answer) == set(HEADS)
        for head, values in answer.items():
            assert values.shape == (1, len(default.bundle.manifest.heads[head]))
            assert values.dtype == np.float32


def test_what_was_answered_stays_when_more_is_asked(name: BackendName, default: Encoder) -> None:
    backend = open_backend(default.bundle.folder / "model.onnx", name)
    first = backend.run(default.feeds(TEXTS[0]))
    kept = {head: values.copy() for head, values in first.items()}
    backend.run(default.feeds(TEXTS[1]))
    for head, values in first.items():
        np.testing.assert_array_equal(values, kept[head])


def test_threads_that_share_a_backend_get_the_same_answers(name: BackendName) -> None:
    encoder = Encoder.open(None, name)
    alone = [encoder.predict([text]).category for text in TEXTS]
    with ThreadPoolExecutor(3) as pool:
        shared = list(pool.map(lambda text: encoder.predict([text]).category, TEXTS * 3))
    for row, values in enumerate(shared):
        np.testing.assert_array_equal(values, alone[row % len(TEXTS)])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forked on POSIX systems only")
def test_a_forked_worker_goes_on_with_the_loaded_network(name: BackendName) -> None:
    code = (
        "import os, sys\n"
        "from dispatch_model.encoder import Encoder\n"
        "encoder = Encoder.open(None, sys.argv[1])\n"
        "before = encoder.predict([sys.argv[2]]).category\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(0 if (encoder.predict([sys.argv[2]]).category == before).all() else 3)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert _run(code, name, TEXTS[0]) == "0"


def _run(code: str, *arguments: str) -> str:
    """What a fresh interpreter prints."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", code, *arguments]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return run.stdout.strip()


def test_openvino_answers_as_the_default_but_for_rounding(default: Encoder) -> None:
    _need_openvino()
    ours, theirs = default.predict(TEXTS), Encoder.open(None, "openvino").predict(TEXTS)
    for head in HEADS:
        expected, found = getattr(ours, head), getattr(theirs, head)
        if head != "flags":
            expected, found = np.exp(expected), np.exp(found)
            np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-3)
        np.testing.assert_allclose(found, expected, atol=0.06)
    np.testing.assert_array_equal(theirs.function[:3].argmax(1), ours.function[:3].argmax(1))


def test_openvino_reports_to_nobody() -> None:
    _need_openvino()
    code = (
        "import sys; from dispatch_model.encoder import Encoder; Encoder.open(None, 'openvino');"
        "print(sys.modules['openvino_telemetry'])"
    )
    assert _run(code) == "None"


def test_another_bundle_runs_on_the_same_backend(name: BackendName, default: Encoder) -> None:
    router = Router.open(backend=name)
    assert router.encoder.backend_name == name
    assert router.with_bundle(default.bundle.folder).encoder.backend_name == name


@pytest.mark.parametrize("lacking", ["openvino", "onnx"])
def test_a_missing_library_is_told_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, default: Encoder, lacking: str
) -> None:
    def without(module: str) -> ModuleType:
        raise ModuleNotFoundError(f"{module} needs {lacking}", name=lacking)

    monkeypatch.setattr(backend_openvino, "import_module", without)
    with pytest.raises(DispatchError, match=rf"缺少 {lacking}；.*hotline-dispatch\[openvino\]") as caught:
        Encoder(default.bundle, "openvino")
    assert (caught.value.kind, caught.value.field) == (ErrorKind.MISSING_EXTRA, "backend")


def test_float_products_keep_the_weights_and_lose_the_rounding(default: Encoder, tmp_path: Path) -> None:
    source, target = default.bundle.folder / "model.onnx", tmp_path / "float.onnx"
    target.write_bytes(float_products(source))
    kinds = [node.op_type for node in onnx.load(str(target)).graph.node]
    assert "MatMulInteger" not in kinds
    assert "DynamicQuantizeLinear" not in kinds
    before, after = open_backend(source), open_backend(target)
    assert kinds.count("MatMul") == 116
    for text in TEXTS:
        feeds = default.feeds(text)
        ours, theirs = before.run(feeds), after.run(feeds)
        assert list(ours) == list(theirs)
        np.testing.assert_allclose(np.exp(theirs["category"]), np.exp(ours["category"]), atol=0.05)


def test_float_products_leave_a_float_file_as_it_is(default: Encoder, tmp_path: Path) -> None:
    once, twice = tmp_path / "once.onnx", tmp_path / "twice.onnx"
    once.write_bytes(float_products(default.bundle.folder / "model.onnx"))
    twice.write_bytes(float_products(once))
    feeds = default.feeds(TEXTS[0])
    for head, values in open_backend(once).run(feeds).items():
        np.testing.assert_array_equal(values, open_backend(twice).run(feeds)[head])


def test_answers_of_two_backends_are_kept_apart(tiny_bundle: Path, tiny_parts: dict[str, Part], tmp_path: Path) -> None:
    part, encoder = tiny_parts["test"], Encoder.open(tiny_bundle)
    answers(encoder, part, tmp_path)
    encoder.backend_name = "openvino"
    answers(encoder, part, tmp_path)
    names = sorted(path.stem for path in tmp_path.iterdir())
    assert len(names) == 2
    assert names[1] == f"{names[0]}-openvino"


def test_the_gate_holds_a_backend_against_the_bounds_of_the_export(tiny_parts: dict[str, Part]) -> None:
    part = tiny_parts["test"]
    rows: dict[str, Any] = {head: np.tile(np.arange(600, dtype=np.float32), (len(part), 1)) for head in HEADS}
    same = Predictions(**rows)
    told = backend_finding("openvino", same, same, part)
    assert (told.check, told.where, told.n, told.passed) == (Check.PARITY, "test", len(part), True)
    turned = Predictions(**{head: values[:, ::-1] for head, values in rows.items()})
    refused = backend_finding("openvino", same, turned, part)
    assert not refused.passed
    assert "超出：openvino category" in refused.rule
    assert "最多 100.00%" in refused.rule


def test_a_gate_on_another_backend_says_so(tiny_bundle: Path, tiny_config: TrainingConfig, tmp_path: Path) -> None:
    _need_openvino()
    order = Order(tiny_config, pairs=5, backend="openvino")
    record = gate(tiny_bundle, tiny_bundle, order, tmp_path)
    assert record.inputs["backend"] == "openvino"
    told = [finding.what for finding in record.findings if finding.check is Check.PARITY]
    assert told == ["导出时的量化一致性", "后端 openvino 与缺省后端的一致性"]
    assert len(list((tmp_path / "answers").iterdir())) == 2
