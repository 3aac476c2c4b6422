"""The MiniLM sentence encoder: the same numbers as the model its weights come from, in every form it can be compiled to."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from click.testing import CliRunner
from golden_support import GOLDEN, Golden, golden_files
from torch import Tensor

import attn
from attn.cli import main as cli
from attn.dsl.format import format_text
from attn.dsl.source import Source

from .conftest import ROOT, Reference, imported

PROGRAM = ROOT / "examples" / "minilm.attn"
SMALL = {"vocab": 40, "length": 24, "width": 16, "depth": 2, "heads": 4}
Check = Callable[[Path, Callable[[Golden], str]], None]


@pytest.fixture(scope="module")
def encoder(demo: ModuleType, folder: Path) -> torch.nn.Module:
    return demo.load(folder)


@pytest.fixture(scope="module")
def texts(demo: ModuleType) -> list[str]:
    return [*demo.read_sentences(ROOT / "examples" / "sentences.txt"), "Yes.", "A longer text. " * 20]


def batch(count: int, length: int, vocab: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random ids [B, N], and a mask that keeps the first 1 to N of each row."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(vocab, (count, length), generator=generator)
    lengths = torch.randint(1, length + 1, (count, 1), generator=generator)
    return ids, torch.arange(length) < lengths


def run(module: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    with torch.inference_mode():
        return module(*inputs)


# ---------------------------------------------------------------- the numbers


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_real_sentences_are_embedded_as_by_transformers(
    demo: ModuleType, folder: Path, reference: Reference, texts: list[str], dtype: torch.dtype, tolerance: float
) -> None:
    ids, keep = demo.tokenize(folder, texts)
    assert keep.sum(1).tolist()[-2:] == [4, 82]
    found = run(demo.load(folder, dtype), ids, keep)
    assert found.dtype == dtype
    torch.testing.assert_close(found, reference(ids, keep, dtype), rtol=0, atol=tolerance)


@pytest.mark.parametrize(("count", "length"), [(1, 1), (3, 7), (2, 512)])
def test_so_are_any_ids_up_to_the_full_length(encoder: torch.nn.Module, reference: Reference, count: int, length: int) -> None:
    ids, keep = batch(count, length, 30522)
    torch.testing.assert_close(run(encoder, ids, keep), reference(ids, keep, torch.float32), rtol=0, atol=1e-5)


def test_padding_changes_nothing(demo: ModuleType, folder: Path, encoder: torch.nn.Module, texts: list[str]) -> None:
    together = run(encoder, *demo.tokenize(folder, texts))
    alone = torch.cat([run(encoder, *demo.tokenize(folder, [text])) for text in texts])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)


def test_what_stands_at_the_padding_is_not_read(encoder: torch.nn.Module) -> None:
    ids, keep = batch(4, 12, 30522)
    assert not keep.all()
    other = torch.where(keep, ids, 30521 - ids)
    assert torch.equal(run(encoder, ids, keep), run(encoder, other, keep))


def test_a_text_that_is_all_padding_gives_zeros(encoder: torch.nn.Module) -> None:
    ids, keep = batch(2, 5, 30522)
    keep[1] = False
    assert torch.equal(run(encoder, ids, keep)[1], torch.zeros(384))


def test_long_texts_are_cut_where_training_ended(demo: ModuleType, folder: Path) -> None:
    ids, keep = demo.tokenize(folder, ["Short.", "Long, " * 1000])
    assert ids.shape == keep.shape == (2, 256)
    assert keep.sum(1).tolist() == [4, 256]


# ---------------------------------------------------------------- the forms


def test_the_standalone_file_gives_the_same_bits(
    demo: ModuleType, folder: Path, encoder: torch.nn.Module, texts: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "standalone_minilm.py"
    done = CliRunner().invoke(cli, ["compile", str(PROGRAM), "-o", str(path)])
    assert done.exit_code == 0, done.output
    assert re.search(r"^\s*(import|from) attn", path.read_text(encoding="utf-8"), re.MULTILINE) is None
    standalone = imported(path).Minilm()
    standalone.load_state_dict(encoder.state_dict())
    ids, keep = demo.tokenize(folder, texts)
    assert torch.equal(run(standalone.eval(), ids, keep), run(encoder, ids, keep))


def test_torch_compile_takes_the_whole_graph() -> None:
    torch._dynamo.reset()
    module = attn.compile(PROGRAM, bind=SMALL).eval()
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager", dynamic=True)
    for count, length in [(2, 5), (3, 8), (5, 24)]:
        inputs = batch(count, length, 40)
        torch.testing.assert_close(run(compiled, *inputs), run(module, *inputs))


def test_torch_export_keeps_batch_and_length_dynamic() -> None:
    module = attn.compile(PROGRAM, bind=SMALL).eval()
    dims = {0: torch.export.Dim("B"), 1: torch.export.Dim("N", max=24)}
    exported = torch.export.export(module, batch(2, 5, 40), dynamic_shapes={"ids": dims, "keep": dims})
    assert sorted(exported.state_dict) == sorted(module.state_dict())
    for count, length in [(3, 8), (7, 24)]:
        inputs = batch(count, length, 40)
        torch.testing.assert_close(run(exported.module(), *inputs), run(module, *inputs))


def test_gradients_reach_every_weight() -> None:
    torch.manual_seed(0)
    module = attn.compile(PROGRAM, bind=SMALL)
    (module(*batch(3, 8, 40)) @ torch.randn(16)).sum().backward()
    still = [name for name, weight in module.named_parameters() if weight.grad is None or not weight.grad.any()]
    # A bias of the keys adds the same to all scores of a query, so a softmax cannot see it.
    assert [name for name in still if not name.endswith("attention.k.bias")] == []


# ---------------------------------------------------------------- the text


def test_the_program_formats_to_itself() -> None:
    text = PROGRAM.read_text(encoding="utf-8")
    assert format_text(Source(PROGRAM.name, text)) == text


def test_the_program_has_no_mistake() -> None:
    assert attn.check(PROGRAM) == []


def test_weight_names_are_a_promise(golden: Check) -> None:
    def names(case: Golden) -> str:
        bind = {name: int(size) for name, size in (pair.split("=") for pair in case.text.split())}
        weights = attn.load(PROGRAM).graph(bind).weights
        return "".join(f"{weight.path} {[size.integer() for size in weight.shape]}\n" for weight in weights)

    golden(GOLDEN / "weights" / "minilm.txt", names)


# ---------------------------------------------------------------- foreign names


def name_map(demo: ModuleType, text: str) -> dict[str, str | None]:
    """The demo's map with changes before it: `name -> ours`, `name -> none` ignored, `name` alone taken out."""
    changes: dict[str, str | None] = {}
    names: dict[str, str | None] = {**demo.NAMES, **dict.fromkeys(demo.IGNORE)}
    for line in text.splitlines():
        name, arrow, target = (part.strip() for part in line.partition("->"))
        names.pop(name, None)
        if arrow:
            changes[name] = None if target == "none" else target
    return {**changes, **names}


@pytest.mark.parametrize("path", golden_files(GOLDEN / "weights", "wrong-*.txt"), ids=lambda path: path.stem)
def test_one_error_lists_all_that_a_wrong_map_misses(path: Path, golden: Check, demo: ModuleType, checkpoint: dict[str, Tensor]) -> None:
    module = attn.compile(PROGRAM)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}

    def message(case: Golden) -> str:
        with pytest.raises(attn.AttnError) as caught:
            attn.load_weights(module, checkpoint, name_map(demo, case.text))
        assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["E0701"]
        return str(caught.value).strip() + "\n"

    golden(path, message)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items()), "a weight was written"


def test_a_map_may_also_ignore(demo: ModuleType, checkpoint: dict[str, Tensor], encoder: torch.nn.Module) -> None:
    module = attn.compile(PROGRAM)
    attn.load_weights(module, checkpoint, name_map(demo, ""))
    assert all(torch.equal(tensor, encoder.state_dict()[name]) for name, tensor in module.state_dict().items())
