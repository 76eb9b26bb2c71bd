import numpy as np
import pytest
import torch
from torch import Tensor

from dispatch_model.labels import LabelMaps
from training.calibrate import Mix
from training.config import TrainingConfig
from training.fit import build_network
from training.graph import CHOICE_HEADS, ByteEmbedding, Calibration, DispatchGraph, WideTable
from training.network import DispatchNetwork
from training.prepare import Part
from training.targets import parent_membership
from training.wide import WideBranch, fit_wide

EVEN = Calibration(dict.fromkeys(CHOICE_HEADS, Mix(1.0, 1.0)), 1.0, 0.0)


@pytest.fixture(scope="module")
def network(tiny_config: TrainingConfig, maps: LabelMaps) -> DispatchNetwork:
    torch.manual_seed(3)
    return build_network(tiny_config, maps).eval()


@pytest.fixture(scope="module")
def branch(tiny_parts: dict[str, Part], maps: LabelMaps, network: DispatchNetwork) -> WideBranch:
    sizes = {head: layer.out_features for head, layer in network.heads.items() if isinstance(layer, torch.nn.Linear)}
    sizes["parent"] = len(parent_membership(maps)[0])
    train = tiny_parts["train"]
    return fit_wide(train.texts, train.targets, sizes, size=400, c=0.5)


def feeds(branch: WideBranch, text: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    ids, values = branch.vocabulary.encode(text)
    tokens = torch.tensor([[0, 9, 8, 7, 2]])
    return tokens, torch.ones_like(tokens), torch.from_numpy(ids)[None], torch.from_numpy(values)[None]


def answers(graph: DispatchGraph, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
    with torch.inference_mode():
        return dict(zip((*CHOICE_HEADS, "flags"), graph.eval()(*inputs), strict=True))


def test_the_byte_table_rounds_finely(branch: WideBranch) -> None:
    text = "橡树湾门口的路灯不亮了"
    _, _, ids, values = feeds(branch, text)
    table = WideTable(branch)
    margins = table(ids, values)[0].numpy()
    exact = np.concatenate([part[0] for part in branch.margins([text]).values()])
    assert table.table.dtype == torch.int8
    assert np.abs(margins - exact).max() < 0.02
    assert np.abs(margins - exact).max() > 0  # it is rounded, not a copy


def test_no_known_n_gram_leaves_the_bias(branch: WideBranch) -> None:
    _, _, ids, values = feeds(branch, "zzz")
    np.testing.assert_allclose(WideTable(branch)(ids, values)[0].numpy(), branch.bias, rtol=1e-6)


def test_a_byte_embedding_is_close_in_every_row() -> None:
    weight = torch.randn(50, 16) * torch.logspace(-3, 1, 50)[:, None]
    embedding = ByteEmbedding(weight)
    rows = embedding(torch.arange(50)[None])[0]
    assert ((rows - weight).abs().amax(1) <= weight.abs().amax(1) / 127 * 0.51).all()


def test_choices_are_log_probabilities_and_flags_probabilities(network: DispatchNetwork, branch: WideBranch) -> None:
    found = answers(DispatchGraph(network, branch, EVEN), feeds(branch, "松涛园的公交"))
    for head in CHOICE_HEADS:
        torch.testing.assert_close(found[head].exp().sum(1), torch.ones(1), atol=1e-4, rtol=0)
    assert ((found["flags"] > 0) & (found["flags"] < 1)).all()


def test_each_head_mixes_its_own_branches(network: DispatchNetwork, branch: WideBranch) -> None:
    text = "晨曦园楼下烤串的油烟"
    inputs = feeds(branch, text)
    mixes = {head: Mix(0.1 * (number + 1), 2.0 - 0.3 * number) for number, head in enumerate(CHOICE_HEADS)}
    graph = DispatchGraph(network, branch, Calibration(mixes, 0.5, -2.0))
    found = answers(graph, inputs)
    with torch.inference_mode():
        deep = graph.network(*inputs[:2])
    flat = {head: torch.from_numpy(values) for head, values in branch.margins([text]).items()}
    flat["category"] = flat["parent"][:, network.category.parent_of]
    for head, mix in mixes.items():
        expected = torch.log_softmax(mix.encoder * deep[head] + mix.wide * flat[head], 1)
        torch.testing.assert_close(found[head], expected, atol=0.05, rtol=0)
    torch.testing.assert_close(found["flags"], torch.sigmoid(0.5 * deep["flags"] - 2.0))


def test_the_network_itself_stays_as_it_was(network: DispatchNetwork, branch: WideBranch) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    graph = DispatchGraph(network, branch, EVEN)
    assert isinstance(graph.network.encoder.get_submodule("embeddings.word_embeddings"), ByteEmbedding)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert set(before) == set(network.state_dict())


def test_a_wordless_wide_branch_is_decided_by_the_encoder(network: DispatchNetwork, branch: WideBranch) -> None:
    deep_only = Calibration(dict.fromkeys(CHOICE_HEADS, Mix(1.0, 0.0)), 1.0, 0.0)
    graph = DispatchGraph(network, branch, deep_only)
    one, other = (answers(graph, feeds(branch, text)) for text in ("丹枫居的路灯", "云顶楼的工钱"))
    assert all(torch.equal(one[head], other[head]) for head in one)
