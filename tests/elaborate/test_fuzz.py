"""Any text has an answer: a list of diagnostics, in time, and never another exception. So has any value of any option."""

from __future__ import annotations

import random

import pytest
import torch
from fuzz_support import FILES, WRITTEN, answer, blocks_of, mutate, program_of_calls
from hypothesis import given
from hypothesis import strategies as st

import attn
from attn.dsl.diagnostics import AttnError
from attn.dsl.parser import decode

BLOCKS = [block for path in FILES for block in blocks_of(path)]
EXAMPLES = [example for operator in WRITTEN for example in operator.examples]
SEEDS = st.integers(0, 2**32 - 1)


@given(st.text(max_size=200))
def test_any_text_is_answered(text: str) -> None:
    answer(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(data: bytes) -> None:
    source, diagnostics = decode(data, "text")
    assert all(diagnostic.code == "E0035" for diagnostic in diagnostics)
    answer(source.text)


@given(st.text(max_size=80))
def test_any_text_in_a_block_is_answered(text: str) -> None:
    answer("block t(x: [*, N, C]) -> [*, N, C] {\n    y = " + text + "\n    return y\n}\n")


@given(st.sampled_from(BLOCKS), SEEDS, st.integers(1, 4))
def test_mutated_blocks_are_answered(text: str, seed: int, times: int) -> None:
    answer(mutate(text, random.Random(seed), times))


@given(st.sampled_from(FILES), SEEDS)
def test_mutated_files_are_answered(path: object, seed: int) -> None:
    answer(mutate(path.read_text(encoding="utf-8"), random.Random(seed), 2))  # type: ignore[attr-defined]


@given(st.sampled_from(EXAMPLES), SEEDS, st.integers(1, 3))
def test_mutated_examples_are_answered(text: str, seed: int, times: int) -> None:
    answer(mutate(text, random.Random(seed), times))


@given(SEEDS)
def test_calls_with_any_arguments_are_answered(seed: int) -> None:
    answer(program_of_calls(random.Random(seed)))


@given(SEEDS)
def test_what_has_no_mistake_becomes_a_graph_or_says_what_must_be_bound(seed: int) -> None:
    """With nothing bound a sound program is a graph, or lacks a size; it never breaks."""
    draw = random.Random(seed)
    text = program_of_calls(draw) if draw.random() < 0.3 else mutate(draw.choice(EXAMPLES), draw, 1)
    if any(diagnostic.severity == "error" for diagnostic in answer(text)):
        return
    program = attn.load(attn.text(text))
    try:
        found: object = program.graph()
    except AttnError as error:
        found = error.diagnostics
    assert found


# ---------------------------------------------------------------- what earlier runs found

HEAD = "x: [*, N, C], y: [*, C], i: int [N]"
DEEP = """block pool(x: [*, H]) -> [*, H=(H - 1) // 2 + 1] { return max(x, over=H, kernel=3, stride=2, padding=1) }
block t(x: [*, H]) -> [*, P] {
    for i in 0..%d { x = pool(x) }
    return rename(x, H -> P)
}
"""
FOUND = {
    "axis-twice-in-over": ("return instancenorm(x, over=N N)", "E0204"),
    "axis-twice-in-an-option": ("return conv(x, over=N, each=C C, kernel=3)", "E0204"),
    "negative-spread": ("param p: [C] = normal(-7)\n    return x * p", "E0303"),
    "endless-spread": ("param p: [C] = normal(inf)\n    return x * p", "E0303"),
    "bounds-exchanged": ("param p: [C] = uniform(1, 0)\n    return x * p", "E0303"),
    "no-size": ("y = randn(Q=none)\n    return x", "E0303"),
    "no-coordinates": ("z = sample(x, Q=none)\n    return x", "E0303"),
    "padding-out-of-bounds": ("return conv(x, over=N, kernel=3, padding=1.0e60)", "E0214"),
    "endless-scale": ("return resize(x, N, scale=-inf)", "E0303"),
    "window-of-nothing": ("y = unfold(x, N -> Y u=0)\n    return x", "E0303"),
    "image-of-nothing": ("y = resize(x, N -> U=0)\n    return x", "E0207"),
    "negative-padding": ("y = conv_transpose(x, C -> E=2, over=N -> U, kernel=3, padding=-1)\n    return x", "E0303"),
    "padding-of-the-result": ("y = conv_transpose(x, C -> E=2, over=N -> U, kernel=3, stride=2, output_padding=3)\n    return x", "E0303"),
    "fraction-as-a-position": ("return x + x[N=1 / 3]", "E0203"),
    "fraction-as-an-end": ("return x + sum(x[N=0..1 / 3], N)", "E0203"),
    "far-roll": ("return roll(x, N=2 ** 62)", "E0214"),
    "whole-numbers-by-zero": ("return x * ((pos(N) + 1) % 0)", "E0215"),
    "whole-quotient-by-zero": ("return x * (i // 0)", "E0215"),
    "weight-twice": ("param p: [] = 1\n    param p: [C] = 0\n    return x * p", "E0401"),
    "list-in-a-list": ("return max(x, over=N, kernel=3, stride=[[2, 1]])", "E0303"),
    "list-in-a-pad": ("return pad(x, N=[[1, 2], 1])", "E0303"),
    "many-parts": ("a, b = split(x, C -> p=999999999 f) |> unstack(p)\n    return x", "E0513"),
    "many-turns": ("for j in 0..999999999 { x = encodr(x) }\n    return x", "E0513"),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_is_told(name: str) -> None:
    body, code = FOUND[name]
    found = answer(f"block t({HEAD}) -> [*, N, C] {{\n    {body}\n}}\n")
    assert code in [diagnostic.code for diagnostic in found]


@pytest.mark.parametrize("levels", [4, 8, 16, 32, 999_999_999])
def test_rounded_sizes_nest_in_time(levels: int) -> None:
    codes = {diagnostic.code for diagnostic in answer(DEEP % levels)}
    assert codes == (set() if levels <= 32 else {"E0513"})


def test_one_mistake_in_many_turns_is_told_once_and_in_time() -> None:
    found = answer(f"block t({HEAD}) -> [*, N, C] {{\n    for j in 0..4096 {{ x = encodr(x) }}\n    return x\n}}\n")
    assert [diagnostic.code for diagnostic in found if diagnostic.severity == "error"] == ["E0102"]


def test_a_result_without_the_axes_of_the_star_has_them_nevertheless() -> None:
    m = attn.compile(attn.text("block t(x: [*, N]) -> [*] {\n    x = log2(3)\n    return x\n}\n"))
    assert m(torch.zeros(2, 5, 4)).shape == (2, 5)


def test_words_of_python_are_names_of_weights() -> None:
    text = "block t(x: [*, D]) -> [*, D] {\n    for i in 0..2 { x = linear(x, D -> D) as in.class[i] }\n    return x\n}\n"
    m = attn.compile(attn.text(text), D=3)
    assert list(m.state_dict()) == ["in.class.0.weight", "in.class.0.bias", "in.class.1.weight", "in.class.1.bias"]
    x, layers = torch.randn(2, 3), m.get_submodule("in.class")
    wanted = x
    for layer in layers.children():
        wanted = torch.nn.functional.linear(wanted, layer.weight, layer.bias)  # type: ignore[arg-type]
    assert torch.equal(m(x), wanted)


def test_a_remainder_of_dynamic_sizes_is_a_size() -> None:
    m = attn.compile(attn.text("block t(x: [*, A, B]) -> [*, R] {\n    return zeros(R=A % B) + sum(x, A B)\n}\n"))
    assert m(torch.ones(5, 3)).tolist() == [15, 15]


def test_a_number_beyond_the_integers_is_a_float() -> None:
    m = attn.compile(attn.text("block t(x: [*, N], a: float = 1.0e30) -> [*, N] {\n    return (a * N) * x\n}\n"))
    assert m(torch.ones(2)).tolist() == pytest.approx([2e30, 2e30])


def test_a_norm_of_no_channels_is_nothing() -> None:
    m = attn.compile(attn.text("block t(x: [*, C, H]) -> [*, C, H] {\n    return batchnorm(x, C)\n}\n"), C=0)
    for module in (m, m.eval()):
        assert module(torch.zeros(2, 0, 3)).shape == (2, 0, 3)
