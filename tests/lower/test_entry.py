"""Calls that do not fit: what is said, and where it points."""

from __future__ import annotations

import pytest
import torch
from hand_graphs import Hand, span

from attn.compiler.graph import Graph, Guard
from attn.compiler.lower.errors import InputError
from attn.compiler.lower.lowering import lower
from attn.compiler.sizes import Size
from attn.dsl.diagnostics import AttnError

N, D = Size.symbol("N"), Size.symbol("D")


def two() -> Graph:
    """`x * y` with x: [*, N, D=6], y: [*, N], a float weight, and ids: int [N], keep: bool [N]."""
    hand = Hand({"D": 6})
    x, y = hand.input("x", "* N D"), hand.input("y", "* N")
    ids, keep = hand.input("ids", "N", "int"), hand.input("keep", "N", "bool")
    w = hand.weight("w", "D")
    z = hand.op("mul", hand.op("mul", x, y, axes="* N D"), w, axes="* N D")
    z = hand.op("mul", hand.op("mul", z, ids, axes="* N D"), keep, axes="* N D")
    return hand.graph(("", z, "* N D"))


X, Y, IDS, KEEP = torch.ones(5, 6), torch.ones(5), torch.ones(5, dtype=torch.int32), torch.ones(5, dtype=torch.bool)

WRONG = [
    ("E0601", "`x` has size 7 along `D`, and the module was compiled for D=6", (torch.ones(5, 7), Y, IDS, KEEP)),
    ("E0601", "axis `N` has size 4 in `y` and 5 in `x`", (X, torch.ones(4), IDS, KEEP)),
    ("E0601", "axis `N` has size 3 in `ids` and 5 in `x`", (X, Y, IDS[:3], KEEP)),
    ("E0601", "the dimensions `*` of `y` and `x` do not broadcast: 3 and 2", (torch.ones(2, 5, 6), torch.ones(3, 5), IDS, KEEP)),
    ("E0602", "`x` has 1 dimensions, and [*, N, D=6] needs at least 2", (torch.ones(6), Y, IDS, KEEP)),
    ("E0602", "`ids` has 2 dimensions, and [N] needs 1", (X, Y, IDS.reshape(1, 5), KEEP)),
    ("E0603", "`x` holds torch.int64, and float is expected", (X.long(), Y, IDS, KEEP)),
    ("E0603", "`x` holds torch.float64, and the module's weights torch.float32", (X.double(), Y, IDS, KEEP)),
    ("E0603", "`y` holds torch.bfloat16, and the module's weights torch.float32", (X, Y.bfloat16(), IDS, KEEP)),
    ("E0603", "`ids` holds torch.float32, and int is expected", (X, Y, Y, KEEP)),
    ("E0603", "`ids` holds torch.bool, and int is expected", (X, Y, KEEP, KEEP)),
    ("E0603", "`keep` holds torch.int32, and bool is expected", (X, Y, IDS, IDS)),
    ("E0603", "`y` must be a tensor, not list", (X, [1.0] * 5, IDS, KEEP)),
    ("E0604", "`x` is on meta, and the module's weights on cpu", (X.to("meta"), Y, IDS, KEEP)),
]


@pytest.mark.parametrize(("code", "title", "inputs"), WRONG, ids=[title for _, title, _ in WRONG])
def test_a_call_that_does_not_fit(code: str, title: str, inputs: tuple[torch.Tensor, ...]) -> None:
    with pytest.raises(InputError) as caught:
        lower(two())(*inputs)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.title) == (code, title)


def test_a_call_that_fits() -> None:
    assert lower(two())(X, Y, IDS, KEEP).shape == (5, 6)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.int64])
def test_whole_numbers_of_any_width(dtype: torch.dtype) -> None:
    assert lower(two())(X, Y, IDS.to(dtype), KEEP).shape == (5, 6)


def test_the_text_points_into_the_program() -> None:
    with pytest.raises(InputError) as caught:
        lower(two())(torch.ones(5, 7), Y, IDS, KEEP)
    assert (
        str(caught.value)
        == """
error[E0601]: `x` has size 7 along `D`, and the module was compiled for D=6
 --> hand.attn:3:12
  |
3 | block hand(x: [*, N, D], y: [*, N, D]) -> [*, N, D] {
  |            ^^^^^^^^^^^^ declared here
  |
  = help: its shape is [5, 7], declared [*, N, D=6]

1 error
"""
    )


def test_it_is_an_attn_error_and_a_value_error() -> None:
    for kind in (AttnError, ValueError):
        with pytest.raises(kind):
            lower(two())(torch.ones(5, 7), Y, IDS, KEEP)


def guarded(guard: Guard) -> Graph:
    hand = Hand()
    x = hand.input("x", "N D")
    return hand.graph(("", hand.op("exp", x, axes="N D"), "N D"), guards=[guard])


GUARDS = [
    (Guard("equal", N * 2, D, "these two lengths", span("return")), (3, 6), (3, 5), "these two lengths: 2*N is 6 and D is 5"),
    (
        Guard("divides", Size.of(4), N, "axis `u` must be a whole number", span("return")),
        (8, 5),
        (6, 5),
        "axis `u` must be a whole number: N is 6, and 4 does not divide it",
    ),
    (Guard("at_least", N, D, "the kernel", span("return")), (5, 5), (4, 5), "the kernel: N is 4 and D is 5"),
    (Guard("equal", N / 2, D, "halves", span("return")), (6, 3), (5, 2), "halves: N/2 is 5/2 and D is 2"),
    (Guard("at_least", N, Size.of(1), "no maximum", span("return")), (1, 5), (0, 5), "no maximum: N is 0, at least 1 is needed"),
]


