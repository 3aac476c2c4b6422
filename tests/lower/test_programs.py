"""Whole programs from text to PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import attn
from attn.compiler.lower.standalone import standalone

EMA = """
block ema(x: [*, N, D]) -> [*, N, D] {
    param alpha: [D] = 0.5
    return scan N (s: [*, D] = 0) {
        s = alpha * x + (1 - alpha) * s
        yield s
    }
}
"""
MASKED = """
block masked(x: [*, N, D], keep: bool [*, N] = none, heads: int = 2) -> [*, N, D] {
    axis h = heads, d = D / heads
    q = linear(x, D -> h d)
    k = linear(x, D -> h d)
    v = linear(x, D -> h d)
    if keep == none { y = attend(q, k, v, over=N, dot=d) }
    else { y = attend(q, k, v, over=N, dot=d, where=rename(keep, N -> N')) }
    return linear(y, h d -> D) as out
}
"""
COUNTER = """
block counter(x: [*, D]) -> (y: [*, D], before: [D]) {
    const ramp: [D] = 1 + pos(D)
    state k: [D] = 0
    next k = k + 1
    return x * ramp, k
}
"""
ROUTED = """
block routed(x: [N, D], at: int [M], to: int [M], T: axis) -> [T, D] {
    return sum(x[N=at], M -> T, at=to)
}
"""
PROGRAMS: dict[str, tuple[str, dict[str, int], tuple[int, ...]]] = {
    "ema": (EMA, {"D": 4}, (2, 5, 4)),
    "masked": (MASKED, {"D": 8}, (2, 5, 8)),
    "counter": (COUNTER, {"D": 3}, (2, 3)),
    **{
        path.stem: (path.read_text(encoding="utf-8"), bind, shape)
        for path, bind, shape in [
            (Path(__file__).parents[1] / "programs" / "se.attn", {"C": 32}, (2, 32, 5, 7)),
            (Path(__file__).parents[1] / "programs" / "cbam.attn", {"C": 32}, (2, 32, 5, 7)),
            (Path(__file__).parents[1] / "programs" / "triplet.attn", {"C": 8, "H": 5, "W": 7}, (2, 8, 5, 7)),
            (Path(__file__).parents[1] / "programs" / "efficient_attention.attn", {"D": 16}, (2, 5, 16)),
        ]
    },
}


def build(name: str) -> tuple[Any, torch.Tensor]:
    text, bind, shape = PROGRAMS[name]
    torch.manual_seed(0)
    return attn.compile(attn.text(text), bind=bind).eval(), torch.randn(shape)


def first(result: Any) -> torch.Tensor:
    """The first of several results."""
    return result[0] if isinstance(result, tuple) else result


@pytest.mark.parametrize("name", PROGRAMS)
def test_standalone_equals_the_module(name: str) -> None:
    module, x = build(name)
    space: dict[str, Any] = {"__name__": "standalone"}
    exec(compile(standalone(module), "<standalone>", "exec"), space)
    torch.manual_seed(0)
    twin = next(value for value in list(space.values())[::-1] if isinstance(value, type) and issubclass(value, torch.nn.Module))().eval()
    assert list(twin.state_dict()) == list(module.state_dict())
    assert all(map(torch.equal, twin.state_dict().values(), module.state_dict().values()))
    assert torch.equal(first(twin(x)), first(module(x)))


@pytest.mark.parametrize("name", PROGRAMS)
def test_compile_and_export(name: str) -> None:
    torch._dynamo.reset()
    module, x = build(name)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    torch.testing.assert_close(first(compiled(x)), first(module(x)))
    exported = torch.export.export(module, (x,), dynamic_shapes={"x": {0: torch.export.Dim("batch")}}).module()
    more = torch.cat([x, x, x])
    torch.testing.assert_close(first(exported(more)), first(module(more)))


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_results_keep_the_dtype(name: str, dtype: torch.dtype) -> None:
    module, x = build(name)
    wanted = first(module(x))
    made = first(module.to(dtype)(x.to(dtype)))
    assert made.dtype == dtype
    torch.testing.assert_close(made.float(), wanted, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("name", PROGRAMS)
def test_leading_dimensions(name: str) -> None:
    module, x = build(name)
    wanted, more = first(module(x)), x.expand(2, 3, *x.shape)
    torch.testing.assert_close(first(module(more)), wanted.expand_as(more))
    torch.testing.assert_close(first(module(x[0])), wanted[0])


def test_an_optional_mask_is_compiled_when_it_comes() -> None:
    module, x = build("masked")
    keep = torch.tensor([[True, True, False, True, False], [True, True, True, True, True]])
    made = module(x, keep)
    torch.testing.assert_close(made[1], module(x)[1])
    torch.testing.assert_close(made[0][keep[0]], module(x[0][keep[0]]))
    assert len(list(module.state_dict())) == 8


def test_state_counts_calls() -> None:
    module, x = build("counter")
    assert module(x).before.tolist() == [0, 0, 0]
    assert module(x).before.tolist() == [1, 1, 1]
    assert list(module.state_dict()) == ["k"]
    torch.testing.assert_close(module(x).y, x * torch.tensor([1.0, 2.0, 3.0]))


def test_functions_of_one_name_in_two_runtime_files_both_work() -> None:
    module = attn.compile(attn.text(ROUTED), T=3)
    space: dict[str, Any] = {"__name__": "standalone"}
    exec(compile(standalone(module), "<standalone>", "exec"), space)
    x, at, to = torch.randn(4, 2), torch.tensor([0, -1, 2]), torch.tensor([0, 0, -1])
    wanted = torch.stack([x[0] + x[3], torch.zeros(2), x[2]])
    torch.testing.assert_close(module(x, at, to), wanted)
    torch.testing.assert_close(space["Routed"]()(x, at, to), wanted)


SCRIPT = """
import sys, attn
from attn.compiler.lower.standalone import standalone
module = attn.compile(sys.argv[1], bind={"C": 32})
print(standalone(module), module.code, list(module.state_dict()))
"""


def test_same_program_same_bytes_for_any_hash_seed() -> None:
    path = str(Path(__file__).parents[1] / "programs" / "cbam.attn")
    made = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT, path],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=50,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(made) == 1
    assert "class Cbam(nn.Module):" in next(iter(made))
