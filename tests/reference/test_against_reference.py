"""Compiled programs say what the reference interpreter says: every operator's examples, the whole library, every program and mechanism."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from mechanisms import test_mechanisms_a, test_mechanisms_b
from operator_examples import Example, examples

import attn
from attn.compiler.graph import Graph, Node
from attn.compiler.ops import OPERATORS
from attn.compiler.program import BlockProgram
from attn.compiler.reference import Refused, run
from attn.compiler.reference.named import Named
from attn.compiler.reference.rules import RULES
from attn.compiler.sizes import Size
from attn.compiler.verify import Disagreement, Setting, agree, compare, compiled, fitting, inputs_for, stored

from .library_cases import CASES, DRAWS

SHAPES: tuple[tuple[tuple[int, ...], tuple[int, ...], bool], ...] = (
    ((2,), (5, 7, 3, 4, 6, 9), True),
    ((), (1, 2, 3, 5), False),
    ((2, 3), (4, 1, 6, 2), False),
)
"""What `*` stands for, sizes to draw from, and whether memory is left in disorder."""
COARSE = {"hardsigmoid": 1e6, "hardswish": 1e6}
"""PyTorch's derivative of these takes 1/6 in single precision."""
FULL = frozenset({"conv", "conv_transpose", "resize", "sample", "fft", "ifft", "rfft", "irfft", "fold", "groupnorm", "pad"})
"""Of no numbers at all these are not said to be anything: PyTorch refuses some."""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def settled(graph: Graph, choices: tuple[int, ...], lead: tuple[int, ...], fixed: dict[str, int] | None = None) -> dict[str, int]:
    """Sizes from the choices, or where none fit from many more."""
    known = {**(fixed or {}), "*": prod(lead)}
    found = fitting(graph, choices, len(lead), known) or fitting(graph, range(1, 13), 1, known)
    assert found is not None
    return found


# ---------------------------------------------------------------- operators


@pytest.mark.parametrize("example", examples(), ids=str)
@pytest.mark.parametrize(("lead", "choices", "loose"), SHAPES, ids=["odd", "one", "two"])
def test_an_example_of_an_operator(example: Example, lead: tuple[int, ...], choices: tuple[int, ...], loose: bool) -> None:
    slack = COARSE.get(example.operator, 1.0)
    setting = Setting(bind=example.bind, lead=lead, loose=loose, gradients=True, slack=slack)
    graph = attn.load(attn.text(example.text)).graph(example.bind)
    if example.operator in ("rand", "randn", "bernoulli"):
        with pytest.raises(Refused):
            run(graph, inputs_for(graph, settled(graph, choices, lead), setting), {})
        return
    assert compare(attn.text(example.text), setting, settled(graph, choices, lead)) == "same"


@pytest.mark.parametrize(
    "example", [example for example in examples() if example.operator not in FULL | {"rand", "randn", "bernoulli"}], ids=str
)
def test_an_example_with_an_empty_axis(example: Example) -> None:
    """Either both refuse (a mean of nothing, an index into nothing) or both say the same."""
    graph = attn.load(attn.text(example.text)).graph(example.bind)
    attention = OPERATORS[example.operator].family == "attention"
    fixed = {name: 3 for name in ("d", "r") if attention}
    kept = {name: size for name, size in fixed.items() if any(name in node.tensor.names for node in graph.inputs)}
    sizes = fitting(graph, (0, 0, 3, 4), 1, {**kept, "*": 2})
    if sizes is None:
        pytest.skip("its guards want an entry")
    compare(attn.text(example.text), Setting(bind=example.bind, gradients=True, slack=COARSE.get(example.operator, 1.0)), sizes)


def test_every_operator_has_a_rule() -> None:
    without = {"input", "param", "item", "scan"}
    assert {name for name, operator in OPERATORS.items() if operator.lower is not None} - without <= RULES.keys()
    assert "scan" in RULES


# ---------------------------------------------------------------- the library


def blocks() -> set[tuple[str, str]]:
    return {(module, block) for module in dir(attn.std) for block in dir(getattr(attn.std, module))}


def test_every_block_of_the_library_is_compared() -> None:
    assert blocks() == {(module, block) for module, block, _ in CASES} | DRAWS


@pytest.mark.parametrize(("module", "block", "bind"), CASES, ids=lambda value: str(value))
def test_a_block_of_the_library(module: str, block: str, bind: dict[str, Any]) -> None:
    program: BlockProgram = getattr(getattr(attn.std, module), block)
    every = tuple(program.optional())
    for given in ((), every) if every else ((),):
        for lead, choices, loose in SHAPES:
            sizes = settled(program.graph(bind, given), choices, lead)
            below = {"distance": 40, "n": 40}
            setting = Setting(bind=bind, given=given, lead=lead, loose=loose, gradients=True, below=below)
            assert compare(program, setting, sizes) == "same"


@pytest.mark.parametrize("block", ["srm", "coordinate"])
def test_a_block_of_the_library_in_training(block: str) -> None:
    program: BlockProgram = getattr(attn.std.channel, block)
    bind = {"C": 6} if block == "srm" else {"C": 6, "reduction": 2, "least": 3}
    sizes = settled(program.graph(bind), (4, 5), (3,))
    setting = Setting(bind=bind, lead=(3,), gradients=True, training=True)
    assert compare(program, setting, sizes) == "same"


# ---------------------------------------------------------------- programs and mechanisms

