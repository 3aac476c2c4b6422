"""Every block of every system: each level and both modes, any sizes, leading dimensions, bfloat16, export, explanation, picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from functools import cache
from typing import Any

import pytest
import torch
from torch.testing import assert_close

import attn
from attn.compiler.view import render_svg

from .gathering import one_of_each_block
from .growing import grown
from .support import CLOSE, Case, near_in_half, several, stacked


def each_block(sentence: str, wanted: str = "") -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", one_of_each_block(sentence, wanted))


@cache
def module(case: Case) -> Any:
    """The module of a case, compiled once for all tests here."""
    return case.module()


@each_block("Levels 0, 1 and 2 give equal results in both modes, for training and for inference.")
def test_every_level_and_mode_gives_the_same(case: Case) -> None:
    wanted = several(module(case)(*case.tensors()))
    for level, mode in ((0, "train"), (1, "train"), (0, "infer"), (1, "infer"), (2, "infer")):
        other = case.module(level=level, mode=mode)
        other.load_state_dict(module(case).state_dict())
        assert_close(several(other(*case.tensors())), wanted, **CLOSE)


@each_block("One compiled module serves several sizes of every axis that is not bound.")
def test_one_module_serves_every_size(case: Case) -> None:
    for sizes, inputs in grown(case, module(case)):
        fixed: dict[str, Any] = {name: size for name, size in sizes.items() if name not in case.bind}
        bound = case.module(level=0, **fixed)
        bound.load_state_dict(module(case).state_dict())
        assert_close(several(module(case)(*inputs)), several(bound(*inputs)), **CLOSE)


@each_block("Any leading dimensions are carried: two at once give what single calls give.", "lead")
def test_leading_dimensions_are_carried(case: Case) -> None:
    stacked(case, module(case))


@each_block("In bfloat16 results stay bfloat16 and near.", "half")
def test_bfloat16_stays_bfloat16_and_near(case: Case) -> None:
    near_in_half(case)


@each_block("torch.export takes the module, and what it exports gives the same.")
def test_export(case: Case) -> None:
    inputs = [value.detach() for value in case.tensors()]
    exported = torch.export.export(module(case), tuple(inputs)).module()
    assert_close(several(exported(*inputs)), several(module(case)(*inputs)), **CLOSE)


@each_block("attn explain tells what is computed, with the number of parameters of the module.")
def test_explain(case: Case) -> None:
    found = attn.explain(case.source(), case.block, bind=dict(case.bind), inputs=case.given)
    assert found.cost.parameters.value == sum(weight.numel() for weight in module(case).parameters())
    assert str(found).startswith(case.block)


@each_block("attn graph draws it.")
def test_draw(case: Case) -> None:
    program = attn.load(case.source(), case.block)
    drawn = ET.fromstring(render_svg(program.graph(dict(case.bind), case.given, checking=True)))
    text = " ".join(drawn.itertext())
    for graph_input in module(case).attn_graph.inputs:
        assert graph_input.name in text
