"""Promises of `lookups`: moves become one look-up with the same bits, forward and backward, and only where that replaces copies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from golden_support import GOLDEN, Golden
from torch import Tensor

import attn
from attn.compiler.passes.lookups import Lookups

from .bits import differences
from .test_golden import settings

SOURCES = sorted((GOLDEN / "passes" / "lookups").glob("*.txt"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_what_is_looked_up_has_the_same_bits(path: Path) -> None:
    source = Golden.read(path).source
    mode, bind = settings(source)
    graph = attn.load(attn.text(source)).graph(bind)
    assert (Lookups().run(graph, mode).graph is graph) == (path.stem == "left")
    assert differences(graph, [Lookups()], mode) == []


MOVED = """\
block t(x: [*, H, W, D]) -> [*, P, v, D] {
    return flip(x, W) |> roll(H=-1, W=2) |> split(W -> X v=2) |> roll(X=1) |> merge(X H -> P) |> roll(P=5, v=3)
}
"""


def moved(x: Tensor) -> Tensor:
    """The same by hand."""
    y = x.flip(2).roll((-1, 2), (1, 2)).unflatten(2, (4, 2)).roll(1, 2)
    return y.transpose(1, 2).flatten(1, 2).roll((5, 3), (1, 2))


def test_a_long_chain_of_moves_is_one_look_up() -> None:
    made = attn.compile(attn.text(MOVED), H=3, W=8, D=16, mode="infer")
    x = torch.randn(2, 3, 8, 16, requires_grad=True)
    assert torch.equal(made(x), moved(x))
    assert made.code.count("torch.index_select(") == 1
    assert not any(call in made.code for call in ("roll(", "flip(", "from_end("))
    weight = torch.randn(2, 12, 2, 16)
    slopes = [torch.autograd.grad((y * weight).sum(), x)[0] for y in (made(x), moved(x))]
    assert torch.equal(*slopes)


def test_shifted_windows_are_copied_once_each_way_and_nothing_else_is() -> None:
    bind: dict[str, Any] = {"D": 32, "heads": 2, "window": 2, "shift": 1, "H": 4, "W": 6}
    made = attn.std.windows.window_mha(**bind, mode="infer")
    forward = made.code.partition("def prepared")[0]
    assert forward.count("torch.index_select(") == 2
    assert not any(call in forward for call in ("torch.roll(", "contiguous("))
    plain = attn.std.windows.window_mha(**bind, mode="infer", level=0)
    plain.load_state_dict(made.state_dict())
    x = torch.randn(3, 4, 6, 32)
    torch.testing.assert_close(made(x), plain(x))


def test_training_keeps_the_moves() -> None:
    assert "index_select" not in attn.compile(attn.text(MOVED), H=3, W=8, D=16).code
