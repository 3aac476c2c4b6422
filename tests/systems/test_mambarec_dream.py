"""What the record of DREAM asks for, as far as it takes no training."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from attn.compiler.cost import graph_cost

from .cases.mambarec_dream import dream
from .support import CLOSE, Case, leaves, parameters, part


@pytest.mark.system("mambarec-dream", "It equals plain PyTorch on vectors [B, 64] and on sequences [3, 7, 64], at width 64.")
def test_vectors_and_sequences_of_the_published_width() -> None:
    for block, x in (("dream_vector", torch.randn(3, 64)), ("dream_sequence", torch.randn(3, 7, 64))):
        made = Case("std.multiscale", block, dream, (), {"D": 64}, scale=0.05).module()
        as_map = x.double()[..., None, None] if x.dim() == 2 else x.double().mT[:, :, None]
        y = dream(part(leaves(made), "dream"), as_map)
        assert_close(made(x.double()), y[..., 0, 0] if x.dim() == 2 else y[:, :, 0].mT, **CLOSE)


@pytest.mark.system(
    "mambarec-dream", "On a map of one place only the centres of the dilated kernels count: everything else may be any number."
)
def test_one_place_sees_only_centre_taps() -> None:
    case = Case("std.multiscale", "dream_vector", dream, (), {"D": 6})
    made, x = case.module(), torch.randn(3, 6, dtype=torch.float64)
    wanted = made(x)
    for i in (1, 2, 3):
        kernel = made.get_parameter(f"dream.dilated.{i}.conv.weight")
        centre = kernel.detach()[..., 1, 1].clone()
        kernel.data.normal_()
        kernel.data[..., 1, 1] = centre
    assert_close(made(x), wanted, rtol=0, atol=0)


@pytest.mark.system(
    "mambarec-dream",
    "On a vector the optimiser cuts the 3 x 3 kernels to their centres: 0.31 of the operations, the same values and names.",
)
def test_the_optimiser_cuts_kernels_to_centre_taps() -> None:
    case = Case("std.multiscale", "dream_vector", dream, ((3, 64),), {"D": 64}, scale=0.1)
    plain, quick = case.module(level=0), case.module(level=2)
    kernels = [node.inputs[1].tensor for node in quick.optimised.graph.nodes if node.op == "conv" and node.inputs[1].tensor.has("H_kernel")]
    assert {kernel.size(tap).integer() for kernel in kernels for tap in ("H_kernel", "W_kernel")} == {1}
    before, after = (graph_cost(made.optimised.graph).flops.evaluate({"*": 1}) for made in (plain, quick))
    assert round(float(after / before), 2) == 0.31
    assert {name: value.shape for name, value in plain.state_dict().items()} == {
        name: value.shape for name, value in quick.state_dict().items()
    }
    assert_close(quick(*case.tensors()), plain(*case.tensors()), **CLOSE)


@pytest.mark.system(
    "mambarec-dream", "The first weight is one number for each sample, and the second one for each place: 5 D weights each."
)
def test_the_two_weights() -> None:
    made = Case("std.multiscale", "dream", dream, (), {"C": 8}).module()
    assert made.get_parameter("channel.weight").shape == made.get_parameter("spatial.weight").shape == (1, 40)
    convolutions = 8 * 8 * (1 + 3 * 9 + 1 + 5) + 6 * 8
    assert parameters("std.multiscale", "dream", C=8) == convolutions + 6 * 2 * 8 + 2 * 40
