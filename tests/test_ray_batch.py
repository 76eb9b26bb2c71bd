"""On a local cluster of two nodes, with the shipped model."""

import json
import logging
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import ray
from ray import cloudpickle
from ray.cluster_utils import Cluster

from dispatch_model.cases import Versions
from dispatch_model.errors import DispatchError, ErrorKind
from serving.bulk.batch import Tally, route_file
from serving.bulk.ray_batch import RETRIES, route_history
from serving.routing import Router, open_router

PLACES = ("龙华区金贸街道", "美兰区海府街道", "秀英区", "高新区", "")
TOLD = (
    "路灯不亮好几天了",
    "楼下烤串的把炉子摆在人行道",
    "厂里压着三个月工钱不给",
    "自来水发黄",
    "想问外地看病怎么报销",
)

# Ray warns of names that only Ray itself uses.
pytestmark = pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\.")

# The workers are other processes: what is defined here travels to them by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


class Quick:
    """A router that answers at once, or takes its process down while `dies` holds fewer than `deaths` bytes."""

    def __init__(self, bundle: str = "b", dies: Path | None = None, deaths: int = 1) -> None:
        self.versions = Versions(bundle=bundle, access_list="a", catalogue="c", label_maps="m", triggers="t")
        self._dies = dies
        self._deaths = deaths

    def route(self, *_: object, **__: object) -> list[object]:
        if self._dies and (not self._dies.exists() or self._dies.stat().st_size < self._deaths):
            with self._dies.open("ab") as file:
                file.write(b"x")
            os._exit(1)
        raise DispatchError(ErrorKind.TRANSCRIPT_EMPTY, "转写为空。")


def open_noting(folder: Path) -> Router:
    """The shipped router; the node it was opened on leaves its name."""
    if ray.is_initialized():
        (folder / ray.get_runtime_context().get_node_id()).touch()
    return open_router(None, "haikou")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    node: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 << 20}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")  # else Ray leaves a token in the home folder
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        cluster.add_node(**node)
        ray.init(address=cluster.address, logging_level=logging.ERROR, log_to_driver=False)
        yield cluster
        ray.shutdown()
        cluster.shutdown()  # type: ignore[no-untyped-call]


def history(folder: Path, count: int) -> Path:
    cases = [
        {"case_id": f"R{number}", "transcript": PLACES[number % 5] + TOLD[number // 5 % 5], "received_at": "2026-05-06"}
        for number in range(count)
    ]
    lines = [json.dumps(case, ensure_ascii=False) for case in cases]
    lines[3] = "{"
    path = folder / "in.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def answers(*files: Path) -> list[dict[str, Any]]:
    read = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [{name: value for name, value in answer.items() if name != "timing_ms"} for answer in read]


@pytest.mark.usefixtures("cluster")
def test_two_nodes_answer_as_one_machine_and_go_on_where_they_were_stopped(tmp_path: Path) -> None:
    source, target, nodes = history(tmp_path, 60), tmp_path / "out", tmp_path / "nodes"
    nodes.mkdir()
    seen: list[Tally] = []
    run = partial(route_history, partial(open_noting, nodes), source, target, lines=5)
    assert run(progress=seen.append).lines == 60
    parts = sorted(target.glob("part-*.jsonl"))
    route_file(open_router(None, "haikou"), source, tmp_path / "alone.jsonl")
    assert answers(*parts) == answers(tmp_path / "alone.jsonl")
    assert (len(parts), sum(tally.errors for tally in seen)) == (12, 1)
    assert len(list(nodes.iterdir())) == 2

    parts[0].write_text("kept", encoding="utf-8")
    expected = answers(parts[7])
    parts[7].unlink()
    parts[7].with_suffix(".json").unlink()
    assert run().lines == 60
    assert parts[0].read_text(encoding="utf-8") == "kept"
    assert answers(parts[7]) == expected


@pytest.mark.usefixtures("cluster")
def test_a_worker_that_dies_costs_nothing(tmp_path: Path) -> None:
    source, target = history(tmp_path, 10), tmp_path / "out"
    tally = route_history(partial(Quick, dies=tmp_path / "died"), source, target, lines=2)  # type: ignore[arg-type]
    assert (tmp_path / "died").exists()
    assert (tally.lines, tally.errors) == (10, 10)
    assert len(list(target.glob("part-*.json"))) == 5
    assert list(target.glob("*.partial")) == []


@pytest.mark.usefixtures("cluster")
def test_what_kills_every_worker_ends_the_run(tmp_path: Path) -> None:
    source, dies = history(tmp_path, 4), tmp_path / "died"
    with pytest.raises(DispatchError, match=r"in\.jsonl 第 1 行起的部分 0") as caught:
        route_history(partial(Quick, dies=dies, deaths=99), source, tmp_path / "out")  # type: ignore[arg-type]
    assert caught.value.kind is ErrorKind.INTERNAL
    assert dies.stat().st_size == 1 + RETRIES


@pytest.mark.usefixtures("cluster")
def test_a_node_with_another_model_is_refused_by_name(tmp_path: Path) -> None:
    here = os.getpid()

    def opened() -> Quick:
        return Quick("b" if os.getpid() == here else "another")

    with pytest.raises(DispatchError, match="版本不同") as caught:
        route_history(opened, history(tmp_path, 10), tmp_path / "out")  # type: ignore[arg-type]
    assert caught.value.kind is ErrorKind.INVALID_CONFIG
    assert not (tmp_path / "out" / "summary.json").exists()


def test_what_is_finished_needs_no_cluster(tmp_path: Path, router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.jsonl").touch()
    monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("a cluster was started"))
    assert route_history(lambda: router, tmp_path / "in.jsonl", tmp_path / "out") == Tally()
    assert (tmp_path / "out" / "summary.json").exists()


def test_without_ray_it_is_said_what_to_install(
    tmp_path: Path, router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DispatchError, match=r"hotline-dispatch\[ray\]"):
        route_history(lambda: router, tmp_path / "in.jsonl", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
