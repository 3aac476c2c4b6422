"""What the record of the dynamic gate between text and image asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.testing import assert_close

from .plain import norm
from .support import CLOSE, Case, Weights, built, compare, counted, part

D = 12
IMAGE: Any = (2, 3, D)
X: Any = (2, 7, D)


class Decoder(nn.Module):
    """A layer of torch's own modules, put together as the released MultimodalDecoderLayer is."""

    def __init__(self, per: str) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3, self.norm = (nn.LayerNorm(D) for _ in range(4))
        self.attention, self.cross = (nn.MultiheadAttention(D, 4, batch_first=True) for _ in range(2))
        self.gate = nn.Linear(2 * D, 1 if per == "token" else D)
        self.mlp = nn.Sequential(nn.Linear(D, 4 * D), nn.GELU(), nn.Linear(4 * D, D))

    def forward(self, h: Tensor, image: Tensor | None, padding: Tensor | None = None) -> Tensor:
        later = torch.ones(h.shape[1], h.shape[1], dtype=torch.bool).triu(1)
        n = self.norm1(h)
        h = h + self.attention(n, n, n, attn_mask=later, key_padding_mask=padding, need_weights=False)[0]
        if image is not None:
            n = self.norm2(h)
            c = self.cross(n, image, image, need_weights=False)[0]
            g = torch.sigmoid(self.gate(torch.cat((n, c), -1)))
            h = h + self.norm(g * n + (1 - g) * c)
        return h + self.mlp(self.norm3(h))


def theirs(w: Weights) -> dict[str, Tensor]:
    """Our names as those of torch's modules, which keep the three projections in one tensor."""
    found = {name.removeprefix("mix.").replace("fc1", "0").replace("fc2", "2"): value for name, value in w.items()}
    for path in [path for path in ("attention", "cross") if f"{path}.q.weight" in w]:
        for kind in ("weight", "bias"):
            found[f"{path}.in_proj_{kind}"] = torch.cat([found.pop(f"{path}.{name}.{kind}") for name in "qkv"])
            found[f"{path}.out_proj.{kind}"] = found.pop(f"{path}.out.{kind}")
    return found


@pytest.mark.system(
    "token-gate-vlm",
    "A decoder layer equals torch's attention, norm and linear modules put together, with their state_dict, for both soft gates.",
)
@pytest.mark.parametrize("per", ["token", "feature"])
@pytest.mark.parametrize("padded", [False, True])
def test_a_layer_is_torchs_modules_put_together(per: str, padded: bool) -> None:
    other = Decoder(per).double().eval()
    keep = torch.tensor([[True] * 5 + [False] * 2, [True] * 7])

    def reference(w: Weights, h: Tensor, image: Tensor, *padding: Tensor) -> Any:
        return functional_call(other, theirs(w), (h, image, ~keep if padded else None), strict=True)

    given = ("image", "keep") if padded else ("image",)
    case = Case(
        "std.multimodal", "gated_decoder", reference, (X, IMAGE, *([keep] if padded else [])), {"D": D, "heads": 4, "per": per}, given=given
    )
    compare(case, case.module())


@pytest.mark.system("token-gate-vlm", "Without an image the step is left out, and the layer equals torch's modules without it.")
def test_without_an_image_the_step_is_left_out() -> None:
    other = Decoder("token").double().eval()
    case = Case("std.multimodal", "gated_decoder", lambda w, h: functional_call(other, theirs(w), (h, None)), (X,), {"D": D, "heads": 4})
    compare(case, case.module())


def gate(per: str, **bind: Any) -> Any:
    return built("std.multimodal", "dynamic_gate", D=D, per=per, **bind)


