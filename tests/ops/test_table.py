"""Every operator of the table keeps the same promises, shown on its examples: at any size, type and number of axes."""

from __future__ import annotations

import copy
import math
import re
from typing import Any

import pytest
import torch
from operator_examples import LEADING, Example, examples
from torch import Tensor
from torch.autograd import gradcheck
from torch.func import functional_call

import attn
from attn.compiler.cost import graph_cost
from attn.compiler.describe import doc_operator, doc_text, summary
from attn.compiler.ops import OPERATORS
from attn.compiler.ops.base import Operator
from attn.dsl.format import format_text
from attn.dsl.source import Source

WRITTEN = [operator for operator in OPERATORS.values() if operator.build is not None or operator.examples]
NO_HALF_KERNEL = {"fft", "ifft", "rfft", "irfft", "real", "imag", "conj", "angle", "complex"}
"""Complex numbers of half precision: PyTorch has next to none."""

every_example = pytest.mark.parametrize("example", examples(), ids=str)


# ---------------------------------------------------------------- documentation


@pytest.mark.parametrize("operator", WRITTEN, ids=lambda operator: operator.name)
def test_an_operator_is_documented_and_shown(operator: Operator) -> None:
    first = summary(operator.doc)
    assert first.endswith(".")
    assert 4 <= len(first) <= 160
    assert "  " not in first
    assert "\n" not in first
    for opening, closing in ("()", "[]"):
        assert first.count(opening) == first.count(closing), first
    assert first.count("`") % 2 == 0, first
    assert operator.examples
    assert operator.family
    assert first.rstrip(".") in " ".join(doc_text(doc_operator(operator)).split())


@pytest.mark.parametrize("operator", WRITTEN, ids=lambda operator: operator.name)
def test_every_option_is_documented(operator: Operator) -> None:
    for option in operator.signature.options:
        assert option.doc, f"{operator.name}: {option.name}"
        assert re.fullmatch(r"[a-z_][a-z_0-9]*", option.name)


@every_example
def test_an_example_uses_its_operator(example: Example) -> None:
    sign = OPERATORS[example.operator].doc.split("`")[1:2]
    spelled = {"pick": "[", "cut": "..", "gather": "["}.get(example.operator, example.operator)
    symbol = sign[0].replace("a", "").replace("b", "").strip() if sign and OPERATORS[example.operator].family == "arithmetic" else spelled
    assert symbol in example.text


# ---------------------------------------------------------------- the text


@every_example
def test_an_example_has_no_mistake(example: Example) -> None:
    assert attn.check(attn.text(example.text)) == []


@every_example
def test_an_example_is_formatted_once_and_for_all(example: Example) -> None:
    once = format_text(Source("once", example.text))
    assert format_text(Source("twice", once)) == once
    assert attn.check(attn.text(once)) == []


# ---------------------------------------------------------------- running


@every_example
@pytest.mark.parametrize("leading", LEADING, ids=len)
def test_an_example_runs_with_any_leading_axes(example: Example, leading: tuple[int, ...]) -> None:
    results = example.run(example.module, *example.inputs(leading))
    for output, result in zip(example.graph.outputs, results, strict=True):
        shape: list[int] = []
        for name in output.order:
            shape.extend((leading if example.has_star else ()) if name == "*" else [example.size(output.node.tensor.size(name))])
        assert list(result.shape) == shape
        assert result.isfinite().all()


@every_example
def test_an_example_is_the_same_alone(example: Example) -> None:
    for leading in LEADING:
        inputs = example.inputs(leading)
        for ours, alone in zip(example.run(example.module, *inputs), example.run(example.alone, *inputs), strict=True):
            assert torch.equal(ours, alone)


@every_example
def test_an_example_is_one_graph_for_torch_compile(example: Example) -> None:
    torch.compiler.reset()
    inputs = example.inputs()
    compiled = torch.compile(example.module, fullgraph=True, backend="eager")
    for ours, theirs in zip(example.run(example.module, *inputs), example.run(compiled, *inputs), strict=True):
        torch.testing.assert_close(theirs, ours, rtol=1e-10, atol=1e-12)


@every_example
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["half", "bfloat16"])
def test_an_example_keeps_half_precision(example: Example, dtype: torch.dtype) -> None:
    if example.operator in NO_HALF_KERNEL:
        pytest.skip("complex numbers of half precision")
    module = copy.deepcopy(example.module).to(dtype)
    inputs = example.inputs(dtype=dtype)
    wanted = example.run(example.module, *(x.double() if x.is_floating_point() else x for x in inputs))
    for output, result, exact in zip(example.graph.outputs, example.run(module, *inputs), wanted, strict=True):
        assert result.dtype == (dtype if output.node.dtype in ("float", "wide") else exact.dtype)
        if result.is_floating_point():
            assert _near(result, exact, dtype)


def _near(result: Tensor, exact: Tensor, dtype: torch.dtype) -> bool:
    """Within what rounding explains, but for a quarter: where an operator jumps, a rounded number may be on the other side."""
    far = (result.double() - exact).abs() > 64 * torch.finfo(dtype).eps * (1 + exact.abs())
    return bool(far.double().mean() <= 0.25)


# ---------------------------------------------------------------- gradients


SMOOTH = [example for example in examples() if OPERATORS[example.operator].differentiable]


@pytest.mark.parametrize("example", SMOOTH, ids=str)
def test_an_example_has_right_gradients(example: Example) -> None:
    leading = (2,) if example.has_star else ()
    inputs = [x.requires_grad_() if x.is_floating_point() else x for x in example.inputs(leading)]
    weights = {name: weight.detach().clone().requires_grad_() for name, weight in example.module.named_parameters()}
    variables = [x for x in (*inputs, *weights.values()) if x.requires_grad]

    def run(*values: Tensor) -> tuple[Tensor, ...]:
        rest = iter(values)
        given = [next(rest) if x.requires_grad else x for x in inputs]
        named = {name: next(rest) for name in weights}
        torch.manual_seed(7)
        found: Any = functional_call(example.module, named, tuple(given))
        return tuple(y for y in ((found,) if isinstance(found, Tensor) else found) if y.is_floating_point() and y.requires_grad)

    assert run(*variables), "nothing to differentiate"
    assert gradcheck(run, variables, fast_mode=True)


# ---------------------------------------------------------------- cost


@every_example
def test_an_example_has_a_cost(example: Example) -> None:
    cost = graph_cost(example.graph)
    for part in (cost.flops, cost.bytes, cost.parameters, cost.buffers):
        value = part.evaluate({**example.sizes, "*": 2})
        assert 0 <= value < math.inf
    assert cost.parameters.integer() == sum(weight.numel() for weight in example.module.parameters())
    for node in example.graph.nodes:
        if node.op in OPERATORS:
            assert OPERATORS[node.op].cost(node).evaluate({**example.sizes, "*": 2}) >= 0
