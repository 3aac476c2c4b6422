"""`dtype="bfloat16"`: weights stay float32, what is computed is bfloat16, and results come as the inputs did."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

import attn
from attn.compiler.lower.standalone import standalone
from attn.compiler.verify import verify

NET = """
block net(x: [*, N, D], keep: bool [*, N] = none) -> (y: [*, N, D], mean: [*, D]) {
    h = layernorm(x, D) as norm |> linear(D -> E=2*D) as up |> batchnorm(E) as batch |> gelu |> linear(E -> D) as down
    y = x + h if keep == none else where(keep, x + h, x)
    return y, mean(y, N)
}
"""


def made(dtype: str, **options: Any) -> Any:
    torch.manual_seed(0)
    return attn.compile(attn.text(NET), D=8, dtype=dtype, **options)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_weights_and_statistics_stay_float32(dtype: str) -> None:
    half, single = made(dtype), made("float32")
    assert list(half.state_dict()) == list(single.state_dict())
    assert [x.dtype for x in half.state_dict().values()] == [x.dtype for x in single.state_dict().values()]
    x = torch.randn(4, 5, 8, generator=torch.Generator().manual_seed(0))
    for module in (half, single):
        torch.stack([y.float().square().sum() for y in module(x)]).sum().backward()
    assert {weight.grad.dtype for weight in half.parameters()} == {torch.float32}
    for (name, one), other in zip(half.named_parameters(), single.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=0.1, atol=0.05), name
    assert torch.allclose(half.batch.running_mean, single.batch.running_mean, atol=1e-3)
    assert half.batch.running_mean.any()


def test_results_come_in_the_dtype_of_the_inputs() -> None:
    half, x = made("bfloat16").eval(), torch.randn(2, 5, 8)
    assert [y.dtype for y in half(x)] == [torch.float32] * 2
    assert [y.dtype for y in half(x.bfloat16())] == [torch.bfloat16] * 2
    assert torch.equal(half(x).y, half(x.bfloat16()).y.float())
    with pytest.raises(ValueError, match="E0603"):
        half(x.double())


def test_it_computes_what_a_module_with_rounded_weights_does() -> None:
    """To the bit, in training mode, where nothing is prepared: so all that is known of such modules holds."""
    half, x = made("bfloat16").eval(), torch.randn(2, 5, 8).bfloat16()
    narrow = made("float32").bfloat16().eval()
    half.load_state_dict(narrow.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(half(x), narrow(x), strict=True))


def test_what_is_prepared_is_rounded_once_and_last() -> None:
    half, exact = made("bfloat16", mode="infer"), made("float64", mode="infer")
    exact.load_state_dict(half.state_dict())
    x = torch.randn(2, 5, 8)
    assert torch.allclose(half(x).y.double(), exact(x.double()).y, atol=0.05)
    assert "bfloat16" in half.code.partition("def prepared_1")[2]
    assert half.code.partition("def prepared_1")[0].count(".to(torch.bfloat16)") == 1  # the input


def test_copies_and_other_inputs_compute_in_it_too() -> None:
    half, x = made("bfloat16").eval(), torch.randn(2, 5, 8)
    keep = torch.ones(2, 5, dtype=torch.bool)
    assert torch.equal(copy.deepcopy(half)(x).y, half(x).y)
    assert torch.equal(half(x, keep=keep).y, half(x).y)
    with half.probe("h") as seen:
        half(x)
    assert seen["h"].tensor.dtype == torch.bfloat16


def test_every_pass_holds_in_half_precision() -> None:
    report = verify(attn.text(NET), bind={"D": 8}, inputs=(), dtype="bfloat16")
    assert report.ok, str(report)


def test_explain_tells_what_is_computed_in_which_dtype() -> None:
    report = attn.explain(attn.text(NET), D=8, dtype="bfloat16")
    assert report.numbers is not None
    assert report.numbers.products == ["linear"]
    assert {"batchnorm", "layernorm", "mean"} == {*report.numbers.sums}
    assert "gelu" in report.numbers.others
    assert attn.explain(attn.text(NET), D=8).numbers is None


def test_a_file_of_its_own_computes_the_same() -> None:
    half, x = made("bfloat16", mode="infer"), torch.randn(2, 5, 8)
    space: dict[str, Any] = {}
    exec(compile(standalone(half), "<standalone>", "exec"), space)
    alone = space["Net"]()
    alone.load_state_dict(half.state_dict())
    assert {weight.dtype for weight in alone.parameters()} == {torch.float32}
    assert all(torch.equal(a, b) for a, b in zip(alone(x), half(x), strict=True))
