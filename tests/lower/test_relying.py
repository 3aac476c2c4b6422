"""Facts about weights: slices that a checkpoint makes zero are left out for inference, and never when they no longer are."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import attn

TEXT = attn.text("""
use std.heads (mha)

block t(x: [*, N, D], keep: bool [*, N] = none) -> [*, N, D] {
    return mha(x, heads=4, keep=keep) as a
}
""")


def weights(dead: tuple[int, ...] = (1,), how: str = "out") -> dict[str, Tensor]:
    """Random weights of four heads, some of which are dead: nothing is read from them, or they have no values."""
    torch.manual_seed(0)
    made = {name: torch.randn_like(tensor) for name, tensor in attn.compile(TEXT, D=8).state_dict().items()}
    for head in dead:
        if how == "out":
            made["a.out.weight"].reshape(8, 4, 2)[:, head] = 0
        else:
            made["a.v.weight"].reshape(4, 2, 8)[head] = 0
            made["a.v.bias"].reshape(4, 2)[head] = 0
    return made


def plain(tensors: dict[str, Tensor]) -> Any:
    module = attn.compile(TEXT, D=8, mode="infer", level=0)
    attn.load_weights(module, tensors)
    return module


def told(module: Any) -> str:
    return "\n".join(change.text for step in module.optimised.steps for change in step.changes if step.done.name == "dead-slices")


def same(module: Any, other: Any, **given: Tensor) -> bool:
    x = torch.randn(2, 3, 8)
    return torch.allclose(module(x, **given), other(x, **given), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("how", ["out", "values"])
def test_dead_heads_of_a_checkpoint_are_left_out(how: str) -> None:
    tensors = weights((1, 2), how)
    module = attn.compile(TEXT, D=8, mode="infer", weights=tensors)
    assert "positions 1 and 2 of the 4 of `h`" in told(module)
    assert same(module, plain(tensors))
    assert {name: tensor.shape for name, tensor in module.state_dict().items()} == {name: tensor.shape for name, tensor in tensors.items()}


def test_nothing_is_relied_on_where_nothing_is_dead_or_weights_are_trained() -> None:
    assert attn.compile(TEXT, D=8, mode="infer", weights=weights(())).relied is None
    trained = attn.compile(TEXT, D=8, weights=weights())
    assert trained.relied is None
    assert told(trained) == ""
    assert same(trained, plain(weights()))


def test_other_weights_that_are_loaded_are_noticed() -> None:
    module = attn.compile(TEXT, D=8, mode="infer", weights=weights())
    assert same(module, plain(weights()))
    module.load_state_dict(weights(()))
    assert same(module, plain(weights(())))
    attn.load_weights(module, weights())
    assert module.relied is not None
    assert module.relied.holds(module)
    assert same(module, plain(weights()))


def test_a_write_in_place_is_noticed() -> None:
    module: Any = attn.compile(TEXT, D=8, mode="infer", weights=weights())
    assert same(module, plain(weights()))
    with torch.no_grad():
        module.a.out.weight.reshape(8, 4, 2)[:, 1] += 1
    assert same(module, plain(dict(module.state_dict())))
    module.a.out.weight = torch.nn.Parameter(weights()["a.out.weight"])
    assert module.relied.holds(module)
    module.a.out.weight = torch.nn.Parameter(weights(())["a.out.weight"])
    assert same(module, plain(weights(())))


def test_a_write_that_is_not_counted_is_noticed_after_refresh() -> None:
    module: Any = attn.compile(TEXT, D=8, mode="infer", weights=weights())
    assert same(module, plain(weights()))
    module.a.out.weight.data.fill_(0.5)
    module.refresh()
    assert same(module, plain(dict(module.state_dict())))


def test_optional_inputs_and_copies_check_for_themselves() -> None:
    module: Any = attn.compile(TEXT, D=8, mode="infer", weights=weights())
    keep = torch.tensor([[True, False, True]] * 2)
    assert same(module, plain(weights()), keep=keep)
    twin = copy.deepcopy(module)
    twin.load_state_dict(weights(()))
    assert same(twin, plain(weights(())), keep=keep)
    assert same(twin, plain(weights(())))
    assert same(module, plain(weights()), keep=keep)
    module.load_state_dict(weights(()))
    assert same(module, plain(weights(())), keep=keep)


def test_weights_passed_for_one_call_are_noticed() -> None:
    module = attn.compile(TEXT, D=8, mode="infer", weights=weights())
    x = torch.randn(2, 3, 8)
    found = torch.func.functional_call(module, weights(()), (x,))
    torch.testing.assert_close(found, plain(weights(()))(x), rtol=1e-4, atol=1e-4)


def test_a_file_is_loaded_and_one_that_does_not_fit_is_told(tmp_path: Path) -> None:
    module = attn.compile(TEXT, D=8)
    attn.save_weights(module, tmp_path / "w.safetensors")
    assert same(attn.compile(TEXT, D=8, weights=tmp_path / "w.safetensors"), module)
    with pytest.raises(attn.AttnError, match="E0701"):
        attn.compile(TEXT, D=8, weights={"a.q.weight": torch.zeros(8, 8)})


def test_half_precision_and_double_rely_on_the_same_facts() -> None:
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.bfloat16, 0.5)):
        module = attn.compile(TEXT, D=8, mode="infer", weights=weights(), dtype=dtype)
        other = attn.compile(TEXT, D=8, mode="infer", level=0, weights=weights(), dtype=dtype)
        x = torch.randn(2, 3, 8, dtype=dtype)
        torch.testing.assert_close(module(x), other(x), rtol=tolerance, atol=tolerance)


def test_what_is_traced_relies_on_nothing() -> None:
    module: Any = attn.compile(TEXT, D=8, mode="infer", weights=weights())
    x = torch.randn(2, 3, 8)
    exported = torch.export.export(module, (x,)).module()
    traced = torch.compile(module, backend="eager")
    torch.testing.assert_close(exported(x), module(x), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(traced(x), module(x), rtol=1e-4, atol=1e-4)
    module.load_state_dict(weights(()))
    torch.testing.assert_close(traced(x), plain(weights(()))(x), rtol=1e-4, atol=1e-4)
