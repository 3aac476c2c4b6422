"""The tutorials do what they say: each step of the first one, and two whole networks with the weights of other libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as functional
from stdlib_support import Weights, close, numbers, randomised, same
from torch import Tensor, nn
from torch.func import functional_call

import attn

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str, block: str, **bind: Any) -> Any:
    return randomised(attn.compile(EXAMPLES / f"{name}.attn", block, dtype=torch.float64, bind=bind))


def test_every_step_of_the_first_program_runs() -> None:
    x = numbers(2, 32, 5, 3)
    close(example("first", "squeeze")(x), x.mean((2, 3)))
    excite = example("first", "excite", C=32)
    w = dict(excite.named_parameters())
    wanted = functional.linear(
        functional.linear(x[..., 0, 0], w["fc1.weight"], w["fc1.bias"]).relu(), w["fc2.weight"], w["fc2.bias"]
    ).sigmoid()
    close(excite(x[..., 0, 0]), wanted)
    s = numbers(2, 32, seed=2)
    close(example("first", "gate")(x, s), x * s[..., None, None])


def test_the_parts_of_the_first_program_make_the_whole() -> None:
    parts, whole = example("first", "in_parts", C=32), example("first", "se", C=32)
    parts.load_state_dict({f"gate.{name}": value for name, value in whole.state_dict().items()})
    library = attn.std.channel.se(C=32, dtype=torch.float64)
    library.load_state_dict(whole.state_dict())
    x = numbers(2, 32, 5, 3)
    close(parts(x), whole(x))
    close(library(x), whole(x))


def packed(w: Weights, ours: str, theirs: str) -> dict[str, Tensor]:
    return {f"{theirs}.{leaf}": torch.cat([w[f"{ours}.{name}.{leaf}"] for name in "qkv"]) for leaf in ("weight", "bias")}


def named(w: Weights, names: dict[str, str]) -> dict[str, Tensor]:
    return {f"{theirs}.{leaf}": w[f"{ours}.{leaf}"] for ours, theirs in names.items() for leaf in ("weight", "bias")}


def vit_weights(w: Weights, depth: int) -> dict[str, Tensor]:
    """Our weights as timm's vision transformer has them."""
    found = named(w, {"patches.proj": "patch_embed.proj", "norm": "norm", "head": "head"})
    found |= {"cls_token": w["first.cls"].view(1, 1, -1), "pos_embed": w["positions.table"][None]}
    for i in range(depth):
        pairs = {"attention.out": "attn.proj", "norm1": "norm1", "norm2": "norm2", "fc1": "mlp.fc1", "fc2": "mlp.fc2"}
        found |= packed(w, f"layers.{i}.attention", f"blocks.{i}.attn.qkv")
        found |= named(w, {f"layers.{i}.{ours}": f"blocks.{i}.{theirs}" for ours, theirs in pairs.items()})
    return found


def test_the_vision_transformer_is_timms(timm: Any) -> None:
    sizes = {"img_size": (8, 12), "patch_size": 4, "embed_dim": 12, "depth": 2, "num_heads": 3, "num_classes": 5}
    other = timm.models.vision_transformer.VisionTransformer(**sizes).double().eval()
    made = example("vit", "vit", C=3, H=8, W=12, D=12, K=5, patch=4, depth=2, heads=3)
    same(made, lambda w, image: functional_call(other, vit_weights(w, 2), image), numbers(2, 3, 8, 12))


def test_the_vision_transformer_has_the_published_weights(timm: Any) -> None:
    made = attn.compile(EXAMPLES / "vit.attn", bind={"C": 3, "H": 224, "W": 224, "D": 192, "K": 1000, "heads": 3}, device="meta")
    assert sum(weight.numel() for weight in made.parameters()) == 5_717_416


def gpt_weights(w: Weights, depth: int) -> dict[str, Tensor]:
    """Our weights as GPT-2 of transformers has them; its linear maps are stored the other way round."""
    found = {"wte.weight": w["tokens"], "wpe.weight": w["positions.table"], **named(w, {"norm": "ln_f"})}
    for i in range(depth):
        maps = packed(w, f"layers.{i}.attention", "attn.c_attn")
        maps |= named(w, {f"layers.{i}.attention.out": "attn.c_proj", f"layers.{i}.fc1": "mlp.c_fc", f"layers.{i}.fc2": "mlp.c_proj"})
        norms = named(w, {f"layers.{i}.norm1": "ln_1", f"layers.{i}.norm2": "ln_2"})
        found |= {f"h.{i}.{name}": value.mT if value.dim() == 2 else value for name, value in {**maps, **norms}.items()}
    return {f"transformer.{name}": value for name, value in found.items()}


class _Logits(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Any:
        return self.model(ids).logits


def test_the_language_model_is_gpt2() -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=11, n_positions=8, n_embd=12, n_layer=2, n_head=3)
    other = _Logits(GPT2LMHeadModel(config).double().eval())
    made = example("gpt", "gpt", V=11, D=12, context=8, depth=2, heads=3)
    ids = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]])

    def reference(w: Weights, ids: Tensor) -> Tensor:
        weights = {f"model.{name}": value for name, value in gpt_weights(w, 2).items()}
        return functional_call(other, {**weights, "model.lm_head.weight": w["tokens"]}, ids)

    same(made, reference, ids)


@pytest.mark.parametrize("place", [0, 3])
def test_a_later_token_changes_nothing_before_it(place: int) -> None:
    made = example("gpt", "gpt", V=11, D=12, context=8, depth=2, heads=3)
    ids = torch.tensor([[3, 1, 4, 1, 5]])
    other = ids.clone()
    other[0, place] = 7
    close(made(ids)[:, :place], made(other)[:, :place])
    assert not torch.allclose(made(ids)[:, place], made(other)[:, place])


def test_the_language_model_has_the_published_weights() -> None:
    made = attn.compile(EXAMPLES / "gpt.attn", bind={"V": 50257, "D": 768}, device="meta")
    assert sum(weight.numel() for weight in made.parameters()) == 124_439_808
