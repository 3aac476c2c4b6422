"""What the state of a compiled module owes its user: the names and numbers of the program at every level, whatever is used inside."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

import attn

LEVELS = (0, 1, 2)
MODES: tuple[Any, ...] = ("train", "infer")
ATTENTION = attn.text("""block layer(x: [*, N, D], heads: int = 2) -> [*, N, D] {
    axis h = heads, d = D / heads
    y = layernorm(x, D) as norm
    q = linear(y, D -> h d)
    k = linear(y, D -> h d)
    v = linear(y, D -> h d, bias=false)
    x = x + (attend(q, k, v, over=N, dot=d) |> linear(h d -> D) as out)
    return silu(linear(x, D -> E=12) as a) * (linear(x, D -> E=12) as b) * (linear(x, D -> E=12) as c) |> linear(E -> D) as down
}""")
TIED = attn.text("""block tied(x: [*, N, D]) -> [*, N, E] {
    param w: [E=8, D] = normal(1)
    a = linear(x, D -> E, weight=w)
    b = linear(x, D -> E, weight=w)
    return a * b + linear(x, D -> E) as c
}""")
GATES = attn.text("""block gates(x: [*, C, H, W]) -> [*, C, H, W] {
    y = conv(x, C -> C, over=H W, kernel=3) as conv |> batchnorm(C) as norm
    return x * sigmoid(y)
}""")
BLOCKS: dict[str, tuple[Any, dict[str, int], tuple[int, ...]]] = {
    "attention": (ATTENTION, {"D": 8, "N": 160}, (2, 160, 8)),
    "tied": (TIED, {"D": 4, "N": 160}, (2, 160, 4)),
    "gates": (GATES, {"C": 3}, (2, 3, 5, 4)),
}


def made(name: str, level: int = 2, mode: Any = "train", seed: int = 0, dtype: Any = torch.float64) -> Any:
    program, bind, _ = BLOCKS[name]
    torch.manual_seed(seed)
    return attn.compile(program, bind=bind, level=level, mode=mode, dtype=dtype)


def given(name: str, dtype: Any = torch.float64) -> torch.Tensor:
    return torch.randn(BLOCKS[name][2], generator=torch.Generator().manual_seed(7), dtype=torch.float64).to(dtype)


def facts(module: Any) -> list[tuple[str, tuple[int, ...], torch.dtype]]:
    return [(name, tuple(value.shape), value.dtype) for name, value in module.state_dict().items()]


def close(left: torch.Tensor, right: torch.Tensor) -> None:
    torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-11)


def test_a_merged_product_is_really_used_here() -> None:
    """Otherwise the tests below would show nothing."""
    for name, count in (("attention", 2), ("tied", 1)):
        for mode in MODES:
            changes = [change for step in made(name, mode=mode).optimised.steps if step.done.name == "siblings" for change in step.changes]
            assert len(changes) == count, (name, mode)


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("mode", MODES)
def test_keys_shapes_dtypes_and_order_are_the_same_at_every_level(name: str, mode: str) -> None:
    plain = made(name, 0)
    for level in LEVELS:
        module = made(name, level, mode)
        module(given(name))
        assert facts(module) == facts(plain)
        assert [key for key, _ in module.named_parameters()] == [key for key, _ in plain.named_parameters()]
        assert [key for key, _ in module.named_buffers()] == [key for key, _ in plain.named_buffers()]
        for key, value in plain.state_dict().items():
            assert "running" in key or "num" in key or torch.equal(module.state_dict()[key], value)  # the same draws


@pytest.mark.parametrize("mode", MODES)
def test_a_state_goes_from_every_level_to_every_level(mode: str) -> None:
    x = given("attention")
    for source in LEVELS:
        state = made("attention", source, seed=3).state_dict()
        wanted = made("attention", 0, seed=3)(x)
        for target in LEVELS:
            module = made("attention", target, mode)
            module(x)
            assert not module.load_state_dict(state).missing_keys
            close(module(x), wanted)


@pytest.mark.parametrize("assign", [False, True])
def test_a_state_loads_before_and_after_torch_compile(assign: bool) -> None:
    x, module = given("attention"), made("attention", seed=3)
    quick = torch.compile(module, backend="eager")
    wrapped = quick.state_dict()
    assert [key.removeprefix("_orig_mod.") for key in wrapped] == [key for key, *_ in facts(module)]
    for mode in MODES:
        other = made("attention", mode=mode)
        other(x)
        other.load_state_dict(wrapped, assign=assign)
        close(other(x), module(x))
    close(quick(x), module(x))


OPTIMIZERS: dict[str, Any] = {
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.01),
}


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_gives_the_same_weights_at_every_level(name: str, optimizer: str) -> None:
    modules = [made(name, level) for level in (0, 2)]
    for module in modules:
        steps = OPTIMIZERS[optimizer](module.parameters())
        for _ in range(4):
            steps.zero_grad()
            module(given(name)).square().mean().backward()
            steps.step()
    before = made(name).state_dict()
    for key, value in modules[0].state_dict().items():
        torch.testing.assert_close(modules[1].state_dict()[key], value, rtol=1e-7, atol=1e-9)
    assert any(not torch.equal(before[key], value) for key, value in modules[1].state_dict().items())


def test_gradients_through_a_merged_product_are_those_of_each_projection() -> None:
    for name in ("attention", "tied"):
        plain, merged = made(name, 0), made(name, 2)
        for module in (plain, merged):
            module(given(name)).sin().sum().backward()
        for (key, left), (_, right) in zip(plain.named_parameters(), merged.named_parameters(), strict=True):
            assert left.grad is not None, key
            assert right.grad is not None, key
            close(right.grad, left.grad)


def test_one_frozen_weight_of_a_merged_product_stays() -> None:
    module = made("attention")
    module.k.weight.requires_grad_(False)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    steps = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad], lr=0.1)
    module(given("attention")).square().sum().backward()
    assert module.k.weight.grad is None
    steps.step()
    assert torch.equal(module.k.weight, before["k.weight"])
    assert not torch.equal(module.q.weight, before["q.weight"])


def test_tied_weights_stay_one() -> None:
    plain, merged = made("tied", 0), made("tied", 2)
    assert [key for key, *_ in facts(merged)] == ["w", "a.bias", "b.bias", "c.weight", "c.bias"]
    for module in (plain, merged):
        module(given("tied")).sum().backward()
    close(merged.w.grad, plain.w.grad)


@pytest.mark.parametrize("mode", MODES)
def test_functional_call_takes_weights_by_name(mode: str) -> None:
    x, module = given("attention"), made("attention", mode=mode)
    before = module(x)
    other = dict(made("attention", 0, seed=9).named_parameters())
    wanted = made("attention", 0, seed=9)(x)
    close(torch.func.functional_call(module, other, (x,)), wanted)
    close(module(x), before)


def test_functional_gradients_for_inference_are_whole() -> None:
    x, module, plain = given("attention"), made("attention", mode="infer"), made("attention", 0)
    module(x)
    weights = {key: value.detach() for key, value in plain.named_parameters()}
    left, right = (torch.func.grad(lambda w, m=m: torch.func.functional_call(m, w, (x,)).sum())(weights) for m in (module, plain))
    for key in weights:
        close(left[key], right[key])


@pytest.mark.parametrize("mode", MODES)
def test_replicas_have_weights_of_their_own(mode: str) -> None:
    """As data parallel training makes them: deep copies that are written to apart."""
    x, module = given("attention"), made("attention", mode=mode)
    wanted = module(x)
    replicas = [copy.deepcopy(module) for _ in range(2)]
    with torch.no_grad():
        replicas[0].q.weight.zero_()
    assert not torch.allclose(replicas[0](x), wanted)
    assert torch.equal(replicas[1](x), wanted)
    assert torch.equal(module(x), wanted)
    assert facts(replicas[0]) == facts(module)


@pytest.mark.parametrize("mode", MODES)
def test_another_dtype_reaches_what_is_merged(mode: str) -> None:
    x, module = given("attention"), made("attention", mode=mode)
    wanted = module(x)
    half = module.to(torch.bfloat16)(x.to(torch.bfloat16))
    assert half.dtype == torch.bfloat16
    assert (half.double() - wanted).abs().max() <= 16 * 2.0**-8 * wanted.abs().max()
    rounded = made("attention", 0).to(torch.bfloat16).to(torch.float64)
    close(module.to(torch.float64)(x), rounded(x))


def test_frozen_and_trained_names_differ_by_the_mode_alone() -> None:
    assert all(p.requires_grad for p in made("attention").parameters())
    assert not any(p.requires_grad for p in made("attention", mode="infer").parameters())


def test_saving_and_loading_files(tmp_path: Any) -> None:
    x = given("attention")
    source = made("attention", 2, "infer", seed=3)
    attn.save_weights(source, tmp_path / "w.safetensors")
    for mode in MODES:
        for level in LEVELS:
            module = made("attention", level, mode)
            module(x)
            attn.load_weights(module, tmp_path / "w.safetensors")
            close(module(x), source(x))
