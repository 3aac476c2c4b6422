"""Small programs on which the compiler was once wrong."""

from __future__ import annotations

import pytest
import torch

import attn
from attn.compiler.verify import Setting, compare

QKV = "q: [*, N, d], k: [*, N, d], v: [*, N, e]"


def same(head: str, body: str, result: str, free: dict[str, int], setting: Setting | None = None) -> None:
    setting = setting or Setting(gradients=True)
    text = attn.text(f"block t({head}) -> {result} {{\n    {body}\n}}")
    lead = 1
    for size in setting.lead:
        lead *= size
    assert compare(text, setting, {**free, "*": lead}) == "same"


@pytest.mark.parametrize("option", ["sink_logit=x", "scale=0.1 * x", "bias=x"])
@pytest.mark.parametrize("chunk", ["", ", chunk=2"])
def test_options_of_attend_may_have_an_axis_called_like_the_features(option: str, chunk: str) -> None:
    """In chunks the features of queries and of the option were one dimension."""
    head, sizes = QKV + ", x: [N, d]", {"N": 5, "d": 3, "e": 2}
    same(head, f"return attend(q, k, v, over=N, dot=d, {option}{chunk})", "[*, N, d, e]", sizes)


@pytest.mark.parametrize("chunk", ["", ", chunk=2"])
def test_terms_may_have_the_features_of_each_other_as_rows(chunk: str) -> None:
    """What one term adds up along can be an axis of the rows by the other."""
    head = "q: [*, N, d, r], k: [*, N, d], p: [*, N, r], v: [*, N, e]"
    body = f"return attend((q, q), (k, p), v, over=N, dot=(d, r){chunk})"
    same(head, body, "[*, N, d, r, e]", {"N": 4, "d": 2, "r": 3, "e": 2})


def test_a_scale_without_axes_may_be_computed_where_keys_come_in_chunks() -> None:
    head, sizes = QKV + ", x: [N]", {"N": 5, "d": 3, "e": 2}
    same(head, "return attend(q, k, v, over=N, dot=d, scale=mean(x, N), chunk=2)", "[*, N, e]", sizes)


@pytest.mark.parametrize("order", [(2, 0, 1), (2, 1, 0), (1, 2, 0), (0, 1, 2)])
@pytest.mark.parametrize("training", [False, True])
def test_the_slope_of_batchnorm_does_not_depend_on_the_order_of_memory(order: tuple[int, int, int], training: bool) -> None:
    """PyTorch's own is wrong for images with a dimension of size 1 whose gradient has the channels innermost."""
    module = attn.compile(attn.text("block t(x: [D, t, N]) -> [D, t, N] {\n    return batchnorm(x, D)\n}"), D=4, dtype=torch.float64).train(
        training
    )
    source = torch.Generator().manual_seed(3)
    x = torch.randn(4, 4, 5, dtype=torch.float64, generator=source).requires_grad_()
    toward = torch.randn(4, 4, 5, dtype=torch.float64, generator=source)
    places = [order.index(i) for i in range(3)]
    disordered = toward.permute(order).contiguous().permute(places)
    wanted = torch.autograd.grad(module(x), x, toward)[0]
    torch.testing.assert_close(torch.autograd.grad(module(x), x, disordered)[0], wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("lead", [(), (1,), (2,)])
def test_a_group_of_one_number_is_its_bias(lead: tuple[int, ...]) -> None:
    """PyTorch's function refuses it where the batch is one."""
    setting = Setting(bind={"C": 2}, lead=lead, gradients=True)
    same("x: [*, C, N]", "return groupnorm(x, C, over=N, groups=2)", "[*, C, N]", {"N": 1}, setting)


@pytest.mark.parametrize("by", ["1", "-2", "N // 2", "size(x, D) - 2"])
@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_a_shift_along_few_positions_or_none(by: str, n: int) -> None:
    same("x: [*, N, D]", f"return shift(x, N={by}, fill=2)", "[*, N, D]", {"N": n, "D": 3})


def test_two_parts_of_a_layer_under_one_name_are_told_apart() -> None:
    """They were said to be made in the turns of a loop."""
    text = "block t(x: [*, D]) -> [*, D] {\n    f = linear(D -> r=3) |> tanh |> linear(r -> D)\n    return f(x)\n}"
    with pytest.raises(attn.AttnError) as caught:
        attn.load(attn.text(text)).graph({"D": 3})
    (told,) = [found for found in caught.value.diagnostics if found.title.endswith("`f.linear.weight`")]
    assert told.code == "E0401"
    assert told.span.text == "linear(r -> D)"


@pytest.mark.parametrize("function", ["softplus(a)", "mish(a)"])
def test_the_slope_of_a_smooth_function_at_nought(function: str) -> None:
    """A weight that starts at 0 had no slope in the reference."""
    same(
        "x: [*, N, D]",
        f"param a: [D] = 0\n    return x * {function}",
        "[*, N, D]",
        {"N": 3, "D": 2},
        Setting(bind={"D": 2}, gradients=True),
    )
