"""From the names that weights have in timm's networks to those of our programs."""

from __future__ import annotations

Names = dict[str, str | list[str] | None]
STEM = {"conv1": "stem.conv", "bn1": "stem.norm"}
DEEP = {"conv1.0": "stem.conv1", "conv1.1": "stem.norm1", "conv1.3": "stem.conv2", "conv1.4": "stem.norm2", "conv1.6": "stem.conv"}


def residual_names(gate: str = "", deep: bool = False) -> Names:
    """From the names of timm's ResNet to ours; `gate` is what we call its attention module, and `deep` the kind of its stem."""
    found: Names = {f"{theirs}.{{w}}": f"{ours}.{{w}}" for theirs, ours in ({**STEM, **DEEP} if deep else STEM).items()}
    conv, norm = (1, 2) if deep else (0, 1)
    for s in range(4):
        theirs, ours = f"layer{s + 1}.{{i}}", f"stages.{s}.blocks.{{i}}"
        found |= {
            f"{theirs}.downsample.{conv}.{{w}}": f"{ours}.shortcut.conv.{{w}}",
            f"{theirs}.downsample.{norm}.{{w}}": f"{ours}.shortcut.norm.{{w}}",
            f"{theirs}.conv2.conv.{{w}}": f"{ours}.split.conv.{{w}}",
            f"{theirs}.conv2.fc{{k}}.{{w}}": f"{ours}.split.fc{{k}}.{{w}}",
            f"{theirs}.conv2.bn{{k}}.{{w}}": f"{ours}.split.norm{{k}}.{{w}}",
            f"{theirs}.conv{{k}}.{{w}}": f"{ours}.conv{{k}}.{{w}}",
            f"{theirs}.bn{{k}}.{{w}}": f"{ours}.norm{{k}}.{{w}}",
            f"{theirs}.se.{{part}}.{{w}}": f"{ours}.{gate}.{{part}}.{{w}}",
        }
    return found


def davit_names() -> Names:
    """From timm's names to ours. In its channel attention `k` asks, `v` is asked and `q` is read."""
    found: Names = {"head.norm.{w}": "norm.{w}", "head.fc.{w}": "head.{w}", "stages.{s}.downsample.norm.{w}": "stages.{s}.norm.{w}"}
    found["stages.{s}.downsample.conv.{w}"] = "stages.{s}.down.{w}"
    for number, kind, roles in ((0, "spatial", "qkv"), (1, "channel", "vqk")):
        theirs, ours = f"stages.{{s}}.blocks.{{i}}.{number}", f"stages.{{s}}.{kind}.{{i}}"
        found |= {
            f"{theirs}.attn.qkv.{{w}}": [f"{ours}.attention.{role}.{{w}}" for role in roles],
            f"{theirs}.attn.proj.{{w}}": f"{ours}.attention.out.{{w}}",
            f"{theirs}.{{part}}.{{w}}": f"{ours}.{{part}}.{{w}}",
            f"{theirs}.{{part}}.{{piece}}.{{w}}": f"{ours}.{{part}}.{{piece}}.{{w}}",
        }
    return found