@pytest.mark.system(
    "token-gate-vlm", "An open gate gives the norm of the text alone, a shut gate that of the image alone, for each token and each feature."
)
@pytest.mark.parametrize("per", ["token", "feature"])
def test_an_open_gate_is_text_and_a_shut_gate_is_image(per: str) -> None:
    made = gate(per)
    made.get_parameter("gate.weight").data.zero_()
    n, c = torch.randn(2, 2, 7, D, dtype=torch.float64)
    for bias, wanted in ((1e3, n), (-1e3, c)):
        made.get_parameter("gate.bias").data.fill_(bias)
        assert_close(made(n, c), norm(dict(made.named_parameters()), "norm", wanted), **CLOSE)


@pytest.mark.system("token-gate-vlm", "A hard gate with large logits, noise and all, equals the soft gate with a saturated sigmoid.")
@pytest.mark.parametrize("per", ["token", "feature"])
def test_a_hard_gate_with_large_logits_is_a_saturated_soft_gate(per: str) -> None:
    soft, hard = gate(per), gate(per, hard=True)
    n, c = torch.randn(2, 2, 7, D, dtype=torch.float64)
    w = {name: 1e6 * value for name, value in part(soft.state_dict(), "gate").items()}
    soft.load_state_dict({**soft.state_dict(), **{f"gate.{name}": value for name, value in w.items()}})
    hard.load_state_dict(
        {
            **{f"gate.fc.{name}": torch.cat((value, 0 * value)) for name, value in w.items()},
            **{f"norm.{name}": value for name, value in part(soft.state_dict(), "norm").items()},
        }
    )
    assert_close(hard(n, c), soft(n, c), **CLOSE)


@pytest.mark.system(
    "token-gate-vlm",
    "The noise of a hard gate is Gumbel's: at equal temperature 60,000 draws choose text as often as the softmax says, within 1%.",
)
def test_a_hard_gate_is_drawn_from_its_softmax() -> None:
    made = built("std.multimodal", "hard_gate", F=2, D=1, temperature=0.3)
    with torch.no_grad():
        made.get_parameter("fc.weight").copy_(torch.eye(2))
        made.get_parameter("fc.bias").zero_()
    torch.manual_seed(0)
    drawn = made(torch.tensor([0.4, -0.5], dtype=torch.float64).expand(60_000, 2))
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert abs(float(drawn.detach().mean()) - float(torch.tensor(0.9).sigmoid())) < 0.01


@pytest.mark.system("token-gate-vlm", "With one image token the cross-attention gives every text token the same vector.")
def test_one_image_token_gives_every_token_the_same() -> None:
    made = built("std.heads", "cross", D=D, E=D, heads=4)
    c = made(torch.randn(2, 7, D, dtype=torch.float64), torch.randn(2, 1, D, dtype=torch.float64))
    assert_close(c, c[:, :1].expand_as(c), **CLOSE)


@pytest.mark.system(
    "token-gate-vlm",
    "At 768 features a layer has 9,457,153 weights with an image and a gate for each token; one for each feature adds 1,179,903.",
)
def test_the_number_of_weights() -> None:
    def weights(per: str) -> int:
        return counted("std.multimodal", "gated_decoder", ("image",), D=768, per=per).parameters.integer() or 0

    attention, mlp, norm = 4 * 768 * 769, 768 * 3072 + 3072 + 3072 * 768 + 768, 2 * 768
    assert weights("token") == 2 * attention + mlp + 4 * norm + 2 * 768 + 1
    assert weights("feature") - weights("token") == 767 * (2 * 768 + 1)


@pytest.mark.system(
    "token-gate-vlm", "Channel attention on the encoded image is std.channel:se, equal to torchvision's SqueezeExcitation at one place."
)
def test_channel_attention_on_the_image_is_squeeze_and_excitation() -> None:
    from torchvision.ops import SqueezeExcitation

    other = SqueezeExcitation(32, 2).double()

    def reference(w: Weights, x: Tensor) -> Any:
        return functional_call(other, {name: value if value.dim() == 1 else value[..., None, None] for name, value in w.items()}, x)

    case = Case("std.channel", "se", reference, ((2, 32, 1, 1),), {"C": 32})
    compare(case, case.module())
