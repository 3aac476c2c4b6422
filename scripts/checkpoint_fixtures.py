"""Writes checkpoints of this version with inputs and outputs, which this and every later version must load and reproduce.

    python scripts/checkpoint_fixtures.py

They go to `tests/fixtures/checkpoints/VERSION/BLOCK.safetensors`: weights under `weights.PATH`, inputs under `inputs.NAME`, results under
`outputs.NUMBER`, all float32 but computed in float64 at level 0. A released version's files are never written again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

import attn
from attn.compiler.verify import Setting, inputs_for

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests" / "fixtures" / "checkpoints"
BLOCKS: dict[str, tuple[str, str, dict[str, Any], dict[str, int]]] = {
    "mha": ("std.heads", "mha", {"D": 8, "heads": 2, "causal": True}, {"N": 6}),
    "gqa": ("std.heads", "gqa", {"D": 8, "heads": 4, "groups": 2}, {"N": 5}),
    "cbam": ("std.channel", "cbam", {"C": 8, "reduction": 2, "kernel": 3}, {"H": 5, "W": 4}),
    "swiglu": ("std.feedforward", "swiglu", {"D": 6, "bias": True}, {"N": 3}),
    "encoder": ("std.layers", "encoder", {"D": 8, "heads": 2}, {"N": 6}),
    "gru": ("std.recurrence", "gru", {"D": 3, "E": 4}, {"N": 5}),
    "window_mha": ("std.windows", "window_mha", {"D": 4, "heads": 2, "window": 2}, {"H": 4, "W": 6}),
}
"""Library blocks with different kinds of weights: projections, convolutions with batch norm, gates, loops, tables of biases."""


def tensors(name: str) -> dict[str, torch.Tensor]:
    module, block, bind, free = BLOCKS[name]
    torch.manual_seed(2026)
    made = attn.compile(attn.load(module, block), bind=bind, level=0, dtype=torch.float64).eval()
    with torch.no_grad():
        for key, value in made.state_dict().items():
            if value.is_floating_point():
                drawn = (torch.rand(value.shape, dtype=torch.float64) + 0.5) if key.endswith("var") else torch.randn(value.shape) * 0.5
                value.copy_(drawn.float())
    inputs = {key: x.float() for key, x in inputs_for(made.attn_graph, {**free, "*": 2}, Setting(seed=5)).items()}
    result = made(**{key: x.double() for key, x in inputs.items()})
    results = result if isinstance(result, tuple) else (result,)
    return {
        **{f"weights.{key}": (x.float() if x.is_floating_point() else x).contiguous() for key, x in made.state_dict().items()},
        **{f"inputs.{key}": x.contiguous() for key, x in inputs.items()},
        **{f"outputs.{index}": x.detach().float().contiguous() for index, x in enumerate(results)},
    }


def main() -> None:
    folder = FOLDER / attn.__version__
    folder.mkdir(parents=True, exist_ok=True)
    for name in BLOCKS:
        save_file(tensors(name), folder / f"{name}.safetensors")


if __name__ == "__main__":
    main()
