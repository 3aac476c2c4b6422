"""An error of PyTorch inside a module names the line of the program."""

from __future__ import annotations

import copy

import pytest
import torch
import torch._dynamo

import attn

LOOKUP = """block look(ids: int [B], V: axis, D: axis) -> [B, D] {
    param e: [V, D]
    return relu(e[V=ids])
}
"""


def _note(module: torch.nn.Module) -> list[str]:
    with pytest.raises(IndexError) as caught:
        module(torch.tensor([1, 9]))
    return caught.value.__notes__


def test_an_index_out_of_range_points_back_at_the_program() -> None:
    assert _note(attn.compile(attn.text(LOOKUP, "look.attn"), V=4, D=2)) == ["in look.attn:3:19: V=ids"]


def test_a_copy_points_back_too() -> None:
    assert _note(copy.deepcopy(attn.compile(attn.text(LOOKUP, "look.attn"), V=4, D=2))) == ["in look.attn:3:19: V=ids"]


def test_nothing_is_printed_besides(capsys: pytest.CaptureFixture[str]) -> None:
    _note(attn.compile(attn.text(LOOKUP, "look.attn"), V=4, D=2))
    assert capsys.readouterr() == ("", "")


def test_a_compiled_module_is_captured_whole() -> None:
    module = attn.compile(attn.text(LOOKUP, "look.attn"), V=4, D=2)
    whole = torch.compile(module, fullgraph=True, backend="eager")
    ids = torch.tensor([1, 3])
    assert torch.equal(whole(ids), module(ids))


def test_modules_do_not_use_up_the_recompilations_of_each_other() -> None:
    """With `fullgraph=True` PyTorch refuses what it has compiled too often, where it else runs it uncompiled."""
    torch.compiler.reset()
    x = torch.ones(3)
    with torch._dynamo.config.patch(recompile_limit=2):
        for number in range(3):
            module = attn.compile(attn.text(f"block more(x: [N]) -> [N] {{\n    return x + {number}\n}}\n"))
            assert torch.equal(torch.compile(module, fullgraph=True, backend="eager")(x), x + number)
