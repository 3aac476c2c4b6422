"""What a compiled module promises as a PyTorch module."""

from __future__ import annotations

import copy
import inspect
import io
import pickle

import pytest
import torch
from hand_graphs import Hand, affine, running

from attn.compiler.graph import Graph, Init
from attn.compiler.lower.lowering import lower
from attn.compiler.lower.module import AttnModule
from attn.dsl.diagnostics import AttnError


def expected(module: AttnModule, x: torch.Tensor) -> torch.Tensor:
    weights = module.state_dict()
    return x.exp() * weights["layers.0.scale"] + weights["layers.0.shift"]


@pytest.mark.parametrize("leading", [(), (4,), (2, 3), (2, 1, 3), (0,), (2, 0)])
def test_star_is_any_number_of_leading_dimensions(leading: tuple[int, ...]) -> None:
    module, x = lower(affine()), torch.randn(*leading, 5, 6)
    y = module(x)
    assert y.shape == x.shape
    assert torch.equal(y, expected(module, x))


@pytest.mark.parametrize("leading", [(), (4,), (2, 3), (0,)])
def test_a_result_may_have_nothing_but_leading_dimensions(leading: tuple[int, ...]) -> None:
    hand = Hand()
    x = hand.input("x", "*")
    module = lower(hand.graph(("", hand.op("exp", x, axes="*"), "*")))
    numbers = torch.randn(leading)
    assert torch.equal(module(numbers), numbers.exp())


