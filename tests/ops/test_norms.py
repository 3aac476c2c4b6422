"""Normalisations, each against its formula and against PyTorch's own module."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import attn
from attn.compiler.lower.module import AttnModule
from attn.dsl.diagnostics import AttnError

X, MAP = "x: [*, N, D]", "x: [*, C, H, W]"


def module(text: str, head: str = X, result: str = "", **bind: Any) -> AttnModule:
    result = result or head.split(", y")[0].removeprefix("x: ")
    return attn.compile(attn.text(f"block t({head}) -> {result} {{\n    return {text}\n}}"), bind=bind)


def fault(text: str, head: str = X, **bind: Any) -> str:
    with pytest.raises(AttnError) as caught:
        module(text, head, **bind)
    return str(caught.value)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def shaken(m: nn.Module) -> nn.Module:
    """The module in float64 with weights that are not their starting values."""
    m = m.double()
    with torch.no_grad():
        for i, weight in enumerate(m.parameters()):
            weight.copy_(randn(*weight.shape, seed=i + 5))
    return m


def state(m: nn.Module) -> dict[str, Tensor]:
    """The weights and buffers by the last part of their names."""
    return {name.rpartition(".")[2]: value for name, value in m.state_dict().items()}


def copied(ours: nn.Module, theirs: nn.Module) -> nn.Module:
    """Ours with the weights of theirs, in their type; both have the same ones."""
    assert {*state(ours)} == {*state(theirs)}
    ours.load_state_dict({name: state(theirs)[name.rpartition(".")[2]] for name in ours.state_dict()})
    return ours


def standard(x: Tensor, dims: tuple[int, ...], eps: float = 1e-5) -> Tensor:
    mean = x.mean(dims, keepdim=True)
    return (x - mean) / ((x - mean) ** 2).mean(dims, keepdim=True).add(eps).sqrt()


# ---------------------------------------------------------------- layernorm, rmsnorm, l2norm, standardize


@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 1, 7), (4, 5, 1)])
@pytest.mark.parametrize(("axes", "dims"), [("D", (2,)), ("N", (1,)), ("N D", (1, 2)), ("D N", (1, 2))])
def test_layernorm_is_the_formula(axes: str, dims: tuple[int, ...], shape: tuple[int, ...]) -> None:
    sizes = {"N": shape[1], "D": shape[2]}
    m = shaken(module(f"layernorm(x, {axes})", N=sizes["N"], D=sizes["D"]))
    x = randn(*shape)
    weight, bias = (value.reshape([sizes[name] for name in axes.split()]) for value in state(m).values())
    if axes == "N":
        weight, bias = weight[:, None], bias[:, None]
    if axes == "D N":
        weight, bias = weight.T, bias.T
    torch.testing.assert_close(m(x), standard(x, dims) * weight + bias)


def test_layernorm_has_the_weights_of_pytorch() -> None:
    ours, theirs = module("layernorm(x, N D)", N=3, D=5), nn.LayerNorm([3, 5])
    copied(ours, theirs)
    assert torch.equal(state(ours)["weight"], torch.ones(3, 5))
    x = torch.randn(2, 3, 5)
    torch.testing.assert_close(ours(x), theirs(x))


def test_rmsnorm_is_the_formula() -> None:
    m = shaken(module("rmsnorm(x, D)", D=5))
    assert [*state(m)] == ["weight"]
    x = randn(2, 3, 5)
    torch.testing.assert_close(m(x), x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * state(m)["weight"])
    m = shaken(module("rmsnorm(x, N, bias=true, eps=0.1)", N=3))
    want = x * (x.square().mean(1, keepdim=True) + 0.1).rsqrt() * state(m)["weight"][:, None] + state(m)["bias"][:, None]
    torch.testing.assert_close(m(x), want)


def test_l2norm_and_standardize_are_the_formulas() -> None:
    x = randn(2, 3, 5)
    torch.testing.assert_close(module("l2norm(x, D)")(x), x / x.square().sum(-1, keepdim=True).sqrt())
    torch.testing.assert_close(module("l2norm(x, N D)")(x), x / x.square().sum((1, 2), keepdim=True).sqrt())
    torch.testing.assert_close(module("l2norm(x, N, eps=10.0)")(x), x / 10)
    torch.testing.assert_close(module("standardize(x, N)")(x), standard(x, (1,)))
    torch.testing.assert_close(module("standardize(x, N D, eps=0.5)")(x), standard(x, (1, 2), 0.5))


def test_l2norm_of_zeros_is_zero() -> None:
    for dtype in (torch.float16, torch.float32):
        assert torch.equal(module("l2norm(x, D)")(torch.zeros(1, 2, 3, dtype=dtype)), torch.zeros(1, 2, 3, dtype=dtype))


NORMS = (
    "layernorm(x, D)",
    "layernorm(x, D, bias=false)",
    "layernorm(x, D, weight=false)",
    "layernorm(x, N D)",
    "layernorm(x, D, each=N)",
    "rmsnorm(x, D)",
    "rmsnorm(x, N, each=D)",
    "l2norm(x, D)",
    "standardize(x, N)",
)


@pytest.mark.parametrize("text", NORMS)
def test_gradients(text: str) -> None:
    m = shaken(module(text, N=3, D=4))
    assert torch.autograd.gradcheck(m, (randn(2, 3, 4).requires_grad_(),))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("text", ["layernorm(x, D)", "rmsnorm(x, D)", "l2norm(x, D)", "standardize(x, D)"])
def test_statistics_of_half_precision_are_float32(text: str, dtype: torch.dtype) -> None:
    """300 squared is above the largest float16, and 4000 of them lose digits when added in half precision."""
    x = (300 + 10 * randn(1, 2, 4001)).to(dtype)
    m = module(text, D=4001).to(dtype)
    got = m(x)
    assert got.dtype == dtype
    want = module(text, D=4001).double()(x.double())
    torch.testing.assert_close(got.double(), want, rtol=2 * torch.finfo(dtype).eps, atol=1e-3)


@pytest.mark.parametrize(("weight", "bias"), [("true", "false"), ("false", "true"), ("false", "false")])
@pytest.mark.parametrize("norm", ["layernorm(x, C%s)", "groupnorm(x, C, groups=2%s)", "batchnorm(x, C%s)", "instancenorm(x, C%s)"])
def test_weights_can_be_left_out(norm: str, weight: str, bias: str) -> None:
    m = shaken(module(norm % f", weight={weight}, bias={bias}", MAP, C=4))
    full = shaken(module(norm % "", MAP, C=4))
    with torch.no_grad():
        state(full)["weight"].copy_(state(m)["weight"] if weight == "true" else torch.ones(4))
        state(full)["bias"].copy_(state(m)["bias"] if bias == "true" else torch.zeros(4))
    assert {name.rpartition(".")[2] for name, _ in m.named_parameters()} == {
        name for name, on in (("weight", weight), ("bias", bias)) if on == "true"
    }
    x = randn(2, 4, 3, 5)
    torch.testing.assert_close(m(x), full(x))


def test_weights_can_be_given() -> None:
    m = module("layernorm(x, D, weight=y, bias=y * 2)", "x: [*, N, D], y: [*, D]")
    x, y = randn(2, 3, 5), randn(2, 5, seed=1)
    torch.testing.assert_close(m(x, y), standard(x, (2,)) * y[:, None] + 2 * y[:, None])
    assert [*m.state_dict()] == []


def test_weights_can_start_elsewhere() -> None:
    assert torch.equal(state(module("layernorm(x, D, init=zeros)", D=3))["weight"], torch.zeros(3))


def test_each_has_weights_of_its_own() -> None:
    m = shaken(module("layernorm(x, D, each=N)", N=3, D=5))
    assert state(m)["weight"].shape == (15,)
    x = randn(2, 3, 5)
    torch.testing.assert_close(m(x), standard(x, (2,)) * state(m)["weight"].view(3, 5) + state(m)["bias"].view(3, 5))


def test_a_missing_axis_is_named_with_those_there_are() -> None:
    told = fault("layernorm(x, C)")
    assert "E0201" in told
    assert "[*, N, D]" in told


# ---------------------------------------------------------------- groupnorm, instancenorm


@pytest.mark.parametrize(("batch", "size"), [(2, (3, 5)), (1, (1, 7))])
def test_groupnorm_is_pytorchs(batch: int, size: tuple[int, int]) -> None:
    theirs = shaken(nn.GroupNorm(3, 6))
    x = randn(batch, 6, *size)
    for text in ("groupnorm(x, C, groups=3)", "groupnorm(x, C, over=H W, groups=3)"):
        ours = module(text, MAP, C=6).double()
        copied(ours, theirs)
        torch.testing.assert_close(ours(x), theirs(x))


def test_groupnorm_pools_what_over_says() -> None:
    m = module("groupnorm(x, C, over=W, groups=2, weight=false, bias=false)", MAP, C=4)
    x = randn(2, 4, 3, 5)
    want = standard(x.view(2, 2, 2, 3, 5), (2, 4)).view(2, 4, 3, 5)
    torch.testing.assert_close(m(x), want)


def test_channels_may_be_several_axes() -> None:
    m = shaken(module("groupnorm(x, H C, over=W, groups=H)", MAP, C=4, H=3))
    x = randn(2, 4, 3, 5)
    want = standard(x, (1, 3)) * state(m)["weight"].view(3, 4).T[..., None] + state(m)["bias"].view(3, 4).T[..., None]
    torch.testing.assert_close(m(x), want)


def test_groups_that_do_not_divide_name_both_numbers() -> None:
    told = fault("groupnorm(x, C, groups=4)", MAP, C=6)
    assert "E0203" in told
    assert "6 channels, which 4 groups do not divide" in told
    assert "6 divides by 1, 2, 3, 6" in told


def test_a_called_block_pools_its_own_axes_alone() -> None:
    text = """block inner(x: [*, C, H]) -> [*, C, H] {
    return groupnorm(x, C, groups=2, weight=false, bias=false)
}
block outer(x: [B, T, C, H]) -> [B, T, C, H] {
    return inner(x)
}"""
    x = randn(2, 3, 4, 5)
    want = standard(x.view(2, 3, 2, 2, 5), (3, 4)).view(2, 3, 4, 5)
    torch.testing.assert_close(attn.compile(attn.text(text), bind={"C": 4})(x), want)


def test_instancenorm_is_pytorchs() -> None:
    x = randn(2, 4, 3, 5)
    torch.testing.assert_close(module("instancenorm(x, over=H W)", MAP)(x), nn.functional.instance_norm(x))
    theirs = shaken(nn.InstanceNorm2d(4, affine=True))
    ours = module("instancenorm(x, C, over=H W)", MAP, C=4).double()
    copied(ours, theirs)
    torch.testing.assert_close(ours(x), theirs(x))


def test_instancenorm_without_channels_has_no_weights() -> None:
    assert "E0305" in fault("instancenorm(x, over=H W, weight=true)", MAP)
    assert "over=H W" in fault("instancenorm(x)", MAP)


# ---------------------------------------------------------------- batchnorm


def pair(momentum: float | None = 0.1) -> tuple[nn.Module, nn.Module]:
    theirs = shaken(nn.BatchNorm2d(4, momentum=momentum))
    ours = module(f"batchnorm(x, C, momentum={'none' if momentum is None else momentum})", MAP, C=4).double()
    copied(ours, theirs)
    return ours, theirs


@pytest.mark.parametrize("momentum", [0.1, 0.3, None])
def test_batchnorm_is_pytorchs_in_training_and_after(momentum: float | None) -> None:
    ours, theirs = pair(momentum)
    for step in range(3):
        x = randn(2, 4, 3, 5, seed=step)
        torch.testing.assert_close(ours(x), theirs(x))
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(state(ours)[name], value)
    assert state(ours)["num_batches_tracked"] == 3
    x = randn(2, 4, 3, 5, seed=9)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_batchnorm_gradients() -> None:
    ours, _ = pair()
    assert torch.autograd.gradcheck(ours, (randn(2, 4, 2, 3).requires_grad_(),))
    assert torch.autograd.gradcheck(ours.eval(), (randn(2, 4, 2, 3).requires_grad_(),))


def test_batchnorm_of_everything_is_one_channel() -> None:
    ours, theirs = module("batchnorm(x)", MAP).double(), nn.BatchNorm1d(1).double()
    assert state(ours)["weight"].shape == state(ours)["running_mean"].shape == (1,)
    x = randn(2, 4, 3, 5)
    torch.testing.assert_close(ours(x), theirs(x.view(-1, 1)).view(x.shape))
    torch.testing.assert_close(state(ours)["running_var"], theirs.running_var)


def test_batchnorm_pools_leading_dimensions_too() -> None:
    ours, theirs = pair()
    x = randn(6, 4, 3, 5)
    torch.testing.assert_close(ours(x.view(2, 3, 4, 3, 5)), theirs(x).view(2, 3, 4, 3, 5))


def test_each_adds_channels_to_batchnorm() -> None:
    ours, theirs = module("batchnorm(x, C, each=H)", MAP, C=4, H=3).double(), nn.BatchNorm1d(12).double()
    x = randn(2, 4, 3, 5)
    want = theirs(x.permute(0, 2, 1, 3).reshape(2, 12, 5)).view(2, 3, 4, 5).permute(0, 2, 1, 3)
    torch.testing.assert_close(ours(x), want)


def test_half_precision_statistics_of_channels_are_float32() -> None:
    """PyTorch multiplies and adds in half precision after that, and the mean is 30 standard deviations here."""
    x = 300 + 10 * randn(2, 4, 31, 33)
    for text in ("groupnorm(x, C, groups=2)", "instancenorm(x, over=H W)", "batchnorm(x, C)"):
        for dtype in (torch.float16, torch.bfloat16):
            got = module(text, MAP, C=4).to(dtype)(x.to(dtype))
            assert got.dtype == dtype
            want = module(text, MAP, C=4).double()(x.to(dtype).double())
            torch.testing.assert_close(got.double(), want, rtol=2 * torch.finfo(dtype).eps, atol=30 * torch.finfo(dtype).eps)


def test_batchnorm_moves_its_statistics_when_traced() -> None:
    ours, theirs = pair()
    x = randn(2, 4, 3, 5)
    torch.testing.assert_close(torch.compile(ours, backend="eager", fullgraph=True)(x), theirs(x))
    torch.testing.assert_close(state(ours)["running_var"], theirs.running_var)
    assert state(ours)["num_batches_tracked"] == 1


def test_copies_of_batchnorm_keep_their_own_statistics() -> None:
    ours, _ = pair()
    other = copy.deepcopy(ours)
    other(randn(2, 4, 3, 5))
    assert state(other)["num_batches_tracked"] == 1
    assert state(ours)["num_batches_tracked"] == 0
    assert not torch.equal(state(other)["running_mean"], state(ours)["running_mean"])


def test_a_batchnorm_applied_twice_counts_twice() -> None:
    text = "block t(x: [*, C], y: [*, C]) -> [*, C] {\n    norm = batchnorm(C)\n    return norm(x) + norm(y)\n}"
    ours, theirs = attn.compile(attn.text(text), C=4).double(), nn.BatchNorm1d(4).double()
    x, y = randn(7, 4), randn(7, 4, seed=1)
    torch.testing.assert_close(ours(x, y), theirs(x) + theirs(y))
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(state(ours)[name], value)
