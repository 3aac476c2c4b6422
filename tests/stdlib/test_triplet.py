"""Triplet attention against its three branches written with permutations."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as functional
from stdlib_support import Weights, block, numbers, same, shapes
from torch import Tensor


def gate(w: Weights, name: str, x: Tensor, train: bool) -> Tensor:
    """x: [B, pooled, rows, columns]."""
    z = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)
    kernel = w[f"{name}conv.weight"]
    z = functional.conv2d(z, kernel, padding=kernel.shape[-1] // 2)
    mean, var = w[f"{name}norm.running_mean"].clone(), w[f"{name}norm.running_var"].clone()
    return x * functional.batch_norm(z, mean, var, w[f"{name}norm.weight"], w[f"{name}norm.bias"], train).sigmoid()


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("spatial", [True, False])
@pytest.mark.parametrize("kernel", [7, 3])
def test_triplet_is_three_gates_on_turned_images(train: bool, spatial: bool, kernel: int) -> None:
    def reference(w: Weights, x: Tensor) -> Tensor:
        cw = gate(w, "cw.", x.permute(0, 2, 1, 3), train).permute(0, 2, 1, 3)
        hc = gate(w, "hc.", x.permute(0, 3, 2, 1), train).permute(0, 3, 2, 1)
        return (gate(w, "hw.", x, train) + cw + hc) / 3 if spatial else (cw + hc) / 2

    made = block("triplet", "triplet", spatial=spatial, kernel=kernel).train(train)
    same(made, reference, numbers(2, 6, 5, 7))


def test_triplet_has_the_published_weights() -> None:
    made = block("triplet", "triplet")
    assert sum(weight.numel() for weight in made.parameters()) == 300
    leaves = {
        "conv.weight": (1, 2, 7, 7),
        "norm.weight": (1,),
        "norm.bias": (1,),
        "norm.running_mean": (1,),
        "norm.running_var": (1,),
        "norm.num_batches_tracked": (),
    }
    assert shapes(made) == {f"{branch}.{leaf}": shape for branch in ("cw", "hc", "hw") for leaf, shape in leaves.items()}


def test_the_gate_alone() -> None:
    same(block("triplet", "zgate"), lambda w, x: gate(w, "", x, False), numbers(2, 3, 5, 4))