@pytest.mark.parametrize(("left", "right"), [((2, 3), (3,)), ((2, 3), ()), ((4,), (1,)), ((), (2, 2)), ((2, 1), (1, 3)), ((2, 3), (1, 1))])
def test_leading_dimensions_broadcast(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    hand = Hand()
    x, y = hand.input("x", "* N D"), hand.input("y", "* D")
    module = lower(hand.graph(("", hand.op("mul", x, y, axes="* N D"), "* N D")))
    a, b = torch.randn(*left, 5, 6), torch.randn(*right, 6)
    wanted = a * b.unsqueeze(-2)
    assert torch.equal(module(a, b), wanted)
    assert module(a, b).shape == wanted.shape


def test_broadcast_over_leading_dimensions_copies_nothing() -> None:
    from attn.compiler.lower.runtime import merge_leading

    x = torch.randn(1, 6)
    assert merge_leading(x, (4, 5), 0, 1).data_ptr() == x.data_ptr()
    y = torch.randn(4, 5, 6)
    assert merge_leading(y, (4, 5), 0, 1).data_ptr() == y.data_ptr()


def test_one_leading_dimension_is_not_reshaped() -> None:
    from attn.compiler.lower.runtime import merge_leading, split_leading

    x = torch.randn(4, 6)
    assert merge_leading(x, (4,), 0, 1) is x
    assert split_leading(x, (4,), 0) is x


def test_state_dict_has_the_paths_of_the_program() -> None:
    module = lower(affine())
    assert {name: tuple(value.shape) for name, value in module.state_dict().items()} == {"layers.0.scale": (6,), "layers.0.shift": (6,)}
    assert [name for name, _ in module.named_parameters()] == ["layers.0.scale", "layers.0.shift"]


def test_state_dict_goes_round() -> None:
    torch.manual_seed(0)
    a, b = lower(affine()), lower(affine())
    x = torch.randn(2, 5, 6)
    assert not torch.equal(a(x), b(x))
    b.load_state_dict(a.state_dict())
    assert torch.equal(a(x), b(x))


def test_names_of_torch_compile_load() -> None:
    a, b = lower(affine()), lower(affine())
    b.load_state_dict(torch.compile(a, backend="eager").state_dict())
    assert torch.equal(a.state_dict()["layers.0.scale"], b.state_dict()["layers.0.scale"])


def test_kinds_of_weights() -> None:
    hand = Hand({"D": 3})
    x = hand.input("x", "D")
    total = x
    for kind in ("param", "const", "state", "buffer"):
        total = hand.op("add", total, hand.weight(f"w.{kind}", "D", Init("ones"), kind), axes="D")
    module = lower(hand.graph(("", total, "D")))
    assert list(module.state_dict()) == ["w.param", "w.state", "w.buffer"]
    assert [name for name, _ in module.named_parameters()] == ["w.param"]
    assert [name for name, _ in module.named_buffers()] == ["w.const", "w.state", "w.buffer"]
    assert torch.equal(module(torch.zeros(3)), torch.full((3,), 4.0))


def test_grouped_axes_are_stored_flat() -> None:
    hand = Hand({"h": 2, "d": 3, "D": 4})
    x, w = hand.input("x", "D"), hand.weight("w", "h*d D")
    module = lower(hand.graph(("", hand.op("mul", x, w, axes="h d D"), "h D d")))
    a, stored = torch.randn(4), module.state_dict()["w"]
    assert stored.shape == (6, 4)
    assert torch.equal(module(a), (stored.reshape(2, 3, 4) * a).transpose(1, 2))


def test_deepcopy_is_independent() -> None:
    module, x = lower(affine()), torch.randn(2, 5, 6)
    other = copy.deepcopy(module)
    assert torch.equal(other(x), module(x))
    with torch.no_grad():
        other.get_parameter("layers.0.scale").zero_()
    assert not torch.equal(other(x), module(x))
    assert list(other.state_dict()) == list(module.state_dict())
    assert other.code == module.code


def test_copy_shares_weights() -> None:
    module, x = lower(affine()), torch.randn(2, 5, 6)
    other = copy.copy(module)
    assert torch.equal(other(x), module(x))
    assert other.get_parameter("layers.0.scale") is module.get_parameter("layers.0.scale")


def test_deepcopy_of_a_loop() -> None:
    module, x = lower(running()), torch.randn(2, 4, 3)
    assert all(map(torch.equal, copy.deepcopy(module)(x), module(x)))


def test_pickling_is_refused_with_what_to_do_instead() -> None:
    module = lower(affine())
    with pytest.raises(TypeError, match=r"not pickled, because loading a pickle runs code.*safetensors"):
        pickle.dumps(module)
    with pytest.raises(TypeError, match="not pickled"):
        torch.save(module, io.BytesIO())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    module = lower(affine(), dtype=dtype)
    assert module.get_parameter("layers.0.scale").dtype == dtype
    assert module(torch.randn(2, 5, 6, dtype=dtype)).dtype == dtype
    assert lower(affine()).to(dtype)(torch.randn(2, 5, 6, dtype=dtype)).dtype == dtype


def test_autocast_lets_dtypes_mix() -> None:
    module = lower(affine())
    with torch.autocast("cpu", torch.bfloat16):
        assert module(torch.randn(2, 5, 6, dtype=torch.bfloat16)).shape == (2, 5, 6)


def test_gradients_reach_inputs_and_parameters() -> None:
    module = lower(affine(), dtype=torch.float64)
    x = torch.randn(2, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, (x,))
    module(x).sum().backward()
    assert module.get_parameter("layers.0.scale").grad is not None


def test_by_position_and_by_name() -> None:
    module, x = lower(affine()), torch.randn(5, 6)
    assert torch.equal(module(x), module(x=x))
    assert list(inspect.signature(module.forward).parameters) == ["x"]


def test_several_results_are_a_named_tuple() -> None:
    result = lower(running())(torch.randn(2, 4, 3))
    assert result._fields == ("y", "last")
    assert torch.equal(result.y[:, -1], result.last)


def test_repr_is_the_signature() -> None:
    assert repr(lower(affine())) == "hand(x: [*, N, D=6]) -> [*, N, D=6], 12 parameters"


def test_code_reads_well() -> None:
    assert (
        lower(affine()).code
        == """\
def forward(self, x):
    runtime.check_inputs((x,), self.layers.0.scale)
    leading = runtime.leading_shape((x, 0, 2))
    x_1 = runtime.merge_leading(x, leading, 0, 2)  # [*, N, D]
    exp = torch.exp(x_1)  # [*, N, D]
    y = exp * self.layers.0.scale  # [*, N, D]
    add = y + self.layers.0.shift  # [*, N, D]
    split_leading = runtime.split_leading(add, leading, 0)  # [*, N, D]
    return split_leading  # [*, N, D]
""".replace("self.layers.0", "getattr(self.layers, '0')")
    )


def test_the_graph_passes_the_checks_of_fx() -> None:
    for graph in (affine(), running()):
        module = lower(graph)
        module.graph.lint()
        assert {node.op for node in module.graph.nodes} <= {"placeholder", "get_attr", "call_function", "call_method", "output"}


def test_same_graph_same_code() -> None:
    assert lower(running()).code == lower(running()).code


@pytest.mark.parametrize("name", ["train", "forward", "layers.type.weight", "code", "__init__", "x.training"])
def test_names_modules_have_themselves_are_refused(name: str) -> None:
    hand = Hand({"D": 3})
    graph = hand.graph(("", hand.op("mul", hand.input("x", "D"), hand.weight(name, "D"), axes="D"), "D"))
    with pytest.raises(AttnError) as caught:
        lower(graph)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0403"
    assert f"`{name}`" in diagnostic.title
    assert "as " in diagnostic.help


@pytest.mark.parametrize("names", [("a", "a.b"), ("a.b.c", "a.b")])
def test_a_weight_is_no_folder(names: tuple[str, str]) -> None:
    hand = Hand({"D": 3})
    x = hand.input("x", "D")
    for name in names:
        x = hand.op("mul", x, hand.weight(name, "D"), axes="D")
    with pytest.raises(AttnError) as caught:
        lower(hand.graph(("", x, "D")))
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["E0403"]


def test_unbound_weights_are_refused() -> None:
    hand = Hand()
    graph = hand.graph(("", hand.op("mul", hand.input("x", "D"), hand.weight("w", "D"), axes="D"), "D"))
    with pytest.raises(AttnError) as caught:
        lower(graph)
    assert caught.value.diagnostics[0].code == "E0206"
    assert "D = ..." in caught.value.diagnostics[0].help


def test_code_without_dead_lines() -> None:
    hand = Hand({"D": 3})
    x = hand.input("x", "D")
    hand.op("exp", x, axes="D")
    module = lower(hand.graph(("", x, "D")))
    assert "exp" not in module.code


def test_train_and_eval_reach_the_graph() -> None:
    assert isinstance(lower(affine()).eval(), AttnModule)
    assert not lower(affine()).eval().training


def state_graph() -> Graph:
    """A counter: the result is x * k with k as of entry, then k becomes k + x."""
    hand = Hand({"D": 3})
    x, k = hand.input("x", "D"), hand.weight("k", "D", Init("ones"), "state")
    y = hand.op("mul", x, k, axes="D")
    return hand.graph(("y", y, "D"), ("before", k, "D"), updates=[(0, hand.op("add", k, x, axes="D"))])


def test_state_is_read_as_of_entry_and_written_at_the_end() -> None:
    module, x = lower(state_graph()), torch.tensor([1.0, 2.0, 3.0])
    first, second = module(x), module(x)
    assert torch.equal(first.before, torch.ones(3))
    assert torch.equal(first.y, x)
    assert torch.equal(second.before, 1 + x)
    assert torch.equal(module.state_dict()["k"], 1 + 2 * x)


def test_state_does_not_disturb_gradients() -> None:
    module = lower(state_graph())
    x = torch.ones(3, requires_grad=True)
    module(x).y.sum().backward()
    assert torch.equal(x.grad if x.grad is not None else x, torch.ones(3))
    assert not module.get_buffer("k").requires_grad
