"""Weights in and out: other cuts, other names, whole files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hand_graphs import Hand
from torch import Tensor

from attn.compiler.lower.checkpoint import load_weights, match, save_weights, translate
from attn.compiler.lower.lowering import lower
from attn.compiler.lower.module import AttnModule
from attn.compiler.lower.weights import same_cut
from attn.dsl.diagnostics import AttnError


def module() -> AttnModule:
    """Two layers with q, k, v [h*d, D] and a norm weight [D], h = 2, d = 3, D = 4."""
    hand = Hand({"h": 2, "d": 3, "D": 4})
    x = hand.input("x", "D")
    for i in range(2):
        for name in "qkv":
            x = hand.op("add", x, hand.weight(f"layers.{i}.{name}.weight", "h*d D"), axes="h d D")
        x = hand.op("add", x, hand.weight(f"layers.{i}.norm", "D"), axes="h d D")
    return lower(hand.graph(("", x, "h d D")))


SAME = [
    ((2, 3, 4), (6, 4)),
    ((6, 4), (2, 3, 4)),
    ((6,), (1, 6, 1)),
    ((2, 3, 4), (6, 1, 4)),
    ((2, 3, 20), (6, 4, 5)),
    ((), (1,)),
    ((0, 4), (0, 1, 4)),
]
OTHER = [((6, 4), (4, 6)), ((2, 3), (3, 2)), ((6,), (5,)), ((2, 6), (4, 3)), ((0, 4), (0, 5)), ((4, 6, 5), (6, 4, 5))]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_merged_and_split_neighbours_are_the_same(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    assert same_cut(left, right)
    assert same_cut(right, left)


@pytest.mark.parametrize(("left", "right"), OTHER)
def test_other_shapes_are_not(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    assert not same_cut(left, right)
    assert not same_cut(right, left)


def test_state_dict_of_another_cut_loads() -> None:
    a, b = module(), module()
    cut = {name: value.reshape(2, 3, 1, 4) if value.dim() == 2 else value.reshape(2, 2) for name, value in a.state_dict().items()}
    b.load_state_dict(cut)
    assert all(torch.equal(value, b.state_dict()[name]) for name, value in a.state_dict().items())


def test_inside_another_module_too() -> None:
    a, b = torch.nn.Sequential(module()), torch.nn.Sequential(module())
    b.load_state_dict({name: value.unsqueeze(0) for name, value in a.state_dict().items()})
    assert torch.equal(a.state_dict()["0.layers.0.norm"], b.state_dict()["0.layers.0.norm"])


def test_load_state_dict_lists_everything() -> None:
    state = module().state_dict()
    del state["layers.0.norm"]
    state["other"] = torch.zeros(1)
    state["layers.1.q.weight"] = torch.zeros(4, 6)
    with pytest.raises(RuntimeError) as caught:
        module().load_state_dict(state)
    text = str(caught.value)
    assert all(part in text for part in ('Missing key(s) in state_dict: "layers.0.norm"', '"other"', "size mismatch for layers.1.q.weight"))


def test_files_go_round(tmp_path: Path) -> None:
    a, b = module(), module()
    save_weights(a, tmp_path / "a.safetensors")
    load_weights(b, tmp_path / "a.safetensors")
    assert all(torch.equal(value, b.state_dict()[name]) for name, value in a.state_dict().items())
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    path = tmp_path / "a.safetensors"
    path.write_bytes(b"before")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        save_weights(module(), path)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save(module().state_dict(), path)
    with pytest.raises(AttnError, match=r"not a \.safetensors file"):
        load_weights(module(), path)
    renamed = path.rename(tmp_path / "a.safetensors")
    with pytest.raises(AttnError, match="cannot be read"):
        load_weights(module(), renamed)
    with pytest.raises(AttnError, match="cannot be read"):
        load_weights(module(), tmp_path / "none.safetensors")


def foreign(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights as another project would keep them: q, k and v in one, norms with a size of 1, and a buffer nobody needs."""
    made: dict[str, Tensor] = {"encoder.position_ids": torch.arange(3)}
    for i in range(2):
        made[f"encoder.layer.{i}.attn.qkv.weight"] = torch.cat([state[f"layers.{i}.{name}.weight"] for name in "qkv"])
        made[f"encoder.layer.{i}.ln.gamma"] = state[f"layers.{i}.norm"].reshape(1, 4)
    return made


MAP = {
    "encoder.layer.{i}.attn.qkv.weight": ["layers.{i}.q.weight", "layers.{i}.k.weight", "layers.{i}.v.weight"],
    "encoder.layer.{i}.ln.gamma": "layers.{i}.norm",
}


@pytest.mark.parametrize("form", ["mapping", "pairs", "function"])
def test_foreign_names_and_fused_weights(form: str) -> None:
    a, b = module(), module()
    names = {"mapping": MAP, "pairs": list(MAP.items()), "function": lambda name: list(translate(name, MAP))}[form]
    load_weights(b, foreign(a.state_dict()), names, ignore=["encoder.position_ids"])
    assert all(torch.equal(value, b.state_dict()[name]) for name, value in a.state_dict().items())


def test_one_error_lists_everything_and_nothing_is_written() -> None:
    a, b = module(), module()
    before = {name: value.clone() for name, value in b.state_dict().items()}
    source = foreign(a.state_dict())
    del source["encoder.layer.1.ln.gamma"]
    source["encoder.layer.0.ln.gamma"] = torch.zeros(5)
    source["encoder.layer.1.attn.qkv.weight"] = torch.zeros(17, 4)
    with pytest.raises(AttnError) as caught:
        load_weights(b, source, MAP)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0701"
    assert diagnostic.title == "the checkpoint does not fit: 1 missing, 1 unexpected, 2 of the wrong shape"
    assert diagnostic.notes == (
        "missing: layers.1.norm",
        "unexpected: encoder.position_ids",
        "wrong shape: layers.0.norm: [4] here, [5] in the checkpoint (as encoder.layer.0.ln.gamma)",
        "wrong shape: encoder.layer.1.attn.qkv.weight: [17, 4] cannot be cut into "
        "layers.1.q.weight [6, 4], layers.1.k.weight [6, 4], layers.1.v.weight [6, 4]",
    )
    assert all(torch.equal(value, b.state_dict()[name]) for name, value in before.items())


def test_dtypes_are_converted() -> None:
    a, b = module(), module().to(torch.bfloat16)
    load_weights(b, a.state_dict())
    assert b.get_parameter("layers.0.norm").dtype == torch.bfloat16


def test_placeholders() -> None:
    assert match("layer.{i}.x", "layer.12.x") == {"i": "12"}
    assert match("layer.{i}.x", "layer.1.2.x") is None
    assert match("block{i}.x{j}", "block3.x4") == {"i": "3", "j": "4"}
    assert match("{i}.{i}", "1.2") is None
    assert match("a.b", "axb") is None
    assert translate("layer.2.w", [("layer.{i}.w", "l.{i}"), ("layer.2.w", "exact")]) == ("exact",)
    assert translate("layer.2.w", {"layer.{i}.w": None}) == ()
    assert translate("other", {"layer.{i}.w": None}) == ("other",)