PROGRAMS = Path(__file__).parents[1] / "programs"
BINDS: dict[str, dict[str, dict[str, Any]]] = {
    "cbam": {"cbam": {"C": 6, "reduction": 2, "kernel": 3}},
    "efficient_attention": {"efficient_attention": {"D": 6, "heads": 2}},
    "se": {"se": {"C": 6, "reduction": 3}},
    "triplet": {"zgate": {"kernel": 3}, "triplet": {"C": 4, "H": 3, "W": 5}},
    "vit": {"encoder": {"D": 6, "heads": 2}, "vit": {"D": 6, "heads": 2, "depth": 2}, "ema": {"D": 4}, "rope": {}},
}


def test_every_program_is_compared() -> None:
    assert {path.stem for path in PROGRAMS.glob("*.attn")} == BINDS.keys()


@pytest.mark.parametrize(("file", "block"), [(file, block) for file, found in BINDS.items() for block in found])
@pytest.mark.parametrize(("lead", "choices", "loose"), SHAPES, ids=["odd", "one", "two"])
def test_a_program(file: str, block: str, lead: tuple[int, ...], choices: tuple[int, ...], loose: bool) -> None:
    program = attn.load(PROGRAMS / f"{file}.attn", block)
    bind = BINDS[file][block]
    sizes = settled(program.graph(bind), choices, lead)
    assert compare(program, Setting(bind=bind, lead=lead, loose=loose, gradients=True), sizes) == "same"


FOLDER = Path(__file__).parents[1] / "mechanisms"
MECHANISMS: tuple[Any, ...] = (*test_mechanisms_a.CASES, *test_mechanisms_b.CASES)


STATEFUL: list[tuple[str, str, dict[str, int], dict[str, int]]] = [
    ("broadcast_cache", "pab", {"B": 2, "N": 3, "D": 4}, {}),
    ("kv_cache", "cached", {"B": 2, "D": 4, "room": 5}, {"T": 2}),
]
"""Mechanisms with states: file, block, what is bound and what is free."""


def test_every_mechanism_is_compared() -> None:
    files = {path.stem for path in FOLDER.glob("*.attn")}
    assert files == {case.file for case in MECHANISMS} | {file for file, _, _, _ in STATEFUL}


@pytest.mark.parametrize(("file", "block", "bind", "free"), STATEFUL, ids=lambda value: str(value))
def test_a_mechanism_with_states(file: str, block: str, bind: dict[str, int], free: dict[str, int]) -> None:
    """The results, and the states after the run."""
    program = attn.load(FOLDER / f"{file}.attn", block)
    assert run(program.graph(bind), *ready(program, bind, free)).updates
    assert compare(program, Setting(bind=bind), free) == "same"


def ready(program: BlockProgram, bind: dict[str, int], free: dict[str, int]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    made = compiled(program, Setting(bind=bind))
    return inputs_for(made.attn_graph, free, Setting()), stored(made)


@pytest.mark.parametrize("case", MECHANISMS, ids=lambda case: case.name)
def test_a_mechanism(case: Any) -> None:
    made = case.module()
    graph: Graph = made.attn_graph
    names = [node["name"] for node in graph.inputs if not node.options.get("absent", False)]
    inputs = dict(zip(names, case.tensors(), strict=True))
    assert agree(made, inputs, slack=COARSE["hardsigmoid"] if "hard=True" in case.name else 1.0) == "same"


# ---------------------------------------------------------------- the comparison itself

Altered = tuple[Node, list[Named]]


def with_options(**options: Any) -> Callable[[Node, list[Named]], Altered]:
    return lambda node, inputs: (replace(node, attrs=tuple({**node.options, **options}.items())), inputs)


def without_mask(node: Node, inputs: list[Named]) -> Altered:
    return replace(node, inputs=node.inputs[:3], attrs=tuple({**node.options, "extras": ()}.items())), inputs[:3]


def transposed(node: Node, inputs: list[Named]) -> Altered:
    weight = Named(inputs[1].data.T, inputs[1].axes)
    return node, [inputs[0], weight, *inputs[2:]]


PLANTED: dict[str, tuple[str, Callable[[Node, list[Named]], Altered]]] = {
    "attend": ("[*, N, d] {\n    return attend(x, x, x, over=N, dot=d, where=pos(N') <= pos(N))", without_mask),
    "softmax": ("[*, N, d] {\n    return softmax(x, d)", with_options(axes=("N",))),
    "split": ("[*, d, a, b] {\n    return split(x, N -> a=2 b)", with_options(parts=("b", "a"))),
    "shift": ("[*, N, d] {\n    return shift(x, N=1)", with_options(moves=(("N", Size.of(2)),))),
    "layernorm": ("[*, N, d] {\n    return layernorm(x, d)", with_options(eps=1e-4)),
    "linear": ("[*, N, d] {\n    return linear(x, d -> d)", transposed),
}


@pytest.mark.parametrize("op", PLANTED)
def test_a_planted_mistake_is_found(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One rule at a time is given something else than the node's, as a wrong compiler would."""
    body, change = PLANTED[op]
    program, setting = attn.text(f"block t(x: [*, N, d]) -> {body}\n}}"), Setting(bind={"d": 4})
    assert compare(program, setting, {"N": 4, "*": 2}) == "same"
    rule = RULES[op]
    monkeypatch.setitem(RULES, op, lambda run, node, inputs: rule(run, *change(node, inputs)))
    with pytest.raises(Disagreement):
        compare(program, setting, {"N": 4, "*": 2})


def test_only_one_side_that_fails_is_a_disagreement(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(run: Any, node: Node, inputs: list[Named]) -> Named:
        raise ValueError("no")

    monkeypatch.setitem(RULES, "exp", refuse)
    with pytest.raises(Disagreement, match="reference"):
        compare(attn.text("block t(x: [*, N]) -> [*, N] {\n    return exp(x)\n}"), Setting(), {"N": 4, "*": 2})
