from pathlib import Path

import pytest
import torch

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from training.network import CategoryHead, DispatchNetwork, HeadSizes, halve, load_encoder, parameter_groups

SIZES = HeadSizes(functions=3, levels=4, kinds=6, flags=5, leaf_parent=(0, 0, 1), leaf_top=(0, 0, 1))
IDS = torch.tensor([[0, 7, 8, 9, 2], [0, 5, 2, 1, 1]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def network(base: Path, dropout: float = 0.0, halve_after: int = 0) -> DispatchNetwork:
    torch.manual_seed(1)
    return DispatchNetwork(load_encoder(str(base), 2, dropout), SIZES, dropout, halve_after)


def layer_weights(base: Path, layers: int, keep: str) -> list[torch.Tensor]:
    encoder = load_encoder(str(base), layers, 0.0, keep)
    return [
        encoder.get_parameter(f"encoder.layer.{number}.output.dense.weight")
        for number in range(encoder.config.num_hidden_layers)
    ]


def test_sizes_follow_the_maps(maps: LabelMaps) -> None:
    sizes = HeadSizes.of(maps)
    assert (sizes.functions, sizes.levels, sizes.flags) == (len(maps.functions), 4, 5)
    assert len(sizes.leaf_parent) == len(sizes.leaf_top) == len(maps.leaves)
    one, other = maps.leaves.index("030501"), maps.leaves.index("030503")
    assert sizes.leaf_parent[one] == sizes.leaf_parent[other]
    assert sizes.leaf_parent[one] != sizes.leaf_parent[maps.leaves.index("030705")]
    assert sizes.leaf_top[one] == sizes.leaf_top[maps.leaves.index("030705")]


def test_a_leaf_is_the_sum_along_its_branch() -> None:
    head = CategoryHead(2, SIZES)
    with torch.no_grad():
        for part in (head.top, head.parent, head.leaf):
            part.weight.zero_()
        head.top.bias.copy_(torch.tensor([100.0, 200.0]))
        head.parent.bias.copy_(torch.tensor([10.0, 20.0]))
        head.leaf.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
    assert head(torch.zeros(1, 2)).tolist() == [[111.0, 112.0, 223.0]]


@pytest.mark.parametrize("halve_after", [0, 1])
def test_a_text_gets_the_same_answer_alone_and_padded(tiny_base: Path, halve_after: int) -> None:
    model = network(tiny_base, halve_after=halve_after).eval()
    together = model(IDS, MASK)
    alone = model(IDS[1:, :3], MASK[1:, :3])
    assert set(together) == {
        *("category", "function", "level", "handler_function", "handler_level", "kind", "flags"),
    }
    for head, values in alone.items():
        torch.testing.assert_close(together[head][1:], values, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(together["kind"][0], together["kind"][1], atol=1e-3)


def test_pairs_of_tokens_are_averaged_and_padding_weighs_nothing() -> None:
    hidden = torch.tensor([[[1.0], [3.0], [5.0]], [[2.0], [9.0], [9.0]]])
    vectors, mask = halve(hidden, torch.tensor([[1, 1, 1], [1, 0, 0]]))
    assert vectors.tolist() == [[[2.0], [5.0]], [[2.0], [0.0]]]
    assert mask.tolist() == [[1, 1], [1, 0]]


def test_a_text_of_one_token_is_read_as_by_the_plain_encoder(tiny_base: Path) -> None:
    model = network(tiny_base, halve_after=1).eval()
    one = torch.tensor([[7]])  # a single token has no neighbour: halving leaves it as it is
    there = torch.ones_like(one)
    plain = model.encoder(input_ids=one, attention_mask=there).last_hidden_state
    torch.testing.assert_close(model.encode(one, there)[0], plain)


def test_upper_layers_read_half_the_tokens(tiny_base: Path) -> None:
    seen = []
    model = network(tiny_base, halve_after=1).eval()
    for layer in model.encoder.get_submodule("encoder.layer").children():
        layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1]))
    model(IDS, MASK)
    assert seen == [5, 3]


def test_halving_above_the_last_layer_is_an_error(tiny_base: Path) -> None:
    with pytest.raises(DispatchError, match=r"halve_after = 2，编码器却只有 2 层") as caught:
        network(tiny_base, halve_after=2)
    assert caught.value.kind is ErrorKind.INVALID_CONFIG


@pytest.mark.parametrize("halve_after", [0, 1])
def test_every_part_of_the_network_learns(tiny_base: Path, halve_after: int) -> None:
    model = network(tiny_base, halve_after=halve_after)
    sum((values**2).sum() for values in model(IDS, MASK).values()).backward()
    idle = [name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    # A bias under a softmax over tokens shifts all alike; the keys' bias does so too.
    assert [name for name in idle if not name.endswith(("key.bias", "attention.bias"))] == []


def test_the_first_layers_are_kept(tiny_base: Path) -> None:
    (kept,), both = layer_weights(tiny_base, 1, "first"), layer_weights(tiny_base, 2, "first")
    assert torch.equal(kept, both[0])
    assert not torch.equal(both[0], both[1])


def test_spread_layers_reach_the_last(tiny_base: Path) -> None:
    both = layer_weights(tiny_base, 2, "spread")
    assert torch.equal(both[1], layer_weights(tiny_base, 2, "first")[1])
    assert len(layer_weights(tiny_base, 1, "spread")) == 1


def test_more_layers_than_there_are_is_an_error(tiny_base: Path) -> None:
    with pytest.raises(DispatchError, match=r"只有 2 层，encoder\.layers = 3") as caught:
        load_encoder(str(tiny_base), 3, 0.0)
    assert caught.value.kind is ErrorKind.INVALID_CONFIG


def test_lower_layers_learn_slower_and_biases_do_not_decay(tiny_base: Path) -> None:
    model = network(tiny_base)
    groups = parameter_groups(model, encoder_lr=1.0, head_lr=8.0, layer_decay=0.5, weight_decay=0.1)
    place = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    found = {name: place[id(parameter)] for name, parameter in model.named_parameters()}
    assert found["encoder.embeddings.word_embeddings.weight"] == (0.25, 0.1)
    assert found["encoder.encoder.layer.0.output.dense.weight"] == (0.5, 0.1)
    assert found["encoder.encoder.layer.1.output.dense.weight"] == (1.0, 0.1)
    assert found["encoder.encoder.layer.1.output.dense.bias"] == (1.0, 0.0)
    assert found["heads.kind.weight"] == (8.0, 0.1)
    assert len(place) == len(list(model.parameters()))
