"""Images as tokens, channels as places."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as functional
from stdlib_support import block, numbers, same, shapes
from torch.func import functional_call

import attn


@pytest.mark.parametrize("bias", [True, False])
def test_patch_embed_is_timms(timm: Any, bias: bool) -> None:
    other = timm.layers.PatchEmbed(None, 4, 3, 6, bias=bias).double()
    made = block("patches", "patch_embed", C=3, D=6, size=4, bias=bias)
    assert shapes(made)["proj.weight"] == (6, 3, 4, 4)
    same(made, lambda w, x: functional_call(other, dict(w), x), numbers(2, 3, 8, 12))


def test_class_token_comes_first() -> None:
    made = block("patches", "class_token", D=6)
    assert shapes(made) == {"cls": (6,)}
    same(made, lambda w, x: torch.cat([w["cls"].expand(2, 1, 6), x], 1), numbers(2, 5, 6))


@pytest.mark.parametrize("by", [2, 3])
@pytest.mark.parametrize("size", [(5, 7), (1, 2)])
def test_pixel_shuffle_and_its_inverse_are_torchs(by: int, size: tuple[int, int]) -> None:
    same(block("patches", "pixel_shuffle", by=by), lambda w, x: functional.pixel_shuffle(x, by), numbers(2, 2 * by * by, *size))
    same(
        block("patches", "pixel_unshuffle", by=by),
        lambda w, x: functional.pixel_unshuffle(x, by),
        numbers(2, 3, size[0] * by, size[1] * by),
    )


def test_an_image_that_does_not_divide_is_an_error() -> None:
    with pytest.raises(attn.AttnError):
        block("patches", "pixel_unshuffle", by=2)(numbers(2, 3, 5, 4))
