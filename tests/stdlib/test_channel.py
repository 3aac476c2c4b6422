"""Channel gates against their formulas, and against timm's and torchvision's own."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as functional
from stdlib_support import Weights, block, numbers, program, same, shapes
from torch import Tensor, nn
from torch.func import functional_call

X = (2, 32, 5, 7)


def gated(x: Tensor, gate: Tensor) -> Tensor:
    return x * gate[..., None, None]


def excite(w: Weights, x: Tensor) -> Tensor:
    hidden = functional.linear(x, w["fc1.weight"], w.get("fc1.bias")).relu()
    return functional.linear(hidden, w["fc2.weight"], w.get("fc2.bias"))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [X, (32, 3, 1), (2, 3, 32, 1, 4)])
def test_se_is_its_formula(shape: tuple[int, ...], bias: bool) -> None:
    made = block("channel", "se", C=32, reduction=4, bias=bias)
    same(made, lambda w, x: gated(x, excite(w, x.mean((-1, -2))).sigmoid()), numbers(*shape))


def test_se_has_the_published_weights() -> None:
    made = block("channel", "se", C=64)
    assert shapes(made) == {"fc1.weight": (4, 64), "fc1.bias": (4,), "fc2.weight": (64, 4), "fc2.bias": (64,)}
    assert sum(weight.numel() for weight in made.parameters()) == 2 * 64 * 64 // 16 + 64 // 16 + 64


def test_se_is_torchvisions_and_timms(timm: Any) -> None:
    from torchvision.ops import SqueezeExcitation

    made = block("channel", "se", C=32, reduction=4)
    pool = SqueezeExcitation(32, 8).double()
    other = timm.layers.SEModule(32, rd_ratio=1 / 4, rd_divisor=1).double()
    for module in (pool, other):

        def reference(w: Weights, x: Tensor, module: nn.Module = module) -> Tensor:
            return functional_call(module, {name: value if value.dim() == 1 else value[..., None, None] for name, value in w.items()}, x)

        same(made, reference, numbers(*X))


@pytest.mark.parametrize(("channels", "length"), [(8, 3), (64, 3), (128, 5), (256, 5), (512, 5), (1024, 5), (2048, 7)])
def test_eca_chooses_its_kernel_by_the_channels(channels: int, length: int) -> None:
    assert shapes(block("channel", "eca", C=channels)) == {"conv.weight": (1, 1, length)}


def test_eca_keeps_its_kernel_where_one_is_given() -> None:
    made = block("channel", "eca", kernel=9)
    assert shapes(made) == {"conv.weight": (1, 1, 9)}
    same(made, lambda w, x: gated(x, functional.conv1d(x.mean((2, 3))[:, None], w["conv.weight"], padding=4)[:, 0].sigmoid()), numbers(*X))


@pytest.mark.parametrize("channels", [8, 64, 192])
def test_eca_is_timms(timm: Any, channels: int) -> None:
    other = timm.layers.EcaModule(channels).double()
    same(block("channel", "eca", C=channels), lambda w, x: functional_call(other, dict(w), x), numbers(2, channels, 3, 5))


def normalised(w: Weights, name: str, x: Tensor, train: bool) -> Tensor:
    mean, var = w[f"{name}.running_mean"].clone(), w[f"{name}.running_var"].clone()
    return functional.batch_norm(x, mean, var, w[f"{name}.weight"], w[f"{name}.bias"], train)


def cbam(w: Weights, x: Tensor, train: bool) -> Tensor:
    x = gated(x, (excite(w, x.mean((2, 3))) + excite(w, x.amax((2, 3)))).sigmoid())
    z = torch.stack([x.amax(1), x.mean(1)], 1)
    return x * normalised(w, "norm", functional.conv2d(z, w["spatial.weight"], padding=w["spatial.weight"].shape[-1] // 2), train).sigmoid()


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kernel", [3, 7])
def test_cbam_is_its_formula(train: bool, bias: bool, kernel: int) -> None:
    made = block("channel", "cbam", C=32, bias=bias, kernel=kernel).train(train)
    same(made, lambda w, x: cbam(w, x, train), numbers(*X))


def test_cbam_has_the_published_weights() -> None:
    made = block("channel", "cbam", C=64)
    norm = {"norm.weight": (1,), "norm.bias": (1,), "norm.running_mean": (1,), "norm.running_var": (1,), "norm.num_batches_tracked": ()}
    assert shapes(made) == {"fc1.weight": (4, 64), "fc2.weight": (64, 4), "spatial.weight": (1, 2, 7, 7), **norm}
    assert sum(weight.numel() for weight in made.parameters()) == 2 * 64 * 4 + 98 + 2


def test_cbam_is_timms_with_the_two_inputs_of_its_convolution_swapped(timm: Any) -> None:
    other = timm.layers.cbam.CbamModule(32, rd_ratio=1 / 16, rd_divisor=1).double().eval()
    renamed = {"fc1": "channel.fc1", "fc2": "channel.fc2", "spatial": "spatial.conv.conv", "norm": "spatial.conv.bn"}

    def reference(w: Weights, x: Tensor) -> Tensor:
        theirs = {f"{renamed[name.split('.')[0]]}.{name.split('.')[1]}": value for name, value in w.items()}
        theirs["spatial.conv.conv.weight"] = theirs["spatial.conv.conv.weight"].flip(1)
        mlp = {name: value[..., None, None] for name, value in theirs.items() if name.startswith("channel")}
        return functional_call(other, {**theirs, **mlp}, x)

    same(block("channel", "cbam", C=32), reference, numbers(*X))


@pytest.mark.parametrize("train", [False, True])
def test_srm_is_its_formula(train: bool) -> None:
    def reference(w: Weights, x: Tensor) -> Tensor:
        style = torch.stack([x.mean((2, 3)), x.std((2, 3))], -1)
        z = functional.conv1d(style, w["cfc.weight"][:, None], groups=32)
        return gated(x, normalised(w, "norm", z, train)[..., 0].sigmoid())

    made = block("channel", "srm", C=32).train(train)
    assert shapes(made)["cfc.weight"] == (32, 2)
    same(made, reference, numbers(*X))


def test_gct_is_its_formula() -> None:
    def reference(w: Weights, x: Tensor) -> Tensor:
        s = (x.square().sum((2, 3)) + 1e-5).sqrt() * w["alpha"]
        return gated(x, 1 + (s * w["gamma"] * (s.square().mean(1, keepdim=True) + 1e-5).rsqrt() + w["beta"]).tanh())

    made = block("channel", "gct", C=32)
    assert shapes(made) == {"alpha": (32,), "gamma": (32,), "beta": (32,)}
    same(made, reference, numbers(*X))


def test_gct_changes_nothing_at_the_start() -> None:
    made = block("channel", "gct", C=32)
    made.reset_parameters()
    x = numbers(*X)
    assert torch.equal(made(x), x)


def test_simam_is_its_formula() -> None:
    def reference(w: Weights, x: Tensor) -> Tensor:
        far = (x - x.mean((2, 3), keepdim=True)).square()
        return x * (far / (4 * (far.sum((2, 3), keepdim=True) / 34 + 1e-4)) + 0.5).sigmoid()

    same(block("channel", "simam"), reference, numbers(*X))


@pytest.mark.parametrize("train", [False, True])
def test_coordinate_attention_is_timms(timm: Any, train: bool) -> None:
    other = timm.layers.coord_attn.CoordAttn(32, rd_channels=8, bias=True).double().train(train)
    renamed = {"conv1": "conv1", "norm": "bn1", "rows": "conv_h", "columns": "conv_w"}

    def reference(w: Weights, x: Tensor) -> Tensor:
        theirs = {f"{renamed[name.split('.')[0]]}.{name.split('.')[1]}": value.clone() for name, value in w.items()}
        maps = {name: value[..., None, None] for name, value in theirs.items() if value.dim() == 2}
        return functional_call(other, {**theirs, **maps}, x)

    made = block("channel", "coordinate", C=32, reduction=4).train(train)
    same(made, reference, numbers(*X))


def test_the_hidden_width_of_coordinate_attention_has_a_floor() -> None:
    assert shapes(block("channel", "coordinate", C=64))["conv1.weight"] == (8, 64)
    assert shapes(block("channel", "coordinate", C=512))["conv1.weight"] == (16, 512)


VERSIONS = {"T": (5, 64, 32), "B": (7, 64, 16), "S": (5, 8, 16), "L": (7, 8, 16)}


def strip(w: Weights, name: str, z: Tensor, version: str) -> Tensor:
    length, groups, norms = VERSIONS[version]
    z = functional.conv1d(z, w[f"{name}.conv.weight"], padding=length // 2, groups=groups)
    return functional.group_norm(z, norms, w[f"{name}.norm.weight"], w[f"{name}.norm.bias"]).sigmoid()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("shared", [True, False])
def test_ela_is_its_formula(version: str, shared: bool) -> None:
    def reference(w: Weights, x: Tensor) -> Tensor:
        rows = strip(w, "strip", x.mean(3), version)[..., None]
        columns = strip(w, "strip" if shared else "strip_w", x.mean(2), version)[:, :, None]
        return x * rows * columns

    made = block("channel", "ela", C=64, version=version, shared=shared)
    length, groups, _ = VERSIONS[version]
    assert shapes(made)["strip.conv.weight"] == (64, 64 // groups, length)
    same(made, reference, numbers(2, 64, 5, 7))


def test_ela_has_the_published_weights() -> None:
    assert sum(weight.numel() for weight in block("channel", "ela", C=64).parameters()) == 64 * 7 + 128


def test_a_gate_can_be_another_function() -> None:
    text = "use std.channel (se)\nblock t(x: [*, C, H, W]) -> [*, C, H, W] {\n    return se(x, reduction=4, gate=hardsigmoid) as se\n}"
    made = program(text, C=32)
    same(made, lambda w, x: gated(x, functional.hardsigmoid(excite({k[3:]: v for k, v in w.items()}, x.mean((2, 3))))), numbers(*X))


def test_the_kernel_of_eca_is_what_the_paper_says() -> None:
    for channels in range(2, 600, 7):
        t = int(abs(math.log2(channels) + 1) / 2)
        wanted = max(t if t % 2 else t + 1, 3)
        if channels % 21 == 2:
            assert shapes(block("channel", "eca", C=channels))["conv.weight"][-1] == wanted


@pytest.mark.parametrize("version", VERSIONS)
def test_the_gate_of_one_strip_alone(version: str) -> None:
    made = block("channel", "ela_strip", C=64, version=version)
    same(made, lambda w, z: strip({f"s.{name}": value for name, value in w.items()}, "s", z, version), numbers(2, 64, 5))
