"""What the tests of attention share: small programs, inputs, and softmax written out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.testing import assert_close

import attn
from attn.compiler.elaborate import elaborate
from attn.compiler.graph import Graph, Node, Output

B, H, N, M, D, E = 2, 3, 5, 4, 6, 7
SELF = "q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, e]"
MULTI_QUERY = "q: [*, h, N, d], k: [*, N, d], v: [*, N, e]"
GROUPED = "q: [*, g, h, N, d], k: [*, g, N, d], v: [*, g, N, e]"
CROSS = "q: [*, h, M, d], k: [*, h, N, d], v: [*, h, N, e]"
WAYS = ["", ", chunk=2", ", chunk=64"]
MASKS = "bias: [*, h, N, N'], keep: bool [*, N'], pairs: bool [*, h, N, N'], t: [h], n: [N], j: [N']"
HEAD = f"q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, d], {MASKS}"


def source(head: str, body: str, result: str) -> str:
    lines = "\n".join(f"    {line}" for line in body.split("; "))
    return f"block t({head}) -> {result} {{\n{lines}\n}}"


def module(head: str, body: str, result: str, **bind: Any) -> Any:
    return attn.compile(attn.text(source(head, body, result)), bind=bind, dtype=torch.float64)


def said(head: str, body: str, result: str = "[*, h, N, d]") -> list[tuple[str, str]]:
    """Codes and labels of everything a check has to say."""
    return [(diagnostic.code, diagnostic.label) for diagnostic in attn.check(attn.text(source(head, body, result)))]


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def variable(*shape: int, seed: int = 0) -> Tensor:
    return randn(*shape, seed=seed).requires_grad_()


def same(m: Callable[..., Tensor], formula: Callable[..., Tensor], *inputs: Tensor) -> None:
    """Equal values and equal gradients."""
    got, wanted = m(*inputs), formula(*inputs)
    assert_close(got, wanted)
    variables = [x for x in inputs if x.requires_grad]
    seed = randn(*wanted.shape, seed=99)
    ours = torch.autograd.grad(got, variables, seed, allow_unused=True, materialize_grads=True)
    theirs = torch.autograd.grad(wanted, variables, seed, allow_unused=True, materialize_grads=True)
    for left, right in zip(ours, theirs, strict=True):
        assert_close(left, right)


def softmax(s: Tensor, mask: Tensor | None = None, sink: Tensor | None = None) -> Tensor:
    """exp over its sum along the last dimension, written out; zeros where nothing is allowed."""
    p = s.exp() if mask is None else torch.where(mask, s, 0).exp() * mask
    total = p.sum(-1, keepdim=True) + (0 if sink is None else sink.exp())
    return p / torch.where(total == 0, 1, total)


def causal(n: int) -> Tensor:
    return torch.ones(n, n, dtype=torch.bool).tril()


def option_inputs() -> dict[str, Tensor]:
    inputs = {name: variable(B, H, N, D, seed=i) for i, name in enumerate("qkv")}
    inputs["bias"], inputs["keep"] = variable(B, H, N, N, seed=3), torch.tensor([[True, False, True, True, False], [False] * N])
    inputs["pairs"] = randn(B, H, N, N, seed=4) > 0.6
    inputs |= {"t": variable(H, seed=5), "n": variable(N, seed=6), "j": variable(N, seed=7)}
    assert not inputs["pairs"].any(-1).all()  # some rows are empty
    return inputs


def rewritten(graph: Graph, **changes: Any) -> Graph:
    """The graph with its one attend node, which gives the result, changed."""
    (output,) = graph.outputs
    node = output.node
    assert node.op == "attend"
    changed = Node(node.op, node.inputs, tuple(sorted({**node.options, **changes}.items())), node.type)
    return replace(graph, outputs=(Output(output.name, changed, output.order),))


def graph_of(head: str, body: str, result: str) -> Graph:
    program = attn.load(attn.text(source(head, body, result)))
    return elaborate(program.unit, program.block, {}).require()
