"""What the record of guided context gating asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.func import functional_call
from torch.testing import assert_close

from .support import CLOSE, Case, Weights, compare, parameters

HEAD = """attn 1
use std.context (guided_context)

block notebook(x: [*, C, H, W], classes: int = 7) -> [*, K = classes] {
    y, _ = guided_context(x) as attention
    return mean(y, H W) |> linear(C -> h=256) as fc1 |> relu |> linear(h -> K=classes) as fc2
}
"""


@pytest.mark.system("guided-context-gating", "For 1280 channels the context has 1280 + 204,800 + 204,800 weights and the gate 3,284,482.")
def test_the_number_of_parameters() -> None:
    context = parameters("std.context", "global_context", C=1280, reduction=8, norm=False, bias=False)
    assert context == 1280 + 204_800 + 204_800
    assert parameters("std.context", "additive_gate", C=1280) == 3_284_482
    assert parameters("std.context", "guided_context", C=1280) == context + 3_284_482


@pytest.mark.system(
    "guided-context-gating", "With EfficientNetV2-B0 and the head of the notebook there are 9,944,409 numbers, as Keras prints."
)
def test_the_whole_notebook_model(timm: Any) -> None:
    import attn
    from attn.compiler.cost import graph_cost

    with torch.device("meta"):
        backbone = timm.create_model("tf_efficientnetv2_b0", num_classes=0)
    kept = [value.numel() for name, value in backbone.state_dict().items() if not name.endswith("num_batches_tracked")]
    rest = graph_cost(attn.load(attn.text(HEAD), "notebook").graph({"C": 1280}, checking=True)).parameters.integer()
    assert rest is not None
    assert sum(kept) + rest == 9_944_409


@pytest.mark.system("guided-context-gating", "With the narrow network at zero the guide is the map itself; the block starts there.")
def test_without_correlation_the_guide_is_the_map() -> None:
    import attn

    x = torch.randn(2, 16, 5, 3, dtype=torch.float64)
    made = attn.compile("std.context", "global_context", C=16, reduction=8, norm=False, bias=False, dtype=torch.float64)
    assert torch.equal(made(x), x)


@pytest.mark.system("guided-context-gating", "The gate comes out beside the map, one number between 0 and 1 for each place: [B, H, W].")
def test_the_gate_is_a_picture() -> None:
    made = Case("std.context", "guided_context", lambda w, x: x, (), {"C": 16}).module()
    x = torch.randn(2, 16, 5, 3, dtype=torch.float64)
    y, gate = made(x)
    assert gate.shape == (2, 5, 3)
    assert (gate > 0).all()
    assert (gate < 1).all()
    assert_close(y, x * gate[:, None], **CLOSE)


@pytest.mark.system("sdanet", "The last step equals timm's GlobalContext that adds (GCNet), in values and gradients.")
@pytest.mark.system(
    "guided-context-gating", "The context with norm and biases equals timm's GlobalContext that adds, in values and gradients."
)
def test_the_context_is_timms(timm: Any) -> None:
    other = timm.layers.GlobalContext(32, fuse_add=True, fuse_scale=False, rd_ratio=1 / 4, rd_divisor=1).double()

    def reference(w: Weights, x: torch.Tensor) -> Any:
        names = {"mask": "conv_attn", "fc1": "mlp_add.fc1", "norm": "mlp_add.norm", "fc2": "mlp_add.fc2"}
        theirs = {f"{names[name.split('.')[0]]}.{name.split('.')[1]}": value for name, value in w.items()}
        return functional_call(other, {k: v[..., None, None] if v.dim() == 2 else v for k, v in theirs.items()}, x)

    bind = {"C": 32, "reduction": 4, "eps": other.mlp_add.norm.eps}
    case = Case("std.context", "global_context", reference, ((2, 32, 5, 7),), bind)
    compare(case, case.module())
