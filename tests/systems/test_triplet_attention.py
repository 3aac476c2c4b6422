"""What the record of triplet attention asks for, as far as it takes no training."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as fn

from .cases.triplet_attention import TURNS
from .counting import counted, elements, nodes
from .support import Case, Weights, compare, parameters, part


@pytest.mark.system("triplet-attention", "It has 300 parameters, 3 (2 49 + 2), whatever C, H and W; 200 without the gate over C.")
def test_the_number_of_parameters() -> None:
    assert parameters("std.triplet", "triplet") == 300
    assert parameters("std.triplet", "triplet", C=512, H=7, W=9) == 300
    assert parameters("std.triplet", "triplet", spatial=False) == 200
    assert parameters("std.triplet", "triplet", kernel=3) == 3 * (2 * 9 + 2)


def in_training(w: Weights, x: Tensor) -> Tensor:
    """Each gate with the statistics of the batch."""

    def gate(w: Weights, y: Tensor) -> Tensor:
        z = fn.conv2d(torch.stack((y.amax(1), y.mean(1)), 1), w["conv.weight"], padding=3)
        return y * torch.sigmoid(fn.batch_norm(z, None, None, w["norm.weight"], w["norm.bias"], training=True))

    return torch.stack([gate(part(w, name), x.permute(turn)).permute(turn) for name, turn in TURNS.items()]).mean(0)


@pytest.mark.system("triplet-attention", "It equals the plain formulation in training too; running statistics move by 0.01.")
def test_it_is_the_same_in_training() -> None:
    case = Case("std.triplet", "triplet", in_training, ((2, 6, 5, 7),))
    made = case.module().train()
    x, before = case.tensors()[0], made.get_buffer("hw.norm.running_mean").clone()
    compare(case, made)
    z = fn.conv2d(torch.stack((x.amax(1), x.mean(1)), 1), made.get_parameter("hw.conv.weight"), padding=3)
    torch.testing.assert_close(made.get_buffer("hw.norm.running_mean"), 0.99 * before + 0.01 * z.mean())


@pytest.mark.system(
    "triplet-attention",
    "ResNet-50 with it has 25.56M parameters (25,561,832) and 4.169 GFLOPs at 224, counted as ptflops does: multiply-adds, 2 for each "
    "number that a norm gives, 1 for each of a relu or before a pooling.",
)
def test_the_published_size_of_the_network() -> None:
    assert parameters("std.systems.triplet_attention", "triplet_resnet") == 25_561_832
    found = nodes("std.systems.triplet_attention", "triplet_resnet", H=224, W=224)
    ends = [node for node in found if node.op == "mean" and not node.tensor.has("H") and not node.tensor.has("W")]
    pooled = sum(elements(node.inputs[0]) for node in (*ends, *(node for node in found if node.op == "sliding")))
    assert len(ends) == 1
    assert round((counted(found, {"batchnorm": 2, "relu": 1}) + pooled) / 1e9, 3) == 4.169
