"""Programs from Python: every form in which a source, a block, sizes and options may be given."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from language_support import program
from torch import fx
from torch.testing import assert_close

import attn
from attn.dsl.diagnostics import AttnError

FILE = Path(__file__).parents[1] / "programs"


def test_a_path_with_sizes_as_keywords_gives_a_module() -> None:
    m = attn.compile(str(FILE / "se.attn"), C=64, reduction=8)
    assert isinstance(m, fx.GraphModule)
    assert tuple(m.state_dict()["fc1.weight"].shape) == (8, 64)
    assert m(torch.zeros(2, 64, 3, 3)).shape == (2, 64, 3, 3)
    assert isinstance(attn.compile(FILE / "se.attn", C=64), fx.GraphModule)


def test_a_block_of_a_file_by_name_and_the_last_one_without(tmp_path: Path) -> None:
    zoo = tmp_path / "zoo.attn"
    zoo.write_text((FILE / "cbam.attn").read_text(encoding="utf-8") + "\nblock last(x: [*]) -> [*] {\n    return x\n}\n", encoding="utf-8")
    m = attn.compile(str(zoo), "cbam", bind={"C": 64}, dtype=torch.float64)
    assert {weight.dtype for weight in m.parameters()} == {torch.float64}
    assert attn.compile(str(zoo)).attn_graph.name == "last"
    with pytest.raises(AttnError, match="E0104"):
        attn.compile(str(zoo), "cban")


def test_a_library_block_is_an_attribute_that_compiles_when_called() -> None:
    se = attn.std.channel.se
    assert se.name == "se"
    assert "C" in repr(se)
    assert "fc1.weight" in se(C=16).state_dict()
    assert_close(attn.compile("std.channel", "se", C=16).state_dict()["fc1.weight"].shape, torch.Size([1, 16]))
    assert "channel" in dir(attn.std)
    assert "se" in dir(attn.std.channel)
    with pytest.raises(AttributeError):
        attn.std.channel.nothing  # noqa: B018


def test_a_string_is_a_path_unless_it_is_marked_as_text() -> None:
    text = program("x: [*, N]", "return 2 * x", "[*, N]")
    assert attn.compile(attn.text(text))(torch.ones(3)).tolist() == [2, 2, 2]
    with pytest.raises(AttnError, match=r"attn\.text"):
        attn.compile(text)


def test_inputs_go_by_position_or_by_name() -> None:
    m = attn.compile(attn.text(program("x: [*, N], y: [*, N]", "return x - y", "[*, N]")))
    x, y = torch.ones(3), torch.arange(3.0)
    assert torch.equal(m(x, y), m(y=y, x=x))
    assert torch.equal(m(x, y=y), x - y)


def test_a_parameter_called_like_an_option_goes_through_bind() -> None:
    text = attn.text(program("x: [*, N], source: int = 2, dtype: float = 1.0", "return x * source * dtype", "[*, N]"))
    assert attn.compile(text, bind={"source": 3, "dtype": 0.5})(torch.ones(2)).tolist() == [1.5, 1.5]


def test_check_gives_all_mistakes_and_needs_no_torch() -> None:
    import subprocess
    import sys

    text = "block t(x: [*]) -> [*] {\n    a = y\n    return z\n}\n"
    code = f"import attn, sys; print(len(attn.check(attn.text({text!r}))), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"]


def test_what_must_be_bound_is_told_together() -> None:
    with pytest.raises(AttnError) as caught:
        attn.compile(attn.text(program("x: [*, C, D], heads: int", "return linear(x, C D -> E=heads)", "[*, E]")))
    assert "heads" in str(caught.value)


def test_a_module_shows_its_code_and_what_it_is() -> None:
    m = attn.compile(FILE / "se.attn", C=64)
    assert "F.linear(" in m.code
    assert repr(m).startswith("se(x: [*, C=64, H, W]) -> ")
    assert m.program.startswith("attn 1")


def test_weights_are_saved_and_loaded_as_safetensors(tmp_path: Path) -> None:
    one, two = attn.compile(FILE / "se.attn", C=16), attn.compile(FILE / "se.attn", C=16)
    attn.save_weights(one, tmp_path / "w.safetensors")
    attn.load_weights(two, tmp_path / "w.safetensors")
    x = torch.randn(2, 16, 3, 3)
    assert torch.equal(one(x), two(x))
