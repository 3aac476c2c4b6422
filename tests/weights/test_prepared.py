"""Values of weights alone are worked out once for inference, and are never out of date."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from prepared_support import LOW_RANK, bodies, count, expected, low_rank, lowered
from torch import nn
from torch.nn.utils import parametrize, prune

import attn


def x(dtype: Any = torch.float64, seed: int = 1) -> torch.Tensor:
    return torch.randn(2, 7, 5, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def test_a_product_of_weights_is_worked_out_once() -> None:
    m = low_rank()
    calls = count(m)
    for seed in range(3):
        torch.testing.assert_close(m(x(seed=seed)), expected(m, x(seed=seed)))
    assert len(calls) == 1


def test_the_bits_are_those_of_the_program_as_written() -> None:
    m, plain = low_rank(), low_rank(level=0)
    assert bodies(plain) == []
    assert torch.equal(m(x()), plain(x()))


def test_training_computes_everything_in_the_forward() -> None:
    m = low_rank(mode="train")
    assert bodies(m) == []
    m(x()).sum().backward()
    assert all(p.grad is not None for p in m.parameters())


# ------------------------------------------------ nothing is out of date


def load(m: Any) -> None:
    m.load_state_dict(low_rank(seed=5).state_dict())


def assign(m: Any) -> None:
    m.load_state_dict(low_rank(seed=5).state_dict(), assign=True)


def step(m: Any, **options: Any) -> None:
    m.a.grad = torch.ones_like(m.a)
    torch.optim.AdamW([m.a], lr=0.1, **options).step()


def write(m: Any) -> None:
    with torch.no_grad():
        m.b[1, 1] += 3


def write_in_inference_mode(m: Any) -> None:
    with torch.inference_mode():
        m.b.mul_(2)


def replace(m: Any) -> None:
    m.a = nn.Parameter(torch.randn(5, 4, dtype=torch.float64), requires_grad=False)


def new_memory(m: Any) -> None:
    m.a.data = torch.randn(5, 4, dtype=torch.float64)


def there_and_back(m: Any) -> None:
    m.to(torch.bfloat16).to(torch.float64)


def reset(m: Any) -> None:
    m.reset_parameters()


def from_file(m: Any) -> None:
    attn.load_weights(m, low_rank(seed=7).state_dict())


def storage(m: Any) -> None:
    nn.utils.vector_to_parameters(torch.randn(32, dtype=torch.float64), m.parameters())


def fused_step(m: Any) -> None:
    step(m, fused=True)


def foreach_step(m: Any) -> None:
    step(m, foreach=True)


CHANGES: list[Callable[[Any], None]] = [
    load, assign, step, fused_step, foreach_step, write, write_in_inference_mode, replace, new_memory, there_and_back, reset, from_file,
    storage,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_of_a_weight_is_noticed(change: Callable[[Any], None]) -> None:
    m = low_rank()
    before = m(x())
    change(m)
    torch.testing.assert_close(m(x()), expected(m, x()))
    assert not torch.equal(m(x()), before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_another_dtype_is_noticed(dtype: torch.dtype) -> None:
    m = low_rank()
    m(x())
    m.to(dtype)
    assert torch.equal(m(x(dtype)), expected(m, x(dtype)))


def test_memory_of_an_old_weight_is_not_taken_for_its_own() -> None:
    """The new weight would lie where the old one was, if nothing held on to it."""
    m = low_rank()
    m(x())
    for _ in range(20):
        m.a.data = torch.randn(5, 4, dtype=torch.float64)
        m.a.data = torch.randn(5, 4, dtype=torch.float64)
        torch.testing.assert_close(m(x()), expected(m, x()))


def test_a_write_through_data_is_noticed_after_refresh() -> None:
    m = low_rank()
    before = m(x())
    m.a.data.mul_(2)
    assert torch.equal(m(x()), before)  # PyTorch does not count it, which is why there is `refresh`
    m.refresh()
    torch.testing.assert_close(m(x()), before * 2)


def test_refresh_reaches_a_module_inside_another() -> None:
    m = low_rank()
    outer = nn.Sequential(m)
    before = outer(x())
    m.a.data.mul_(2)
    m.refresh()
    torch.testing.assert_close(outer(x()), before * 2)


def test_a_prepared_result_that_is_written_to_is_prepared_again() -> None:
    text = "block t(x: [N, D]) -> (y: [N, D], w: [D]) {\n    param a: [D] = 2.0\n    return x * 2, a * a\n}"
    m = lowered(text, D=5)
    data = torch.ones(3, 5, dtype=torch.float64)
    m(data).w.zero_()
    assert torch.equal(m(data).w, m.a * m.a)


# ------------------------------------------------ it is no part of the module


def test_nothing_of_it_is_in_the_state() -> None:
    m, plain = low_rank(), low_rank(level=0, mode="train")
    m(x())
    for names in ("state_dict", "named_parameters", "named_buffers"):
        assert [name for name, *_ in list(dict(getattr(m, names)()).items())] == list(dict(getattr(plain, names)()))


def test_a_deep_copy_prepares_its_own() -> None:
    m = low_rank()
    m(x())
    other = copy.deepcopy(m)
    calls = count(other)
    with torch.no_grad():
        other.a.zero_()
    assert not other(x()).any()
    assert len(calls) == 1
    torch.testing.assert_close(m(x()), expected(m, x()))


def test_a_shallow_copy_shares_weights_and_is_right_after_one_of_them_is_replaced() -> None:
    m = low_rank()
    m(x())
    other = copy.copy(m)
    replace(other)
    for module in (m, other, m):
        torch.testing.assert_close(module(x()), expected(module, x()))


# ------------------------------------------------ gradients


def test_weights_get_no_gradients_and_inputs_do() -> None:
    m = low_rank()
    assert not any(p.requires_grad for p in m.parameters())
    a = x().requires_grad_()
    m(a).sum().backward()
    wanted = (m.a @ m.b).sum(1)
    torch.testing.assert_close(a.grad, wanted.expand(2, 7, 5))


def test_a_weight_that_asks_for_gradients_gets_all_of_them() -> None:
    m = low_rank()
    m(x())
    m.a.requires_grad_()
    m(x()).sum().backward()
    (wanted,) = torch.autograd.grad(expected(m, x()).sum(), [m.a])
    torch.testing.assert_close(m.a.grad, wanted)


def test_values_prepared_in_inference_mode_serve_gradients_later() -> None:
    m = low_rank()
    with torch.inference_mode():
        m(x())
    a = x().requires_grad_()
    m(a).sum().backward()
    assert a.grad is not None


# ------------------------------------------------ other ways to call it


def test_weights_that_are_inference_tensors_are_never_out_of_date() -> None:
    with torch.inference_mode():
        m = low_rank()
        m(x())
        m.a.mul_(2)
        torch.testing.assert_close(m(x()), expected(m, x()))


def test_functional_call_uses_the_weights_it_is_given() -> None:
    m = low_rank()
    before = m(x())
    other = {"a": m.a * 2}
    torch.testing.assert_close(torch.func.functional_call(m, other, (x(),)), before * 2)
    torch.testing.assert_close(m(x()), before)


def test_function_transforms_see_the_weights() -> None:
    m, data = low_rank(), x()
    m(x())

    def loss(a: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(m, {"a": a}, (data,)).sum()

    grad = torch.func.grad(loss)(m.a.detach())
    slope = torch.func.jvp(loss, (m.a.detach(),), (torch.ones_like(m.a),))[1]
    torch.testing.assert_close(slope, grad.sum())
    many = torch.stack([m.a.detach(), m.a.detach() * 2])
    torch.testing.assert_close(torch.func.vmap(loss)(many), torch.stack([loss(a) for a in many]))
    torch.testing.assert_close(m(x()), expected(m, x()))


def test_a_transform_over_inputs_leaves_nothing_behind() -> None:
    m = low_rank()
    torch.func.vmap(torch.func.grad(lambda a: m(a).sum()))(x())
    m.refresh()
    torch.func.grad(lambda a: m(a).sum())(x())
    torch.testing.assert_close(m(x()), expected(m, x()))
    assert not m(x()).requires_grad


def test_mixed_precision_is_told_from_full_precision() -> None:
    m = low_rank(dtype=torch.float32)
    plain = low_rank(dtype=torch.float32, level=0)
    for enabled in (True, False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            assert torch.equal(m(x(torch.float32)), plain(x(torch.float32)))


def test_torch_compile_computes_it_in_the_graph() -> None:
    m = low_rank()
    m(x())
    quick = torch.compile(m, backend="eager", fullgraph=True)
    before = quick(x())
    torch.testing.assert_close(before, m(x()))
    m.a.data.mul_(2)
    torch.testing.assert_close(quick(x()), before * 2)


def test_torch_export_computes_it_in_the_graph() -> None:
    m = low_rank()
    m(x())
    before = m(x())
    made: Any = torch.export.export(m, (x(),)).module()
    torch.testing.assert_close(made(x()), before)
    with torch.no_grad():
        made.a.mul_(2)
    torch.testing.assert_close(made(x()), before * 2)


def test_an_optional_input_has_prepared_values_of_its_own() -> None:
    text = LOW_RANK.replace("x: [*, N, D]", "x: [*, N, D], scale: [N] = none").replace(
        "    return linear(x, D -> F, weight=w, bias=false)\n",
        "    if scale != none { x = x * scale }\n    return linear(x, D -> F, weight=w, bias=false)\n",
    )
    m = lowered(text, D=5)
    m.variant = lambda present: attn.load(attn.text(text)).graph({"D": 5}, sorted(present))
    scale = torch.arange(7, dtype=torch.float64)
    for _ in range(2):
        torch.testing.assert_close(m(x(), scale), expected(m, x() * scale[:, None]))
        torch.testing.assert_close(m(x()), expected(m, x()))
        write(m)
    assert len(bodies(m)) == 2


class Twice(nn.Module):
    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight * 2


@pytest.mark.parametrize("mode", ["infer", "train"])
def test_a_weight_that_is_worked_out_from_another_is_read(mode: Any) -> None:
    text = "block t(x: [*, C]) -> [*, C] {\n    return linear(x, C -> C, bias=false) as w\n}\n"
    m: Any = attn.compile(attn.text(text), C=5, mode=mode)
    data = torch.linspace(-1, 1, 10).reshape(2, 5)
    before, twice, half = m(data), copy.deepcopy(m), copy.deepcopy(m)
    parametrize.register_parametrization(twice.w, "weight", Twice())
    torch.testing.assert_close(twice(data), before * 2)
    prune.custom_from_mask(half.w, "weight", torch.arange(5)[:, None].expand(5, 5) < 2)
    torch.testing.assert_close(half(data), before * (torch.arange(5) < 2))
    m.w.weight = nn.Parameter(torch.eye(5), requires_grad=False)
    torch.testing.assert_close(m(data), data)


def test_a_call_that_is_traced_leaves_the_checks_as_they_were(recwarn: pytest.WarningsRecorder) -> None:
    m = low_rank()
    torch.export.export(m, (x(),), strict=True)
    assert not [one for one in recwarn if "side effects" in str(one.message)]
