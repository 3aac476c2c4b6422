"""What the record of sentence attention asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call
from torch.testing import assert_close

from .cases.sentence_attention import INPUTS, SIZES, sentence_attention
from .support import CLOSE, Case, Weights, compare, parameters


@pytest.mark.system(
    "sentence-attention", "With the weights on the sentence 0 it equals timm's SEModule with the other weights, in values and gradients."
)
def test_without_the_sentence_it_is_squeeze_and_excitation(timm: Any) -> None:
    other = timm.layers.SEModule(10, rd_channels=4).double()

    def reference(w: Weights, x: Tensor, t: Tensor) -> Any:
        theirs = {name: value[..., None, None] if value.dim() == 2 else value for name, value in w.items()}
        return functional_call(other, {**theirs, "fc1.weight": theirs["fc1.weight"][:, :10]}, x) + 0 * t.sum()

    case = Case("std.channel", "sentence_attention", reference, INPUTS, {**SIZES, "reduction": 4})
    made = case.module()
    made.get_parameter("fc1.weight").data[:, 10:] = 0
    x, t = case.tensors()
    assert_close(made(x, t), reference(made.state_dict(), x, t), **CLOSE)
    kept = Case(
        "std.channel", "sentence_attention", reference, (INPUTS[0], torch.zeros(2, 6, dtype=torch.float64)), {**SIZES, "reduction": 4}
    )
    compare(kept, kept.module())  # a sentence of zeros has no say either, and leaves all other gradients


@pytest.mark.system(
    "sentence-attention", "Every number of the sentence changes the result: no entry of the gradient is 0, for both ways of fusing."
)
@pytest.mark.parametrize("fuse", ["concat", "product"])
def test_the_sentence_is_read(fuse: str) -> None:
    case = Case("std.channel", "sentence_attention", sentence_attention, INPUTS, {**SIZES, "reduction": 1, "fuse": fuse})
    x, t = case.tensors()
    (gradient,) = torch.autograd.grad(case.module()(x, t).square().sum(), [t])
    assert bool((gradient != 0).all())


@pytest.mark.system("sentence-attention", "Other sentences change only the gates: the result over x is one number for each channel.")
def test_other_sentences_change_only_the_gates() -> None:
    case = Case("std.channel", "sentence_attention", sentence_attention, INPUTS, {**SIZES, "reduction": 4})
    made = case.module()
    x, t = case.tensors()
    for sentences in (t, t.flip(0)):
        gate = made(x, sentences) / x
        assert_close(gate, gate[..., :1, :1].expand_as(gate), **CLOSE)
    assert not torch.allclose(made(x, t), made(x, t.flip(0)))
    assert_close(made(x.flip(0), t.flip(0)), made(x, t).flip(0), **CLOSE)


@pytest.mark.system("sentence-attention", "At 512 channels and 768 numbers of a sentence it has 143,952 weights, the hidden layer 80.")
def test_the_number_of_weights() -> None:
    assert parameters("std.channel", "sentence_attention", C=512, E=768) == 1280 * 80 + 80 + 80 * 512 + 512 == 143_952
