"""`backend=`: the choice and its reason, what is refused, and the contract of weights where inductor runs the text."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from golden_support import GOLDEN, Golden

import attn
from attn.cli import main
from attn.compiler.backends.rule import chosen_backend
from attn.compiler.lower.handed import handed
from attn.compiler.passes.choosing import chosen_optimiser
from attn.dsl.render import render_all

GATES = {"cbam": "std.channel", "triplet": "std.triplet", "coordinate": "std.channel", "ela": "std.channel"}
OTHERS = {"se": "std.channel", "eca": "std.channel", "mha": "std.heads", "encoder": "std.layers", "ema": "std.recurrence"}
SHIFTS = """
block shifts(q: [N, D], k: [N, D], v: [N, D]) -> [N, D] {
    a = sigmoid(sum(q * shift(k, N=1), D)) * shift(v, N=1)
    b = sigmoid(sum(q * shift(k, N=2), D)) * shift(v, N=2)
    c = sigmoid(sum(q * shift(k, N=4), D)) * shift(v, N=4)
    return a + b + c
}
"""
MEETING = """
block gate(x: [*, C, H]) -> [*, C, H] {
    param scale: [C] = 0.5
    return x * sigmoid(max(x, C)) * sigmoid(mean(x, H)) * scale
}
"""


def chosen(source: object, block: str | None = None) -> str:
    program = attn.load(source, block)
    graph = program.graph({"C": 64} if block in (*GATES, "se", "eca") else {"D": 64}, checking=True)
    return chosen_backend("auto", chosen_optimiser(2, "train")(graph).graph).backend


@pytest.mark.parametrize(("block", "module"), GATES.items())
def test_auto_takes_inductor_where_gates_and_reductions_meet(block: str, module: str) -> None:
    assert chosen(module, block) == "inductor"


def test_auto_looks_into_the_way_of_a_choice_that_its_sizes_take() -> None:
    graph = chosen_optimiser(2, "infer")(attn.load("std.channel", "cbam").graph({"C": 64}, checking=True)).graph
    assert any(node.op == "choose" for node in graph.nodes)
    assert chosen_backend("auto", graph).backend == "inductor"


@pytest.mark.parametrize(("block", "module"), OTHERS.items())
def test_auto_is_eager_elsewhere(block: str, module: str) -> None:
    assert chosen(module, block) == "eager"


def test_auto_takes_inductor_for_a_set_of_shifts() -> None:
    assert chosen(attn.text(SHIFTS)) == "inductor"


@pytest.fixture
def no_compiler() -> Iterator[None]:
    import torch._inductor.config as config

    with config.patch({"cpp.cxx": ("no-such-compiler",)}):
        yield


@pytest.mark.usefixtures("no_compiler")
@pytest.mark.parametrize(("name", "backend"), [("E0610-no-compiler", "inductor"), ("W0805-no-compiler", "auto")])
def test_a_missing_compiler_is_told(name: str, backend: str, golden: Callable[[Path, Callable[[Golden], str]], None]) -> None:
    def told(case: Golden) -> str:
        if backend == "inductor":
            with pytest.raises(attn.AttnError) as caught:
                attn.compile(attn.text(case.source), backend=backend)
            return render_all(caught.value.diagnostics, color=False) + "\n"
        with pytest.warns(UserWarning, match="W0805") as warned:
            module = attn.compile(attn.text(case.source), backend=backend)
        assert module.optimised.target.backend == "eager"
        return f"{warned[0].message}\n"

    golden(GOLDEN / "backends" / f"{name}.txt", told)


def test_a_backend_that_is_not_known_is_told() -> None:
    with pytest.raises(attn.AttnError) as caught:
        attn.compile(attn.text(MEETING), C=3, backend="xla")
    assert "backend is one of 'eager', 'inductor', 'auto'" in str(caught.value)


@pytest.mark.parametrize("call", [attn.compile, attn.explain])
def test_a_memory_limit_is_refused_for_inductor(call: Callable[..., object]) -> None:
    with pytest.raises(attn.AttnError) as caught:
        call(attn.text(MEETING), C=3, backend="inductor", memory="1GiB")
    assert "`memory=` makes chunks, which `backend='inductor'` takes apart" in str(caught.value)
    done = CliRunner().invoke(main, ["compile", "std.channel:cbam", "-b", "C=16", "--backend", "inductor", "--memory", "1GiB"])
    assert done.exit_code == 2
    assert "backend='auto' or 'eager'" in done.output


def test_explain_tells_the_choice_and_its_reason() -> None:
    report = attn.explain("std.channel", "cbam", C=64, backend="auto")
    assert report.backend is not None
    assert report.backend.chosen == "inductor"
    assert report.backend.eager > 1.2 * report.backend.inductor
    assert "auto          inductor: elementwise operators and reductions move" in str(report)
    assert attn.explain(attn.text(MEETING), C=8).backend is None
    limited = attn.explain("std.channel", "cbam", C=64, backend="auto", memory="64M").backend
    assert limited is not None
    assert limited.chosen == "eager"


def test_inductor_is_given_no_copies_that_are_made_for_eager() -> None:
    """But what a product writes, it has in the order of what it scales, as inductor has to take that as it comes."""
    eager, fast = (attn.compile("std.channel", "coordinate", C=32, mode="infer", backend=backend) for backend in ("eager", "inductor"))
    assert "contiguous" not in fast.code
    assert fast.code.count("torch.matmul(unsqueeze") == 3
    assert copy.deepcopy(fast).optimised.target.backend == "inductor"
    fast.load_state_dict(eager.state_dict())
    plain = attn.compile("std.channel", "coordinate", C=32, mode="infer", level=0)
    plain.load_state_dict(eager.state_dict())
    x = torch.randn(2, 3, 32, 5, 6)
    assert torch.allclose(eager(x), plain(x), atol=1e-6)
    with torch.compiler.set_stance("force_eager"):
        assert torch.equal(fast(x), eager(x))


def test_a_file_for_inductor_asks_pytorch_to_compile_it() -> None:
    done = CliRunner().invoke(main, ["compile", "std.channel:cbam", "-b", "C=16", "--backend", "auto"])
    assert "        self.compile()  # PyTorch" in done.output
    assert "self.compile()" not in CliRunner().invoke(main, ["compile", "std.channel:cbam", "-b", "C=16"]).output


def test_inductor_keeps_the_contract_of_weights(tmp_path: Path) -> None:
    """One module, compiled once: values, gradients, a refused input, new weights, and a copy in another dtype."""
    torch._dynamo.reset()
    eager, fast = (attn.compile(attn.text(MEETING), C=3, backend=backend) for backend in ("eager", "inductor"))
    assert list(fast.state_dict()) == list(eager.state_dict()) == ["scale"]
    with torch.no_grad():
        eager.get_parameter("scale").copy_(torch.tensor([1.0, -2.0, 3.0]))
    attn.save_weights(eager, tmp_path / "weights.safetensors")
    attn.load_weights(fast, tmp_path / "weights.safetensors")
    x = torch.randn(2, 3, 4)
    made, wanted = fast(x), eager(x)
    assert torch.allclose(made, wanted, atol=1e-6)
    for module, y in ((fast, made), (eager, wanted)):
        y.square().sum().backward()
        assert module.get_parameter("scale").grad is not None
    assert torch.allclose(fast.get_parameter("scale").grad, eager.get_parameter("scale").grad, rtol=1e-5)  # type: ignore[arg-type]
    with torch.no_grad():
        fast.get_parameter("scale").mul_(2)
    assert torch.allclose(fast(x), 2 * wanted, atol=1e-5)
    with pytest.raises(ValueError, match="E0601"):
        fast(torch.randn(2, 5, 4))


def test_inductor_is_given_what_is_prepared_from_weights() -> None:
    """The kernels take it as an input: the backend counts the operators it sees. New weights are prepared anew."""
    torch._dynamo.reset()
    text = "block t(x: [*, D]) -> [*, D] {\n    return linear(x, D -> e=3) as a |> linear(e -> D) as b |> batchnorm(D) as n\n}"
    eager, fast = (attn.compile(attn.text(text), D=4, mode="infer", backend=backend) for backend in ("eager", "inductor"))
    fast.load_state_dict(eager.state_dict())
    x, seen = torch.randn(5, 4), list[int]()

    def counted(graph: torch.fx.GraphModule, _: object) -> object:
        seen.append(sum(node.op in ("call_function", "call_method") for node in graph.graph.nodes))
        return graph.forward

    outside = handed(fast)
    assert outside is not None
    run: Any = torch.compile(outside.run, backend=counted)
    assert torch.allclose(run(fast, outside.values(fast), x), eager(x), atol=1e-5)
    assert seen == [1]
    for module in (eager, fast):
        with torch.no_grad():
            module.get_parameter("a.weight").mul_(2)
    assert torch.allclose(run(fast, outside.values(fast), x), eager(x), atol=1e-5)
    assert not outside.has_gradients(fast)
    fast.get_parameter("b.weight").requires_grad_()
    assert outside.has_gradients(fast)


def test_bools_are_compared_as_inductor_can() -> None:
    """Inductor fails on `==` of bools of which it asks the bounds, as for a mask of positions."""
    text = "block t(a: bool [*, N], b: bool [*, M]) -> (same: bool [*, N, M], other: bool [*, N, M]) {\n    return a == b, a != b\n}"
    module = attn.compile(attn.text(text))
    assert "==" not in module.code
    assert "!=" not in module.code
    both = torch.tensor([True, False])
    same, other = module(both, both)
    assert torch.equal(same, torch.eye(2, dtype=torch.bool))
    assert torch.equal(other, ~same)


CHANNELS = """use std.channel_tokens (channel_group)

block t(x: [*, N, D]) -> [*, N, D] {
    return channel_group(x, groups=2) as a
}
"""


def test_attention_whose_features_lie_apart_is_the_same_by_inductor() -> None:
    eager, inductor = (attn.compile(attn.text(CHANNELS), bind={"D": 64}, mode="infer", backend=name) for name in ("eager", "inductor"))
    inductor.load_state_dict(eager.state_dict())
    x = torch.randn(1, 49, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(inductor(x), eager(x))
        torch.testing.assert_close(torch.compile(eager)(x), eager(x))


def test_auto_takes_a_head_for_small() -> None:
    text = "use std.linear (linear_attend)\nblock t(q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, e]) -> [*, h, N, e] {\n"
    read = attn.load(attn.text(f"{text}    return linear_attend(q, k, v, causal=true)\n}}\n"))
    choice = chosen_backend("auto", chosen_optimiser(2, "infer")(read.graph()).graph)
    assert (choice.backend, dict(choice.sizes)) == ("inductor", {"*": 1, "N": 1024, "d": 64, "e": 64, "h": 64})
