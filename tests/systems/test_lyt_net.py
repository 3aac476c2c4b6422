"""What the record of LYT-Net asks for, as far as it takes no training."""

from __future__ import annotations

import pytest
import torch

import attn

from .support import CLOSE, Case, parameters

NETWORK = ("std.systems.lyt_net", "lyt_net")


@pytest.mark.system("lyt-net", "With 32 filters it has 44,923 weights (the paper prints 0.045M), in either order of tokens.")
def test_the_number_of_parameters() -> None:
    assert parameters(*NETWORK) == parameters(*NETWORK, order="code") == 44_923


@pytest.mark.system("lyt-net", "The fusion whose gate is 0 changes nothing.")
def test_a_closed_fusion_is_the_identity() -> None:
    made = Case("std.channel", "msef", lambda w, x: x, (), {"C": 32}).module()
    for name in ("gate.fc2.weight", "gate.fc2.bias"):
        made.get_parameter(name).data.zero_()
    x = torch.randn(2, 32, 7, 5, dtype=torch.float64)
    assert torch.equal(made(x), x)


@pytest.mark.system(
    "lyt-net", "The order of tokens matters: with the same weights, code and paper differ by more than a tenth of the largest value."
)
def test_the_order_of_tokens_matters() -> None:
    paper, code = (
        Case("std.systems.lyt_net", "places", lambda w, x: x, (), {"C": 32, "heads": 4, "order": o}).module() for o in ("paper", "code")
    )
    assert {k: v.shape for k, v in paper.state_dict().items()} == {k: v.shape for k, v in code.state_dict().items()}
    x = torch.randn(1, 32, 4, 6, dtype=torch.float64)
    assert (paper(x) - code(x)).abs().max() > 0.1 * paper(x).abs().max()


@pytest.mark.system("lyt-net", "With order=paper exchanging two places of a map exchanges them in the result; with order=code it does not.")
def test_true_tokens_do_not_know_their_places() -> None:
    x = torch.randn(1, 8, 4, 6, dtype=torch.float64)
    for order, equal in (("paper", True), ("code", False)):
        made = Case("std.systems.lyt_net", "places", lambda w, x: x, (), {"C": 8, "heads": 2, "order": order}).module()
        assert torch.allclose(made(x.flip(2)), made(x).flip(2), **CLOSE) == equal


@pytest.mark.system("lyt-net", "The fusion and the denoiser are blocks of their own, with 546 and 8,363 of the 44,923 weights.")
def test_parts_are_blocks_of_their_own() -> None:
    weights = attn.load(*NETWORK).graph(checking=True).weights
    assert {"msef", "denoise_u", "denoise_v"} <= {weight.path.split(".")[0] for weight in weights}
    found = [parameters("std.channel", "msef", C=32), parameters("std.systems.lyt_net", "denoise")]
    assert found == [546, 8_363]
    whole = Case(*NETWORK, lambda w, x: x, (), {}).module()
    for path, count in zip(("msef", "denoise_u"), found, strict=True):
        assert sum(value.numel() for name, value in whole.named_parameters() if name.startswith(f"{path}.")) == count