@pytest.mark.parametrize(("guard", "good", "bad", "title"), GUARDS, ids=[title for *_, title in GUARDS])
def test_guards(guard: Guard, good: tuple[int, int], bad: tuple[int, int], title: str) -> None:
    module = lower(guarded(guard))
    assert module(torch.ones(good)).shape == good
    with pytest.raises(InputError) as caught:
        module(torch.ones(bad))
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.title, diagnostic.span) == ("E0605", title, span("return"))


def test_a_size_is_solved_from_an_expression() -> None:
    hand = Hand({"P": N * 2 + 1})
    x = hand.input("x", "P")
    size = hand.op("size", dtype="int", value=N)
    module = lower(hand.graph(("", hand.op("mul", x, size, axes="P"), "P")))
    assert torch.equal(module(torch.ones(7)), torch.full((7,), 3.0))
    with pytest.raises(InputError, match="has size 6 along `P`, which is not 2\\*N \\+ 1"):
        module(torch.ones(6))


def test_an_expression_is_compared_with_the_axis_it_is_made_of() -> None:
    hand = Hand({"H": N / 2})
    x, y = hand.input("x", "N"), hand.input("y", "H")
    size = hand.op("size", dtype="int", value=N)
    module = lower(hand.graph(("", hand.op("mul", hand.op("mul", x, y, axes="N H"), size, axes="N H"), "N H")))
    assert module(torch.ones(6), torch.ones(3)).shape == (6, 3)
    with pytest.raises(InputError, match="`y` has size 4 along `H`, which is not N/2"):
        module(torch.ones(6), torch.ones(4))


def test_a_size_nothing_tells_is_refused() -> None:
    hand = Hand()
    size = hand.op("size", dtype="int", value=Size.symbol("M"))
    graph = hand.graph(("", hand.op("mul", hand.input("x", "N"), size, axes="N"), "N"))
    with pytest.raises(AttnError) as caught:
        lower(graph)
    assert caught.value.diagnostics[0].code == "E0206"
    assert "`M`" in caught.value.diagnostics[0].title


@pytest.mark.parametrize("name", ["self", "torch", "class", "k'", "device", "input", "runtime"])
def test_any_name_can_be_an_input(name: str) -> None:
    hand = Hand()
    module = lower(hand.graph(("", hand.op("exp", hand.input(name, "N"), axes="N"), "N")))
    x = torch.randn(3)
    assert torch.equal(module(x), x.exp())


# ---------------------------------------------------------------- optional inputs


def optional(present: frozenset[str]) -> Graph:
    """`x * w`, plus `bias` where it is given."""
    hand = Hand({"D": 3})
    x, w = hand.input("x", "* D"), hand.weight("w", "D")
    given = "bias" in present
    bias = hand.input("bias", "* D", optional=True, absent=not given)
    y = hand.op("mul", x, w, axes="* D")
    return hand.graph(("", hand.op("add", y, bias, axes="* D") if given else y, "* D"))


def test_another_set_of_inputs_is_compiled_at_its_first_call() -> None:
    asked: list[frozenset[str]] = []

    def variant(present: frozenset[str]) -> Graph:
        asked.append(present)
        return optional(present)

    module = lower(optional(frozenset()), variant=variant)
    x, bias, w = torch.randn(2, 3), torch.randn(2, 3), module.get_parameter("w")
    assert torch.equal(module(x), x * w)
    assert asked == []
    assert torch.equal(module(x, bias), x * w + bias)
    assert torch.equal(module(x, bias=bias), x * w + bias)
    assert torch.equal(module(x, None), x * w)
    assert asked == [frozenset({"bias"})]


def test_variants_share_weights() -> None:
    module = lower(optional(frozenset({"bias"})), variant=optional)
    x = torch.randn(2, 3)
    module(x)
    module.to(torch.float64)
    with torch.no_grad():
        module.get_parameter("w").fill_(2)
    assert torch.equal(module(x.double()), x.double() * 2)
    module(x.double()).sum().backward()
    assert module.get_parameter("w").grad is not None
    assert list(module.state_dict()) == ["w"]
    assert not module.eval().variant_for(frozenset()).training


def test_without_a_compiler_the_other_set_is_an_error() -> None:
    with pytest.raises(InputError, match="the module was compiled without `bias`"):
        lower(optional(frozenset()))(torch.ones(2, 3), torch.ones(2, 3))
    with pytest.raises(InputError, match="the module was compiled with `bias`"):
        lower(optional(frozenset({"bias"})))(torch.ones(2, 3))


def test_optional_inputs_survive_compile_and_export() -> None:
    torch._dynamo.reset()
    module = lower(optional(frozenset({"bias"})), variant=optional)
    x, bias = torch.randn(2, 3), torch.randn(2, 3)
    assert torch.equal(torch.compile(module, fullgraph=True, backend="eager")(x, bias), module(x, bias))
    assert torch.equal(torch.export.export(module, (x, bias)).module()(x, bias), module(x, bias))
