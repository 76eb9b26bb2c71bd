import copy

import pytest
import torch

from dispatch_model.labels import LabelMaps
from training.config import TrainingConfig
from training.fit import build_network
from training.network import DispatchNetwork
from training.smooth import BLOCK_ENDS, BlockLinear, smooth

SHAPE = (4, 9)
BATCHES = [
    (torch.randint(3, 90, SHAPE, generator=torch.Generator().manual_seed(number)), torch.ones(SHAPE).long())
    for number in range(3)
]
LOUD = "encoder.layer.1.output.dense"


@pytest.fixture
def network(tiny_config: TrainingConfig, maps: LabelMaps) -> DispatchNetwork:
    """The tiny network with one loud channel behind GELU, as trained encoders have."""
    torch.manual_seed(5)
    model = build_network(tiny_config, maps).eval()
    with torch.no_grad():
        model.encoder.get_parameter("encoder.layer.1.intermediate.dense.bias")[7] = 30.0
    return model


def outputs(model: DispatchNetwork) -> dict[str, torch.Tensor]:
    with torch.inference_mode():
        answer: dict[str, torch.Tensor] = model(*BATCHES[0])
    return answer


def peaks(model: DispatchNetwork, place: str) -> torch.Tensor:
    """Largest |x_j| that the product at `place` is fed with."""
    seen: list[torch.Tensor] = []
    module = model.encoder.get_submodule(place)
    handle = module.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].abs().flatten(0, -2).amax(0)))
    for batch in BATCHES:
        with torch.inference_mode():
            model(*batch)
    handle.remove()
    return torch.stack(seen).amax(0)


def spread(values: torch.Tensor) -> float:
    return float(values.max() / values.median())


def test_answers_stay_the_same(network: DispatchNetwork) -> None:
    smoothed = copy.deepcopy(network)
    smooth(smoothed, smoothed.encoder, BATCHES)
    for head, values in outputs(smoothed).items():
        torch.testing.assert_close(values, outputs(network)[head], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("place", ["attention.self.query", "attention.output.dense", "intermediate.dense"])
def test_inputs_of_products_become_more_even(network: DispatchNetwork, place: str) -> None:
    names = [f"encoder.layer.{layer}.{place}" for layer in range(2)]
    before = [spread(peaks(network, name)) for name in names]
    smooth(network, network.encoder, BATCHES)
    assert sum(spread(peaks(network, name)) for name in names) < sum(before)


def test_the_loud_channel_ends_up_among_the_few_of_the_last_block(network: DispatchNetwork) -> None:
    before = peaks(network, LOUD)
    smooth(network, network.encoder, BATCHES)
    blocks = network.encoder.get_submodule(LOUD)
    assert isinstance(blocks, BlockLinear)
    after = peaks(network, LOUD)
    assert before.argmax() == 7
    assert after.argmax() >= blocks.cuts[-2]
    assert spread(after) < 0.3 * spread(before)
    quiet = after[: blocks.cuts[1]]
    assert quiet.max() <= after[blocks.cuts[1] :].min()


def test_blocks_add_up_to_the_whole_product() -> None:
    for width, count in ((400, len(BLOCK_ENDS)), (40, len(BLOCK_ENDS) - 1)):
        linear = torch.nn.Linear(width, 6)
        blocks = BlockLinear(linear)
        x = torch.randn(2, 3, width)
        torch.testing.assert_close(blocks(x), linear(x))
        assert len(blocks.blocks) == count
        assert blocks.cuts[-1] == width
        assert blocks.cuts == sorted(set(blocks.cuts))


def test_an_encoder_is_smoothed_only_once(network: DispatchNetwork) -> None:
    smooth(network, network.encoder, BATCHES)
    with pytest.raises(TypeError, match="not yet smoothed"):
        smooth(network, network.encoder, BATCHES)
