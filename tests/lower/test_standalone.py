"""A standalone file is the compiled module, in plain PyTorch."""

from __future__ import annotations

import ast
import builtins
from typing import Any

import pytest
import torch
from hand_graphs import Hand, affine, running

from attn.compiler.graph import Graph, Init
from attn.compiler.lower.errors import InputError
from attn.compiler.lower.lowering import lower
from attn.compiler.lower.standalone import standalone


def run(text: str, name: str = "Hand") -> Any:
    """The class of a standalone file, where nothing but torch and the standard library can be imported."""

    def guarded(module: str, *args: Any, **kwargs: Any) -> Any:
        assert not module.startswith("attn"), module
        return builtins.__import__(module, *args, **kwargs)

    space: dict[str, Any] = {"__name__": "standalone", "__builtins__": {**vars(builtins), "__import__": guarded}}
    exec(compile(text, "<standalone>", "exec"), space)
    return space[name]


def pair(graph: Graph) -> tuple[Any, Any]:
    """The compiled module and its standalone twin, drawn from the same seed."""
    torch.manual_seed(3)
    module = lower(graph)
    torch.manual_seed(3)
    return module, run(standalone(module))()


def initials() -> Graph:
    """One weight of each kind of initial value."""
    hand = Hand({"D": 4, "E": 6})
    x = hand.input("x", "D")
    plain = ["zeros", "ones", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal", "eye", "torch_linear"]
    numbers = {"constant": (0.25,), "normal": (0.3,), "uniform": (-1.0, 2.0), "trunc_normal": (0.02,), "torch_bias": (6,)}
    table = [*[(kind, ()) for kind in plain], *numbers.items()]
    for kind, values in table:
        x = hand.op("add", x, hand.weight(f"w.{kind}", "E D", Init(kind, values)), axes="E D")
    x = hand.op("add", x, hand.weight("w.list", "D", Init("list", ((1.0, 2.0, 3.0, 4.0),)), "const"), axes="E D")
    formula = hand.op("exp", hand.number(0.5), dtype="wide")
    x = hand.op(
        "add",
        x,
        hand.weight("w.formula", "D", Init("formula", (), hand.make("expand", (formula,), hand.type("D", "wide"), axes=("D",))), "buffer"),
        axes="E D",
    )
    return hand.graph(("", x, "E D"))


GRAPHS = {"affine": affine(), "loop": running(), "backwards": running(True), "initial values": initials()}
INPUTS = {"affine": (2, 3, 5, 6), "loop": (2, 4, 3), "backwards": (2, 4, 3), "initial values": (4,)}


@pytest.mark.parametrize("name", GRAPHS)
def test_it_equals_the_compiled_module_bit_for_bit(name: str) -> None:
    module, twin = pair(GRAPHS[name])
    assert list(twin.state_dict()) == list(module.state_dict())
    for key, value in module.state_dict().items():
        assert torch.equal(value, twin.state_dict()[key]), key
    x = torch.randn(INPUTS[name])
    made, wanted = twin(x), module(x)
    assert type(made).__name__ == type(wanted).__name__
    assert all(map(torch.equal, made, wanted)) if isinstance(wanted, tuple) else torch.equal(made, wanted)


def test_initial_values_are_torchs() -> None:
    module, _ = pair(initials())
    weights = dict(module.named_parameters())
    torch.testing.assert_close(weights["w.orthogonal"].T @ weights["w.orthogonal"], torch.eye(4))
    assert weights["w.torch_linear"].abs().max() <= 0.5
    assert torch.equal(weights["w.eye"], torch.eye(6, 4))
    assert torch.equal(module.get_buffer("w.list"), torch.tensor([1.0, 2.0, 3.0, 4.0]))
    torch.testing.assert_close(module.get_buffer("w.formula"), torch.full((4,), 0.5).exp())


def test_linear_starts_as_torchs_linear_does() -> None:
    for size in (3, 7, 10, 64, 100):
        hand = Hand({"D": size, "E": 5})
        x = hand.input("x", "D")
        x = hand.op("add", x, hand.weight("l.weight", "E D", Init("torch_linear")), axes="E D")
        x = hand.op("add", x, hand.weight("l.bias", "E", Init("torch_bias", (size,))), axes="E D")
        torch.manual_seed(5)
        module = lower(hand.graph(("", x, "E D")))
        torch.manual_seed(5)
        linear = torch.nn.Linear(size, 5)
        assert torch.equal(module.get_parameter("l.weight"), linear.weight)
        assert torch.equal(module.get_parameter("l.bias"), linear.bias)


def test_it_reads_well() -> None:
    text = standalone(affine(doc="Scales and shifts."))
    forward = text[text.index("    def forward") :]
    assert (
        forward
        == """\
    def forward(self, x):
        check_inputs((x,), getattr(self.layers, '0').scale, (('x', ('*', 'N', 'D'), ('*', 'N', 6), 'float', 'hand.attn:3:12'),))
        leading = leading_shape((x, 0, 2))
        x_1 = merge_leading(x, leading, 0, 2)  # [*, N, D]
        exp = torch.exp(x_1)  # [*, N, D]
        y = exp * getattr(self.layers, '0').scale  # [*, N, D]
        add = y + getattr(self.layers, '0').shift  # [*, N, D]
        split_leading_ = split_leading(add, leading, 0)  # [*, N, D]
        return split_leading_  # [*, N, D]
"""
    )
    assert "Scales and shifts." in (ast.get_docstring(ast.parse(text).body[-1]) or "")  # type: ignore[arg-type]


def test_it_is_the_same_text_each_time() -> None:
    assert standalone(running()) == standalone(lower(running()))


def test_errors_say_the_same() -> None:
    hand = Hand({"D": 6})
    graph = hand.graph(("", hand.op("exp", hand.input("x", "* N D"), axes="* N D"), "* N D"))
    module, twin = pair(graph)
    with pytest.raises(InputError) as here:
        module(torch.ones(5, 7))
    with pytest.raises(ValueError, match="E0601") as there:
        twin(torch.ones(5, 7))
    diagnostic = here.value.diagnostics[0]
    assert all(part in str(there.value) for part in (diagnostic.title, diagnostic.help, diagnostic.label, "hand.attn:3:12"))


def test_an_optional_input_it_was_made_without_is_refused() -> None:
    hand = Hand({"D": 3})
    x, _ = hand.input("x", "D"), hand.input("bias", "D", optional=True, absent=True)
    twin = run(standalone(hand.graph(("", hand.op("exp", x, axes="D"), "D"))))()
    assert torch.equal(twin(torch.zeros(3)), torch.ones(3))
    with pytest.raises(ValueError, match="made without `bias`"):
        twin(torch.zeros(3), torch.zeros(3))


HOSTILE = [
    '"""\nimport os\nos._exit(1)\n"""',
    "x):\n    raise SystemExit\n#",
    "a\\",
    'a"',
    "'''",
    "\u2028exit()",
    "a\x00b",
    "{__import__('os')}",
    "F",
    "nn",
    "count",
]


@pytest.mark.parametrize("word", HOSTILE)
def test_no_name_reaches_the_code_but_as_text(word: str) -> None:
    """Names the language itself would never let through, in every place a graph has for one."""
    hand = Hand({word: 3})
    axis = hand.axis(word)
    x = hand.builder.make("input", (), hand.type("N").plus([axis]), {"name": word, "order": ("N", word), "optional": False}, name=word)
    hand.inputs.append(x)
    y = hand.builder.make("exp", (x,), x.type, {}, name=word)
    graph = Graph(word, tuple(hand.inputs), hand.graph((word, y, "N")).outputs, doc=word)
    graph = Graph(word, graph.inputs, (type(graph.outputs[0])(word, y, ("N", word)), type(graph.outputs[0])("b", y, (word, "N"))), doc=word)
    text = standalone(graph)
    parsed = ast.parse(text)
    assert sum(isinstance(node, ast.ClassDef) for node in parsed.body) == 2
    assert not [node for node in ast.walk(parsed) if isinstance(node, ast.Import) and node.names[0].name == "os"]
    name = next(node.name for node in parsed.body if isinstance(node, ast.ClassDef) and node.name != "InputError")
    twin, module, a = run(text, name)(), lower(graph), torch.randn(2, 3)
    assert torch.equal(twin(a)[0], module(a)[0])
    assert torch.equal(twin(a)[1], a.exp().T)


@pytest.mark.parametrize("path", ['a"b', "a.b\nc", "a b", "", "a..b", "exec()", "é"])
def test_weight_names_are_plain(path: str) -> None:
    from attn.dsl.diagnostics import AttnError

    hand = Hand({"D": 3})
    graph = hand.graph(("", hand.op("mul", hand.input("x", "D"), hand.weight(path, "D"), axes="D"), "D"))
    with pytest.raises(AttnError) as caught:
        lower(graph)
    assert caught.value.diagnostics[0].code == "E0403"
